//! `/metrics`, `/healthz` and `/readyz` over HTTP.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use prometheus::{Registry, TextEncoder};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::ServiceHealth;

/// Why telemetry could not start.
#[derive(Debug, Error)]
pub enum TelemetryError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address} (metrics.listen, --metrics-listen): {source}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// The reason.
        source: std::io::Error,
    },
}

#[derive(Clone)]
struct Served {
    registry: Registry,
    health: ServiceHealth,
}

/// Serves metrics and health until shutdown; the address that was bound.
///
/// # Errors
/// [`TelemetryError::Bind`] when the address is taken or not this machine's.
pub async fn serve_metrics(
    address: SocketAddr,
    registry: Registry,
    health: ServiceHealth,
    shutdown: CancellationToken,
) -> Result<SocketAddr, TelemetryError> {
    let bind = |source| TelemetryError::Bind { address, source };
    let listener = TcpListener::bind(address).await.map_err(bind)?;
    let bound = listener.local_addr().map_err(bind)?;
    let routes = Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .with_state(Served { registry, health });
    tokio::spawn(async move {
        let serving = axum::serve(listener, routes)
            .with_graceful_shutdown(async move { shutdown.cancelled().await });
        if let Err(error) = serving.await {
            tracing::error!(%error, "metrics server ended");
        }
    });
    Ok(bound)
}

async fn metrics(State(served): State<Served>) -> impl IntoResponse {
    match TextEncoder::new().encode_to_string(&served.registry.gather()) {
        Ok(text) => {
            let kind = "text/plain; version=0.0.4; charset=utf-8";
            (StatusCode::OK, [(header::CONTENT_TYPE, kind)], text)
        }
        Err(error) => {
            let kind = "text/plain; charset=utf-8";
            (StatusCode::INTERNAL_SERVER_ERROR, [(header::CONTENT_TYPE, kind)], error.to_string())
        }
    }
}

/// 200 once every part is ready; before, 503 with the parts that are not.
async fn ready(State(served): State<Served>) -> impl IntoResponse {
    let waiting = served.health.waiting_for();
    let status = if waiting.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let parts: Vec<String> = waiting.iter().map(|part| format!("\"{part}\"")).collect();
    let body =
        format!("{{\"ready\":{},\"waiting_for\":[{}]}}\n", waiting.is_empty(), parts.join(","));
    (status, [(header::CONTENT_TYPE, "application/json")], body)
}

#[cfg(test)]
mod tests {
    use prometheus::IntCounter;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;

    async fn get(address: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).await.unwrap();
        response
    }

    #[tokio::test]
    async fn metrics_and_health_are_served() {
        let registry = Registry::new();
        let counter = IntCounter::new("homestream_test_total", "A test.").unwrap();
        counter.inc_by(3);
        registry.register(Box::new(counter)).unwrap();
        let health = ServiceHealth::default();
        health.expect("market_index");
        let stop = CancellationToken::new();
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let address = serve_metrics(any, registry, health.clone(), stop.clone()).await.unwrap();

        assert!(get(address, "/metrics").await.contains("homestream_test_total 3"));
        assert!(get(address, "/healthz").await.starts_with("HTTP/1.1 200"));
        let waiting = get(address, "/readyz").await;
        assert!(waiting.starts_with("HTTP/1.1 503") && waiting.contains("market_index"));
        health.set_ready("market_index");
        assert!(get(address, "/readyz").await.starts_with("HTTP/1.1 200"));
        stop.cancel();
    }

    #[tokio::test]
    async fn a_busy_port_is_named_with_its_setting() {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = taken.local_addr().unwrap();
        let error = serve_metrics(
            address,
            Registry::new(),
            ServiceHealth::default(),
            CancellationToken::new(),
        )
        .await
        .unwrap_err()
        .to_string();
        assert!(
            error.contains(&address.to_string()) && error.contains("--metrics-listen"),
            "{error}"
        );
    }
}
