//! Traces of records: W3C Trace Context in and out, spans over OTLP.
//!
//! A record is traced when its producer asked for it, by the sampled flag of its `traceparent`;
//! of batches a share is. Off, which is the default, costs one comparison a record.

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{
    Link, Span as _, SpanBuilder, SpanContext, SpanKind, TraceContextExt, Tracer as _,
    TracerProvider as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{
    Sampler, SdkTracer, SdkTracerProvider, Span, SpanExporter as Exporter,
};
use thiserror::Error;

/// Header that names the trace and the caller's span.
pub const TRACEPARENT: &str = "traceparent";
/// Header with what vendors say of the trace.
pub const TRACESTATE: &str = "tracestate";
/// The flag of [`TRACEPARENT`] that asks for spans.
const SAMPLED: u8 = 1;
/// Length of [`TRACEPARENT`] in version 00; later ones may be longer.
const TRACEPARENT_CHARS: usize = 55;
/// Where OTLP over HTTP takes traces, below an endpoint.
const TRACES_PATH: &str = "v1/traces";
/// How long an export may take before its spans are given up.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);

/// Where traces go.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceConfig {
    /// Base address of a collector that speaks OTLP over HTTP, such as
    /// `http://127.0.0.1:4318`.
    pub endpoint: String,
    /// Share of batches with a span of their own, 0 to 1.
    pub batch_share: f64,
    /// `service.name` of every span.
    pub service: String,
}

/// Why traces cannot be sent.
#[derive(Debug, Error)]
#[error("cannot send traces to {endpoint}: {detail}")]
pub struct TraceError {
    endpoint: String,
    detail: String,
}

/// Makes spans; clones share their way out.
#[derive(Clone, Debug, Default)]
pub struct Traces(Option<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    propagator: TraceContextPropagator,
}

/// A batch being worked on; its span ends when it is dropped.
#[derive(Debug)]
pub struct BatchTrace<'t> {
    inner: Option<&'t Inner>,
    topic: &'t str,
    began: SystemTime,
    span: Option<Span>,
}

/// The place of a record, for its span.
#[derive(Clone, Copy, Debug)]
pub struct RecordPlace {
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
}

impl Traces {
    /// No traces.
    pub fn off() -> Self {
        Self(None)
    }

    /// Sends spans to a collector, from a thread of its own: what cannot be sent in time is
    /// dropped and told in the log, nothing waits for it.
    ///
    /// # Errors
    /// [`TraceError`] for an endpoint that is not an address. A collector that is down is none.
    pub fn otlp(config: &TraceConfig) -> Result<Self, TraceError> {
        let fault = |detail: String| TraceError { endpoint: config.endpoint.clone(), detail };
        match config.endpoint.split_once("://") {
            Some(("http", _)) => {}
            Some(("https", _)) if cfg!(feature = "tls") => {}
            Some(("https", _)) => return Err(fault("this build has no TLS".into())),
            _ => return Err(fault("expected an address such as http://HOST:4318".into())),
        }
        let exporter = SpanExporter::builder()
            .with_http()
            .with_endpoint(format!("{}/{TRACES_PATH}", config.endpoint.trim_end_matches('/')))
            .with_timeout(EXPORT_TIMEOUT)
            .with_headers(HashMap::new())
            .build()
            .map_err(|error| fault(error.to_string()))?;
        Ok(Self::with_exporter(config, exporter))
    }

    fn with_exporter(config: &TraceConfig, exporter: impl Exporter + 'static) -> Self {
        let batches = Sampler::TraceIdRatioBased(config.batch_share);
        let resource = Resource::builder()
            .with_service_name(config.service.clone())
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_sampler(Sampler::ParentBased(Box::new(batches)))
            .with_resource(resource)
            .build();
        let tracer = provider.tracer("homestream");
        Self(Some(Inner { provider, tracer, propagator: TraceContextPropagator::new() }))
    }

    /// Begins a batch of records of a topic.
    pub fn batch<'t>(&'t self, topic: &'t str, records: usize) -> BatchTrace<'t> {
        let began = SystemTime::now();
        let span = self.0.as_ref().map(|inner| {
            let builder = consumer_span(
                "process batch of",
                topic,
                began,
                [KeyValue::new(
                    "messaging.batch.message_count",
                    i64::try_from(records).unwrap_or(i64::MAX),
                )],
            );
            inner.tracer.build_with_context(builder, &Context::new())
        });
        BatchTrace { inner: self.0.as_ref(), topic, began, span }
    }

    /// Sends what is waiting, then ends. Blocks up to `deadline`.
    pub fn close(&self, deadline: Duration) {
        if let Some(Inner { provider, .. }) = &self.0
            && let Err(error) = provider.shutdown_with_timeout(deadline)
        {
            tracing::warn!(%error, "the last traces were not sent");
        }
    }
}

impl BatchTrace<'_> {
    /// A span from the batch's begin to now for a record whose `traceparent` asks for it;
    /// returns the `traceparent` for what came of the record, `None` where there is no span.
    pub fn record(
        &self,
        place: RecordPlace,
        traceparent: Option<&[u8]>,
        tracestate: Option<&[u8]>,
    ) -> Option<String> {
        let inner = self.inner?;
        let traceparent = std::str::from_utf8(traceparent?).ok()?;
        if !asks_for_spans(traceparent) {
            return None;
        }
        let headers = HashMap::from([
            (TRACEPARENT.to_owned(), traceparent.to_owned()),
            (TRACESTATE.to_owned(), String::from_utf8_lossy(tracestate.unwrap_or_default()).into()),
        ]);
        let parent = inner.propagator.extract_with_context(&Context::new(), &headers);
        if !parent.span().span_context().is_valid() {
            return None;
        }
        let mut builder = consumer_span(
            "process",
            self.topic,
            self.began,
            [
                KeyValue::new("messaging.destination.partition.id", place.partition.to_string()),
                KeyValue::new("messaging.kafka.offset", place.offset),
            ],
        );
        if let Some(batch) = self.span.as_ref().filter(|span| span.is_recording()) {
            builder = builder.with_links(vec![Link::with_context(batch.span_context().clone())]);
        }
        let mut span = inner.tracer.build_with_context(builder, &parent);
        span.end();
        Some(header_of(span.span_context()))
    }
}

fn consumer_span<const N: usize>(
    operation: &str,
    topic: &str,
    began: SystemTime,
    attributes: [KeyValue; N],
) -> SpanBuilder {
    let common = [
        KeyValue::new("messaging.system", "kafka"),
        KeyValue::new("messaging.operation.type", "process"),
        KeyValue::new("messaging.destination.name", topic.to_owned()),
    ];
    SpanBuilder::from_name(Cow::Owned(format!("{operation} {topic}")))
        .with_kind(SpanKind::Consumer)
        .with_start_time(began)
        .with_attributes(common.into_iter().chain(attributes))
}

/// Whether a `traceparent` has its sampled flag set, without reading the rest.
fn asks_for_spans(traceparent: &str) -> bool {
    let flags = traceparent.get(TRACEPARENT_CHARS - 2..TRACEPARENT_CHARS);
    let flags = flags.and_then(|flags| u8::from_str_radix(flags, 16).ok());
    flags.is_some_and(|flags| flags & SAMPLED != 0)
}

fn header_of(span: &SpanContext) -> String {
    let flags = span.trace_flags().to_u8();
    format!("00-{}-{}-{flags:02x}", span.trace_id(), span.span_id())
}

#[cfg(test)]
#[path = "traces_tests.rs"]
mod tests;
