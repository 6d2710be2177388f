//! `homestream topics`.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use platform_kafka::{Broker, BrokerConfig, TopicSpec, create_topics};

use super::Ran;
use crate::support::World;

const TOPICS: usize = 9;
/// A broker is given 5 s to answer.
const PATIENCE: Duration = Duration::from_secs(10);

fn lines<'a>(text: &'a str, first_word: &str) -> Vec<&'a str> {
    text.lines().filter(|line| line.split(' ').next() == Some(first_word)).collect()
}

#[test]
fn check_finds_nothing_to_mend_in_what_create_has_made() {
    for keep in [&[][..], &["--keep"][..]] {
        let world = World::empty("topics");
        let missing = world.run(&["topics", "check"]);
        assert_eq!(missing.code, Some(1), "{}", missing.err);
        assert_eq!(missing.out.matches(": does not exist\n").count(), TOPICS, "{}", missing.out);
        let create = [&["topics", "create"], keep].concat();
        assert_eq!(lines(&world.succeed(&create), "created").len(), TOPICS);
        assert_eq!(lines(&world.succeed(&create), "exists").len(), TOPICS);
        let checked = world.succeed(&[&["topics", "check"], keep].concat());
        assert_eq!(lines(&checked, "ok").len(), TOPICS, "{checked}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn check_tells_each_difference_and_how_to_mend_it() {
    let world = World::empty("differing");
    let spec = |name: &str, partitions, settings: &[(&str, &str)]| TopicSpec {
        name: name.to_owned(),
        partitions,
        replication: -1,
        settings: settings.iter().map(|&(name, value)| (name.into(), value.into())).collect(),
    };
    let (listings, sales, models) =
        (world.topics.listings(), world.topics.sales(), world.topics.models());
    let dead_letters = world.topics.dead_letters();
    let wrong = [
        spec(&listings, 2, &[("cleanup.policy", "compact")]),
        spec(&sales, 3, &[("retention.ms", "60000")]),
        spec(&models, 3, &[("retention.ms", "-1")]),
        spec(&dead_letters, 4, &[("max.message.bytes", "1000000")]),
    ];
    let broker = Broker::Remote(world.broker.clone());
    create_topics(&broker, &wrong).await.unwrap();

    let checked = world.run(&["topics", "check"]);
    assert_eq!(checked.code, Some(1), "{}", checked.out);
    let expected: BTreeMap<&str, &[(&str, &str)]> = [
        (
            &*listings,
            &[
                ("has 2 partitions, expected 3", "kafka-topics.sh"),
                ("cleanup.policy is compact, expected delete", "kafka-configs.sh"),
            ][..],
        ),
        (&*sales, &[("retention.ms is 60000, expected -1", "--add-config retention.ms=-1")]),
        (&*models, &[("has 3 partitions, expected 1", "create it anew with one partition")]),
        (
            &*dead_letters,
            &[
                ("has 4 partitions, expected 3", "set topics.partitions to 4"),
                ("max.message.bytes is 1000000, expected 2097152", "max.message.bytes=2097152"),
            ],
        ),
    ]
    .into();
    let found: Vec<&str> = checked.out.lines().collect();
    for (topic, differences) in expected {
        for (what, mend) in differences {
            let told = format!("differs {topic}: {what}");
            let line = found.iter().position(|line| *line == told);
            let line = line.unwrap_or_else(|| panic!("{told:?} is not told: {}", checked.out));
            let mending = found[line + 1];
            assert!(mending.starts_with("        mend: ") && mending.contains(mend), "{mending}");
        }
    }
    let absent = found.iter().filter(|line| line.ends_with(": does not exist")).count();
    assert_eq!(absent, 5, "{}", checked.out);
    assert!(checked.err.contains("9 of 9 topics are not as they should be"), "{}", checked.err);

    // Looking has created nothing; what check says to do has.
    assert_eq!(world.run(&["topics", "check"]).out, checked.out);
    let mend = found.iter().find_map(|line| line.split_once("mend: homestream ")).unwrap().1;
    let prefix = format!("--topic-prefix {:?}", world.topics.prefix());
    assert!(mend.starts_with("topics create --brokers ") && mend.contains(&prefix), "{mend}");
    assert_eq!(lines(&world.succeed(&["topics", "create"]), "created").len(), 5);
    let checked = world.run(&["topics", "check"]);
    assert_eq!((checked.code, lines(&checked.out, "ok").len()), (Some(1), 5), "{}", checked.out);
    // Topics of events of today do not serve replays.
    let kept = world.run(&["topics", "check", "--keep"]);
    let prices = format!("differs {}: retention.ms is", world.topics.prices());
    assert!(kept.out.contains(&prices), "{}", kept.out);
}

#[test]
fn a_broker_that_does_not_answer_is_told_soon() {
    // It takes connections, and nobody ever reads from them.
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let absent = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for address in [mute.local_addr().unwrap(), absent] {
        let mut world = World::empty("silent");
        world.broker = BrokerConfig::remote(address.to_string());
        let commands = [
            "topics create",
            "topics check",
            "dlq list",
            "dlq replay",
            "dlq replay --dry-run",
            "replay",
        ];
        for command in commands {
            let began = Instant::now();
            let Ran { code, out, err } = world.run(&command.split(' ').collect::<Vec<_>>());
            assert_eq!((code, out.as_str()), (Some(1), ""), "{command}: {err}");
            let told = format!("no Kafka broker answers at {address}");
            assert!(err.contains(&told), "{command}: {err}");
            assert!(began.elapsed() < PATIENCE, "{command} took {:?}", began.elapsed());
        }
    }
}
