//! Spans are read where they arrive: at a small collector.

use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span as SentSpan;
use prost::Message;
use tokio::sync::mpsc;

use super::*;

const PLACE: RecordPlace = RecordPlace { partition: 3, offset: 41 };
const ASKED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const NOT_ASKED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

/// A collector: its address, and the spans it is sent, with their service's name.
async fn collector() -> (String, mpsc::UnboundedReceiver<(String, SentSpan)>) {
    let (sent, spans) = mpsc::unbounded_channel();
    let take = move |body: Bytes| async move {
        let request = ExportTraceServiceRequest::decode(body).unwrap();
        for resource in request.resource_spans {
            let attributes = resource.resource.unwrap().attributes;
            let name = attributes.iter().find(|pair| pair.key == "service.name").unwrap();
            let name = format!("{:?}", name.value);
            for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                sent.send((name.clone(), span)).unwrap();
            }
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let app = Router::new().route("/v1/traces", post(take));
    tokio::spawn(async move { axum::serve(listener, app).await });
    (endpoint, spans)
}

fn config(endpoint: String, batch_share: f64) -> TraceConfig {
    TraceConfig { endpoint, batch_share, service: "homestream-scorer".into() }
}

async fn sent(
    traces: Traces,
    mut spans: mpsc::UnboundedReceiver<(String, SentSpan)>,
) -> Vec<SentSpan> {
    let closing = traces.clone();
    tokio::task::spawn_blocking(move || closing.close(EXPORT_TIMEOUT)).await.unwrap();
    let mut got = Vec::new();
    while let Ok((service, span)) = spans.try_recv() {
        assert!(service.contains("homestream-scorer"), "{service}");
        got.push(span);
    }
    got
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_whose_producer_asks_is_traced_under_its_span() {
    let (endpoint, spans) = collector().await;
    let traces = Traces::otlp(&config(endpoint, 1.0)).unwrap();
    let batch = traces.batch("homes.listings", 2);
    let header = batch.record(PLACE, Some(ASKED.as_bytes()), Some(b"vendor=1")).unwrap();
    assert_eq!(batch.record(PLACE, Some(NOT_ASKED.as_bytes()), None), None);
    assert_eq!(batch.record(PLACE, None, None), None);
    drop(batch);

    let sent = sent(traces, spans).await;
    let [record, batch] = sent.as_slice() else { panic!("{sent:?}") };
    assert_eq!(record.name, "process homes.listings");
    assert_eq!(record.trace_state, "vendor=1");
    assert_eq!(hex(&record.trace_id), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(hex(&record.parent_span_id), "00f067aa0ba902b7");
    assert_eq!(
        header,
        format!("00-4bf92f3577b34da6a3ce929d0e0e4736-{}-01", hex(&record.span_id)),
        "what came of the record points at the record's span"
    );
    assert_eq!(batch.name, "process batch of homes.listings");
    assert_eq!(record.links[0].span_id, batch.span_id);
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_have_spans_by_their_share() {
    let (endpoint, spans) = collector().await;
    let traces = Traces::otlp(&config(endpoint, 0.0)).unwrap();
    for _ in 0..100 {
        traces.batch("homes.listings", 500);
    }
    assert!(sent(traces, spans).await.is_empty());
}

#[test]
fn a_header_that_is_no_context_makes_no_span() {
    let traces = Traces::otlp(&config("http://127.0.0.1:9".into(), 0.0)).unwrap();
    let batch = traces.batch("homes.listings", 1);
    let zero = ASKED.replace(|c: char| c.is_ascii_hexdigit() && c != '0' && c != '1', "0");
    let zero = zero.replace("1-", "0-");
    let long = format!("{ASKED}{}", "x".repeat(1 << 20));
    let upper = ASKED.to_uppercase();
    for header in ["", "01", &ASKED[1..], &zero, &long, "ff-é", &upper] {
        let span = batch.record(PLACE, Some(header.as_bytes()), None);
        assert_eq!(span, None, "{:.80}", header);
    }
    assert_eq!(batch.record(PLACE, Some(b"\xff\xfe"), None), None);
}

#[test]
fn off_makes_no_span() {
    let traces = Traces::off();
    let batch = traces.batch("homes.listings", 1);
    assert_eq!(batch.record(PLACE, Some(ASKED.as_bytes()), None), None);
}

#[test]
fn an_endpoint_that_is_no_address_is_told() {
    for endpoint in ["", "collector:4318", "ftp://collector"] {
        let error = Traces::otlp(&config(endpoint.into(), 0.0)).unwrap_err().to_string();
        assert!(error.contains("http://HOST:4318"), "{error}");
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
