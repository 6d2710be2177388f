//! The HTTP source against servers of the tests' own that fail in every way.

use std::time::Instant;

use axum::Router;
use axum::body::Bytes;
use axum::extract::Path;
use axum::http::{HeaderMap as ServerHeaders, StatusCode as Status};
use axum::response::{IntoResponse, Response as Reply};
use axum::routing::{get, post};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::source::FactValue;

async fn one(Path(key): Path<String>, headers: ServerHeaders) -> Reply {
    match key.as_str() {
        "none" => Status::NOT_FOUND.into_response(),
        "gone" => Status::GONE.into_response(),
        "empty" => Status::NO_CONTENT.into_response(),
        "null" => "null".into_response(),
        "broken" => Status::INTERNAL_SERVER_ERROR.into_response(),
        "busy" => Status::TOO_MANY_REQUESTS.into_response(),
        "closed" => Status::UNAUTHORIZED.into_response(),
        "moved" => (Status::FOUND, [("location", "/parcels/a")]).into_response(),
        "garbage" => "<html>".into_response(),
        "list" => "[1]".into_response(),
        "huge" => vec![b' '; 10_000].into_response(),
        "slow" => {
            tokio::time::sleep(Duration::from_secs(30)).await;
            Status::OK.into_response()
        }
        "who" => {
            let told = |name| headers.get(name).map(|value| value.to_str().unwrap());
            json!({"zone": told("authorization"), "deep": {"er": [told("x-team")]}})
                .to_string()
                .into_response()
        }
        key => json!({
            "zone": key, "depth": 1.5, "deep": {"er": [7]}, "wet": true, "blank": " ",
            "long": "x".repeat(2_000),
        })
        .to_string()
        .into_response(),
    }
}

async fn many(body: Bytes) -> Reply {
    let asked: Value = serde_json::from_slice(&body).unwrap();
    let mut answers = serde_json::Map::new();
    for key in asked["keys"].as_array().unwrap() {
        let key = key.as_str().unwrap();
        match key {
            "none" => {}
            "null" => drop(answers.insert(key.into(), Value::Null)),
            "bad" => drop(answers.insert(key.into(), json!(7))),
            key => drop(answers.insert(key.into(), json!({"zone": key}))),
        }
    }
    Value::Object(answers).to_string().into_response()
}

/// A server, and the address below which it answers.
async fn server() -> String {
    let routes = Router::new()
        .route("/parcels/{key}", get(one))
        .route("/many", post(many))
        .route("/list", post(|| async { "[]" }));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, routes).await });
    format!("http://{address}")
}

fn settings(url: String, method: HttpMethod) -> HttpSettings {
    let columns = ["zone", "depth", "/deep/er/0", "wet", "blank", "long", "absent"];
    HttpSettings {
        url,
        method,
        authorization: None,
        headers: vec![("x-team".into(), "homes".into())],
        columns: columns.map(String::from).to_vec(),
        timeout: Duration::from_millis(500),
        max_body_bytes: 4_096,
    }
}

async fn source(path: &str, method: HttpMethod) -> HttpSource {
    let url = format!("{}{path}", server().await);
    HttpSource::new(settings(url, method)).unwrap()
}

async fn load(source: &HttpSource, keys: &[&str]) -> Result<Vec<Answer>, FactError> {
    let keys: Vec<FactKey> = keys.iter().map(|key| FactKey::from(*key)).collect();
    source.load(&keys).await
}

fn text(text: &str) -> Option<FactValue> {
    Some(FactValue::Text(text.into()))
}

fn row(answer: &Answer) -> &[Option<FactValue>] {
    match answer {
        Answer::Found(row) => row,
        other => panic!("{other:?}"),
    }
}

