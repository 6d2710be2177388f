"""Prices listings from Kafka as a Python service usually does: confluent-kafka (librdkafka too),
fastavro, LightGBM. Estimate and 90 % interval only: no comparables, contributions or ages.

At least once: a batch's outputs are flushed, then its offsets are committed. Prints one JSON
object: CPU microseconds of this process (user and system) a listing, from before the first to
after the last, and listings a second.
"""

import argparse
import io
import json
import math
import resource
import time
import uuid

import fastavro
import lightgbm
import numpy as np
from confluent_kafka import Consumer, KafkaException, Producer

from features import encode, own_features

SINGLE_OBJECT_MARK = b"\xc3\x01"
HEADER_BYTES = 10  # mark and fingerprint
OUTPUT_SCHEMA = fastavro.parse_schema({
    "type": "record",
    "name": "PeerEstimate",
    "fields": [
        {"name": "ListingKey", "type": "string"},
        {"name": "Estimate", "type": "double"},
        {"name": "Low", "type": "double"},
        {"name": "High", "type": "double"},
        {"name": "Currency", "type": "string"},
    ],
})


class Pricer:
    """From records to records."""

    def __init__(self, args):
        with open(args.listing_schema, encoding="utf-8") as file:
            self.schema = fastavro.parse_schema(json.load(file))
        self.encoders = [encoder for _, encoder in own_features(args.spec)]
        self.model = lightgbm.Booster(model_file=args.model)
        with open(args.model + ".json", encoding="utf-8") as file:
            interval = json.load(file)
        self.low, self.high = math.exp(interval["low"]), math.exp(interval["high"])

    def listing(self, payload):
        if payload[:2] != SINGLE_OBJECT_MARK:
            raise ValueError("not in Avro single-object encoding")
        return fastavro.schemaless_reader(io.BytesIO(payload[HEADER_BYTES:]), self.schema, None)

    def price(self, payloads):
        listings = [self.listing(payload) for payload in payloads]
        rows = np.array([encode(self.encoders, listing) for listing in listings], dtype=float)
        estimates = np.exp(self.model.predict(rows, num_threads=1))
        return [self.answer(listing, estimate) for listing, estimate in zip(listings, estimates)]

    def answer(self, listing, estimate):
        out = io.BytesIO()
        fastavro.schemaless_writer(out, OUTPUT_SCHEMA, {
            "ListingKey": listing["ListingKey"],
            "Estimate": float(estimate),
            "Low": float(estimate) * self.low,
            "High": float(estimate) * self.high,
            "Currency": listing["Currency"],
        })
        return out.getvalue()


class Meter:
    """CPU and wall clock since it was started."""

    def start(self, *_):
        self.cpu, self.wall = time.process_time(), time.perf_counter()

    def read(self, listings):
        cpu = time.process_time() - self.cpu
        seconds = time.perf_counter() - self.wall
        return {
            "listings": listings,
            "cpu_us_per_event": cpu * 1e6 / listings,
            "events_per_second": listings / seconds,
            "resident_max_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        }


def run(args):
    pricer = Pricer(args)
    producer = Producer({
        "bootstrap.servers": args.brokers,
        "acks": "all",
        "enable.idempotence": True,
        "linger.ms": 1,
    })
    failures = []

    def delivered(error, _message):
        if error is not None:
            failures.append(error)

    # As much fetched ahead as our consumer does.
    consumer = Consumer({
        "bootstrap.servers": args.brokers,
        "group.id": f"peer-{uuid.uuid4()}",
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
        "isolation.level": "read_committed",
        "queued.max.messages.kbytes": 16384,
        "queued.min.messages": 10000,
    })
    meter, answered, first = Meter(), 0, None
    consumer.subscribe([args.listings_topic], on_assign=meter.start)
    while answered < args.listings:
        messages = consumer.consume(args.batch, timeout=1.0)
        for message in messages:
            if message.error():
                raise KafkaException(message.error())
        if not messages:
            continue
        first = first or time.perf_counter()
        outputs = pricer.price([message.value() for message in messages])
        for message, output in zip(messages, outputs):
            producer.produce(args.output_topic, output, message.key(), on_delivery=delivered,
                             timestamp=message.timestamp()[1])
            producer.poll(0)
        # One by one, waiting for each acknowledgement would measure the broker: every 500.
        answered += len(messages)
        if args.batch > 1 or answered % 500 == 0:
            producer.flush()
            if failures:
                raise KafkaException(failures[0])
            consumer.commit(asynchronous=True)
    producer.flush()
    result = meter.read(answered)
    result["events_per_second"] = answered / (time.perf_counter() - first)
    consumer.close()
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--brokers", required=True)
    parser.add_argument("--listings-topic", required=True)
    parser.add_argument("--output-topic", required=True)
    parser.add_argument("--listing-schema", default="schemas/listing.avsc")
    parser.add_argument("--model", required=True, help="as train.py wrote it")
    parser.add_argument("--spec", required=True, help="as `homestream features --spec-out` wrote it")
    parser.add_argument("--listings", type=int, default=50_000, help="how many to price")
    parser.add_argument("--batch", type=int, default=500, help="1: one by one")
    print(json.dumps(run(parser.parse_args())))


if __name__ == "__main__":
    main()
