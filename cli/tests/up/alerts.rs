//! `alerts test` tells of each sink whether it takes alerts, and its exit code for all.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use crate::support::{Place, Running};

const SOON: Duration = Duration::from_secs(20);

/// Answers every request with this status, for as long as the test runs.
fn receiver(status: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(stream);
            let (mut line, mut length) = (String::new(), 0);
            while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                line.clear();
            }
            let mut body = vec![0; length];
            if reader.read_exact(&mut body).is_ok() {
                let answer =
                    format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                let _ = reader.get_mut().write_all(answer.as_bytes());
            }
        }
    });
    address
}

fn settings(place: &Place, well: SocketAddr, ill: SocketAddr) {
    place.write("secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n");
    let sink =
        |name: &str, rest: String| format!("[[notifier.sinks]]\nname = \"{name}\"\n{rest}\n");
    let well = sink("ops", format!("kind = \"alertmanager\"\nurls = [\"http://{well}\"]"));
    let ill = sink(
        "hook",
        format!("kind = \"webhook\"\nurl = \"http://{ill}/h\"\nsecret_file = \"secret\""),
    );
    place.write("alerts.toml", &format!("{well}{ill}"));
}

fn test(place: &Place, more: &[&str]) -> (Option<i32>, String, String) {
    let arguments = [&["alerts", "test", "--config", "alerts.toml"], more].concat();
    let output = Running::start(place, &arguments).finish(SOON);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    // What the log says of failures stands before the one line that ends the command.
    let error = text(&output.stderr).lines().last().unwrap_or_default().to_owned();
    (output.status.code(), text(&output.stdout), error)
}

#[test]
fn each_sample_is_told_and_one_that_is_not_taken_fails_the_command() {
    let place = Place::with_every(5_000);
    settings(&place, receiver("200 OK"), receiver("200 OK"));
    let (code, out, error) = test(&place, &[]);
    assert_eq!((code, error.as_str()), (Some(0), ""));
    // Two sinks, the rules that ask for a retraining, two states each.
    assert_eq!(out.lines().filter(|line| line.ends_with(": taken")).count(), 2 * 5 * 2, "{out}");
    assert!(out.contains("hook: feature_drift resolved: taken\n"), "{out}");

    settings(&place, receiver("200 OK"), receiver("410 Gone"));
    let (code, out, error) = test(&place, &["--rule", "volume"]);
    assert_eq!(code, Some(1));
    assert_eq!(error, "homestream: not every sample was taken by hook");
    assert!(out.starts_with("ops: volume firing: taken\n"), "{out}");
    assert!(out.contains("hook: volume firing: HTTP 410 Gone"), "{out}");
    assert_eq!(test(&place, &["--sink", "ops"]).0, Some(0), "the others are left alone");
}

#[test]
fn what_cannot_be_tested_is_a_matter_of_the_settings() {
    let place = Place::with_every(5_000);
    settings(&place, receiver("200 OK"), receiver("200 OK"));
    let (code, _, error) = test(&place, &["--sink", "mail"]);
    assert_eq!(code, Some(2));
    assert_eq!(error, "homestream: --sink mail: there is no such sink, only ops, hook");
    place.write("secret", "hunter2!");
    let (code, _, error) = test(&place, &[]);
    assert_eq!(code, Some(2));
    assert!(
        error.starts_with("homestream: notifier.sinks.hook: secret cannot be used: "),
        "{error}"
    );
    assert!(error.contains("expected whsec_") && !error.contains("hunter2"), "{error}");
    place.write("alerts.toml", "[notifier]\nsinks = []\n");
    let (code, _, error) = test(&place, &[]);
    assert_eq!(code, Some(2));
    assert!(error.contains("name at least one [[notifier.sinks]]"), "{error}");
}