fn error(answer: &Answer) -> String {
    match answer {
        Answer::Failed(error) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn members_and_pointers_become_facts_and_keys_are_escaped() {
    let source = source("/parcels/{key}", HttpMethod::Get).await;
    let keys = ["a", "ä/b ?c#d%2F", ".."];
    let answers = load(&source, &keys).await.unwrap();
    let number = |number| Some(FactValue::Number(number));
    for (answer, key) in answers.iter().zip(&keys[..2]) {
        let expected = [text(key), number(1.5), number(7.0), text("true"), None, None, None];
        assert_eq!(row(answer), expected);
    }
    assert!(matches!(answers[2], Answer::Absent), "{:?}", answers[2]);
}

#[tokio::test]
async fn each_way_to_fail_is_told_and_costs_the_other_keys_nothing() {
    let source = source("/parcels/{key}", HttpMethod::Get).await;
    let cases = [
        ("broken", "cannot be reached: status 500"),
        ("busy", "cannot be reached: status 429"),
        ("closed", "refused: status 401"),
        ("moved", "refused: status 302"),
        ("garbage", "unusable answer: not JSON"),
        ("list", "unusable answer: expected a JSON object"),
        ("huge", "unusable answer: more than 4096 bytes (max_body_bytes)"),
        ("slow", "no answer within 500 ms"),
    ];
    let mut keys: Vec<&str> = cases.iter().map(|(key, _)| *key).collect();
    keys.extend(["none", "gone", "empty", "null", "a"]);
    let began = Instant::now();
    let answers = load(&source, &keys).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    for ((key, told), answer) in cases.iter().zip(&answers) {
        assert!(error(answer).starts_with(told), "{key}: {}", error(answer));
    }
    for answer in &answers[cases.len()..keys.len() - 1] {
        assert!(matches!(answer, Answer::Absent), "{answer:?}");
    }
    assert_eq!(row(&answers[keys.len() - 1])[0], text("a"));
}

#[tokio::test]
async fn a_body_without_end_is_not_read_to_its_end() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/{{key}}", listener.local_addr().unwrap());
    let sent = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut request = [0; 1_024];
        assert!(socket.read(&mut request).await.unwrap() > 0);
        socket.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await.unwrap();
        let mut sent = 0_u64;
        let chunk = format!("400\r\n{}\r\n", " ".repeat(1_024));
        while socket.write_all(chunk.as_bytes()).await.is_ok() {
            sent += 1_024;
        }
        sent
    });
    let source = HttpSource::new(settings(url, HttpMethod::Get)).unwrap();
    let answers = load(&source, &["a"]).await.unwrap();
    assert!(error(&answers[0]).contains("more than 4096 bytes"), "{}", error(&answers[0]));
    drop(source);
    assert!(sent.await.unwrap() < 64 << 20, "the connection was closed");
}

#[tokio::test]
async fn many_keys_are_posted_at_once() {
    let source = source("/many", HttpMethod::Post).await;
    assert!(source.max_keys() > 100);
    let answers = load(&source, &["a", "none", "null", "bad", "b"]).await.unwrap();
    assert_eq!((&row(&answers[0])[0], &row(&answers[4])[0]), (&text("a"), &text("b")));
    assert!(matches!((&answers[1], &answers[2]), (Answer::Absent, Answer::Absent)));
    assert!(error(&answers[3]).contains("key \"bad\" is not an object"));
    let source = self::source("/list", HttpMethod::Post).await;
    let told = load(&source, &["a"]).await.unwrap_err().to_string();
    assert!(told.contains("expected a JSON object"), "{told}");
}

#[tokio::test]
async fn the_authorization_is_read_for_each_load_and_sent() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let url = format!("{}/parcels/{{key}}", server().await);
    let mut settings = settings(url, HttpMethod::Get);
    settings.authorization = Some(Secret::File(file.path().into()));
    let source = HttpSource::new(settings).unwrap();
    assert!(load(&source, &["who"]).await.unwrap_err().to_string().contains("is empty"));
    for secret in ["Bearer one", "Bearer two"] {
        std::fs::write(file.path(), format!("{secret}\n")).unwrap();
        let answers = load(&source, &["who"]).await.unwrap();
        assert_eq!(row(&answers[0])[0], text(secret));
        assert_eq!(row(&answers[0])[2], text("homes"), "other headers are sent too");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_without_the_key() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/{{key}}", listener.local_addr().unwrap());
    drop(listener);
    let source = HttpSource::new(settings(url, HttpMethod::Get)).unwrap();
    let answers = load(&source, &["secret-parcel"]).await.unwrap();
    let told = error(&answers[0]);
    assert!(told.starts_with("cannot be reached:") && told.contains("refused"), "{told}");
    assert!(!told.contains("secret-parcel"), "{told}");
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let refused = |url: &str, method| {
        HttpSource::new(settings(url.into(), method)).err().map(|error| error.to_string())
    };
    let cases = [
        ("parcels/{key}", HttpMethod::Get, "url: is no URL"),
        ("ftp://host/{key}", HttpMethod::Get, "url: expected http://"),
        ("http://host/parcels", HttpMethod::Get, "url: lacks {key}"),
        ("http://host/{key}", HttpMethod::Post, "url: holds {key}: a POST"),
        ("http://me:hunter2@host/{key}", HttpMethod::Get, "url: holds a user or a password"),
        ("http://{key}.host/", HttpMethod::Get, "url: holds {key} before the path"),
    ];
    for (url, method, told) in cases {
        let error = refused(url, method).unwrap();
        assert!(error.starts_with(told) && !error.contains("hunter2"), "{url}: {error}");
    }
    assert_eq!(refused("http://host/{key}", HttpMethod::Get), None);
    assert_eq!(refused("https://host/{key}", HttpMethod::Get).is_none(), cfg!(feature = "tls"));
    let mut settings = settings("http://host/{key}".into(), HttpMethod::Get);
    settings.headers = vec![("Authorization".into(), "hunter2".into())];
    let error = HttpSource::new(settings).err().unwrap().to_string();
    assert!(error.contains("use authorization_file") && !error.contains("hunter2"), "{error}");
}
