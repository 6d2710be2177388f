"""Checks that sequential detectors detect where River's do.

    python parity.py [--streams N] [--binary FILE] [--write]

Needs river 0.26. Asks River's ADWIN, Page-Hinkley and KSWIN (seed 42), at their defaults, for
the detections in 200 streams (`streams.py`), and compares them with those of the example
`detectors` of model-core, which is built unless --binary names it, and with the fixture that
model-core's own tests use. --streams takes the first N of each kind. --write makes the fixture
anew. One line for each difference, a closing line; the exit code is 1 if anything differs.
"""

import argparse
import json
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from river import drift

import streams

ROOT = Path(__file__).resolve().parents[3]
FIXTURE = ROOT / "model-core/tests/detectors/river.json"
EXAMPLE = ["cargo", "run", "--quiet", "-p", "model-core", "--example", "detectors"]
SEED = 42


def rivers(values):
    """Indices of River's detections, by detector."""
    detectors = {
        "adwin": drift.ADWIN(),
        "page_hinkley": drift.PageHinkley(),
        "kswin": drift.KSWIN(seed=SEED),
    }
    found = {name: [] for name in detectors}
    for index, value in enumerate(values):
        for name, detector in detectors.items():
            detector.update(value)
            if detector.drift_detected:
                found[name].append(index)
    return found


def ours(command, all_values):
    """Indices of our detections, by stream and detector."""
    lines = "".join(json.dumps(values) + "\n" for values in all_values)
    done = subprocess.run(command, input=lines, stdout=subprocess.PIPE, text=True, check=True,
                          cwd=ROOT)
    return [json.loads(line) for line in done.stdout.splitlines()]


def write(names, found):
    """One stream a line."""
    lines = [f" {json.dumps(name)}: {json.dumps(indices, separators=(',', ':'))}"
             for name, indices in zip(names, found)]
    FIXTURE.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--streams", type=int, default=streams.STREAMS)
    parser.add_argument("--binary")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()

    chosen = [(name, values) for name, values in streams.all_streams()
              if int(name.rsplit("-", 1)[1]) < arguments.streams]
    names, all_values = zip(*chosen)
    with ProcessPoolExecutor(2) as pool:
        found = list(pool.map(rivers, all_values, chunksize=5))
    if arguments.write:
        write(names, found)
    fixture = json.loads(FIXTURE.read_text())
    answers = ours([arguments.binary] if arguments.binary else EXAMPLE, all_values)
    passed = failed = 0
    for name, expected, answer in zip(names, found, answers, strict=True):
        for what, got in (("ours", answer), ("fixture", fixture[name])):
            for detector, indices in expected.items():
                if got[detector] == indices:
                    passed += 1
                else:
                    failed += 1
                    print(f"{name}, {detector}: River {indices}, {what} {got[detector]}")
    print(f"detectors: {passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
