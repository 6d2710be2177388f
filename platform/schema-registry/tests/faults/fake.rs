//! A schema registry of the tests' own, with the faults of real ones.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// How the registry behaves.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Mood {
    /// As it should.
    #[default]
    Well,
    /// Every answer has this status and text.
    Answers(u16, &'static str),
    /// So many more requests are answered with 500.
    Recovers(usize),
    /// Nothing is answered in time.
    Slow,
    /// Answers are longer than anybody would read.
    Endless,
    /// The check says yes, the registration then says no: somebody was faster.
    Overtaken,
}

#[derive(Debug, Default)]
pub(crate) struct Kept {
    pub(crate) mood: Mood,
    /// Subject, schema and type, by id from 1.
    pub(crate) schemas: Vec<(String, Value)>,
    pub(crate) levels: BTreeMap<String, String>,
    /// Method and path of every request.
    pub(crate) requests: Vec<String>,
    /// What `Authorization` held, last.
    pub(crate) authorization: Option<String>,
}

/// A registry that runs until it is stopped, or its runtime ends.
pub(crate) struct Fake {
    pub(crate) address: SocketAddr,
    kept: Arc<Mutex<Kept>>,
    stop: CancellationToken,
    server: Option<tokio::task::JoinHandle<()>>,
}

impl Fake {
    pub(crate) async fn start() -> Self {
        let mut fake = Self::down().await;
        fake.begin().await;
        fake
    }

    /// A registry that does not run yet; its port is free.
    pub(crate) async fn down() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        Self { address, kept: Arc::default(), stop: CancellationToken::new(), server: None }
    }

    pub(crate) async fn begin(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.stop = CancellationToken::new();
        let (stop, kept) = (self.stop.clone(), self.kept.clone());
        self.server = Some(tokio::spawn(async move {
            let routes = Router::new().fallback(answer).with_state(kept);
            let serving = std::future::IntoFuture::into_future(axum::serve(listener, routes));
            // Connections that are open are cut off, too.
            tokio::select! {
                _ = serving => {}
                () = stop.cancelled() => {}
            }
        }));
    }

    /// Stops listening. What is connected already is answered with 503.
    pub(crate) async fn end(&mut self) {
        self.set(Mood::Answers(503, "shutting down"));
        self.stop.cancel();
        if let Some(server) = self.server.take() {
            server.await.unwrap();
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap()
    }

    pub(crate) fn set(&self, mood: Mood) {
        self.kept().mood = mood;
    }

    /// Puts an answer of `schemas/ids` there, under a subject; its id.
    pub(crate) fn put(&self, subject: &str, schema: Value) -> u32 {
        let schemas = &mut self.kept().schemas;
        schemas.push((subject.to_owned(), schema));
        schemas.len() as u32
    }

    /// Requests so far, and forgets them.
    pub(crate) fn take_requests(&self) -> Vec<String> {
        std::mem::take(&mut self.kept().requests)
    }
}

type Shared = State<Arc<Mutex<Kept>>>;

async fn answer(State(kept): Shared, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 22).await.unwrap();
    let mood = {
        let mut kept = kept.lock().unwrap();
        kept.requests.push(format!("{} {}", parts.method, parts.uri.path()));
        let authorization = parts.headers.get(header::AUTHORIZATION);
        kept.authorization = authorization.map(|value| value.to_str().unwrap().to_owned());
        if let Mood::Recovers(left) = kept.mood {
            kept.mood = if left > 1 { Mood::Recovers(left - 1) } else { Mood::Well };
            Mood::Answers(500, r#"{"error_code": 50001, "message": "backend data store"}"#)
        } else {
            kept.mood.clone()
        }
    };
    match mood {
        Mood::Answers(status, text) => {
            (StatusCode::from_u16(status).unwrap(), text).into_response()
        }
        Mood::Slow => {
            tokio::time::sleep(Duration::from_secs(3_600)).await;
            StatusCode::OK.into_response()
        }
        Mood::Endless => vec![b' '; 3 << 20].into_response(),
        _ => well(&mut kept.lock().unwrap(), &parts.method, parts.uri.path(), &body),
    }
}

fn well(kept: &mut Kept, method: &Method, path: &str, body: &Bytes) -> Response {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    let schema = body.get("schema").and_then(Value::as_str).map(canonical);
    let id_under = |kept: &Kept, subject: &str| {
        let same =
            |known: &Value| known.get("schema").and_then(Value::as_str).map(canonical) == schema;
        kept.schemas.iter().position(|(under, known)| under == subject && same(known))
    };
    match (method, segments.as_slice()) {
        (&Method::GET, ["schemas", "ids", id]) => {
            match id.parse::<usize>().ok().and_then(|id| kept.schemas.get(id.checked_sub(1)?)) {
                Some((_, schema)) => json(200, schema.clone()),
                None => error(404, 40403, "Schema not found"),
            }
        }
        (&Method::GET, ["config", subject]) => {
            let level = kept.levels.get(*subject).map_or("NONE", String::as_str);
            json(200, json!({ "compatibilityLevel": level }))
        }
        (&Method::PUT, ["config", subject]) => {
            let level = body.get("compatibility").and_then(Value::as_str).unwrap();
            kept.levels.insert((*subject).to_owned(), level.to_owned());
            json(200, json!({ "compatibility": level }))
        }
        (&Method::POST, ["subjects", subject]) => match id_under(kept, subject) {
            Some(at) => json(200, json!({ "subject": subject, "id": at + 1, "version": 1 })),
            None => error(404, 40403, "Schema not found"),
        },
        (&Method::POST, ["compatibility", "subjects", subject, "versions", "latest"]) => {
            if kept.mood == Mood::Overtaken {
                return json(200, json!({ "is_compatible": true }));
            }
            match kept.schemas.iter().rfind(|(under, _)| under == subject) {
                None => error(404, 40401, "Subject not found"),
                // This registry finds whatever is registered different from it.
                Some(_) => json(
                    200,
                    json!({ "is_compatible": false, "messages": ["READER_FIELD_MISSING: area"] }),
                ),
            }
        }
        (&Method::POST, ["subjects", subject, "versions"]) => {
            if kept.mood == Mood::Overtaken {
                return error(409, 409, "READER_FIELD_MISSING: area");
            }
            let at = id_under(kept, subject).unwrap_or_else(|| {
                kept.schemas.push(((*subject).to_owned(), body.clone()));
                kept.schemas.len() - 1
            });
            json(200, json!({ "id": at + 1 }))
        }
        _ => error(404, 404, "HTTP 404 Not Found"),
    }
}

fn canonical(schema: &str) -> Value {
    serde_json::from_str(schema).unwrap()
}

fn json(status: u16, body: Value) -> Response {
    (StatusCode::from_u16(status).unwrap(), body.to_string()).into_response()
}

fn error(status: u16, code: u32, message: &str) -> Response {
    json(status, json!({ "error_code": code, "message": message }))
}
