//! `notify` killed at random: every change of every alert arrives.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use model_core::alert::{Alert, AlertState};
use model_core::date::EventDate;
use model_core::drift_report::Window;
use platform_kafka::{Outgoing, Progress, Publisher};
use schemas::encode_alert;
use serde_json::Value;

use crate::support::{Chance, DEADLINE, World, number};

const ALERTS: usize = 120;

type Told = Arc<Mutex<BTreeSet<(String, String)>>>;

/// Takes every event, and keeps its subject and state.
fn receiver() -> (SocketAddr, Told) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, told) = (listener.local_addr().unwrap(), Told::default());
    let keep = told.clone();
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
            if reader.read_exact(&mut body).is_err() {
                continue;
            }
            // A notifier that was killed may not have sent all of it.
            let Ok(event) = serde_json::from_slice::<Value>(&body) else { continue };
            let text = |name: &str| event["data"][name].as_str().unwrap().to_owned();
            keep.lock().unwrap().insert((text("subject"), text("state")));
            let answer = "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";
            // A notifier that was killed does not read it.
            let _ = reader.get_mut().write_all(answer.as_bytes());
        }
    });
    (address, told)
}

fn alert(number: usize, state: AlertState) -> Alert {
    let date = |text| EventDate::parse_iso(text).unwrap();
    Alert {
        rule: "drift".into(),
        subject: format!("f{number}"),
        value: 1.0,
        threshold: 0.5,
        state,
        date: date("1996-07-01"),
        window: Window { start: date("1996-06-01"), end: date("1996-07-01") },
        model_version: "v1".into(),
        summary: "it moved".into(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notifier_that_is_killed_loses_no_alert() {
    let mut chance = Chance(number("HOMESTREAM_TEST_SEED", 1));
    let world = World::empty("alerts");
    let (address, told) = receiver();
    std::fs::write(world.file("secret"), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
    let secret = world.file("secret");
    let settings = format!(
        "[[notifier.sinks]]\nname = \"hook\"\nkind = \"webhook\"\nurl = \"http://{address}/\"\n\
         secret_file = {secret:?}\n"
    );
    std::fs::write(world.file("notifier.toml"), settings).unwrap();
    let created = world.command(&["topics", "create", "--keep"]).output().unwrap();
    assert!(created.status.success(), "{}", String::from_utf8_lossy(&created.stderr));
    let start = || {
        let mut command = world.command(&["notify"]);
        command.arg("--config").arg(world.file("notifier.toml"));
        command.spawn().unwrap()
    };

    let publisher = Publisher::new(&world.broker, Progress::new()).unwrap();
    let mut notifier = start();
    let mut expected = BTreeSet::new();
    for state in [AlertState::Firing, AlertState::Resolved] {
        for at in 0..ALERTS {
            let alert = alert(at, state);
            expected.insert((alert.subject.clone(), state.code().to_owned()));
            let (key, value) = (alert.fingerprint(), encode_alert(&alert).unwrap());
            let record = Outgoing::new(world.topics.alerts(), key, value);
            publisher.publish(vec![record]).await.unwrap();
        }
        // Somewhere in the middle of what it has to tell of these.
        let some = expected.len() - ALERTS + 1 + chance.below(ALERTS as u64 / 2) as usize;
        wait("some more", || told.lock().unwrap().len() >= some).await;
        notifier.kill().unwrap();
        notifier.wait().unwrap();
        notifier = start();
    }
    wait("all", || *told.lock().unwrap() == expected).await;
    notifier.kill().unwrap();
    notifier.wait().unwrap();
}

async fn wait(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < DEADLINE, "{what}: too late");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
