//! What Alertmanager makes of what it is told.

use crate::fire::{alertmanager, topics};
use crate::harness::broker;
use crate::server::{Alertmanager, firing};
use crate::support::*;

/// A replay of 1996 fires today, and ends under the model that it began with.
#[tokio::test(flavor = "multi_thread")]
async fn alerts_of_long_ago_fire_now_and_end() {
    let broker = broker();
    let topics = topics(&broker, "state").await;
    let own;
    let url = match std::env::var("HOMESTREAM_TEST_ALERTMANAGER") {
        Ok(url) if !url.is_empty() => url,
        _ => {
            own = Alertmanager::start("http://127.0.0.1:9/nobody");
            own.url.clone()
        }
    };
    let subject = crate::harness::unique("wall");
    let mine = || async {
        let all = firing(&url).await;
        let is_mine = |alert: &&serde_json::Value| alert["labels"]["subject"] == subject;
        all.iter().find(is_mine).cloned()
    };
    let running = Running::start(&broker, config(&topics, vec![alertmanager("am", &url)]));
    publish(&broker, vec![outgoing(&topics, &alert("drift", &subject, true))]).await;
    let held = within("firing", async {
        loop {
            if let Some(alert) = mine().await {
                break alert;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    })
    .await;
    assert_eq!(held["labels"]["alertname"], "drift");
    assert_eq!(held["annotations"]["event_date"], "1996-07-01");
    let started = notifier::parse_time(held["startsAt"].as_str().unwrap()).unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    assert!((now.as_millis() as i64 - started).abs() < 60_000, "{held}");

    // By then another model is the champion.
    let mut over = alert("drift", &subject, false);
    over.model_version = "v2".into();
    publish(&broker, vec![outgoing(&topics, &over)]).await;
    within("resolved", async {
        while mine().await.is_some() {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    })
    .await;
    running.stop().await;
}
