//! `homestream topics`: the topics that the services need, made and compared.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use anyhow::anyhow;
use platform_kafka::{Broker, TopicDescription, TopicSpec, TopicStatus, describe_topics};
use tokio_util::sync::CancellationToken;

use crate::args::TopicsCommand;
use crate::error::CliError;
use crate::serve::{Retention, connect, ensure_topics, topic_specs};
use crate::settings::Settings;
use crate::up::write_out;

/// Does what the command says.
///
/// # Errors
/// When the broker is lost or refuses, and when `check` finds a difference.
pub(crate) async fn run(
    settings: Settings,
    command: TopicsCommand,
    shutdown: CancellationToken,
) -> Result<(), CliError> {
    let done = async {
        match command {
            TopicsCommand::Create { keep } => create(&settings, retention(keep)).await,
            TopicsCommand::Check { keep } => check(&settings, retention(keep)).await,
        }
    };
    tokio::select! {
        done = done => done,
        () = shutdown.cancelled() => Err(CliError::failed(anyhow!("interrupted"))),
    }
}

fn retention(keep: bool) -> Retention {
    if keep { Retention::Keep } else { Retention::ByTopic }
}

async fn create(settings: &Settings, retention: Retention) -> Result<(), CliError> {
    let broker = Broker::Remote(connect(settings).await?);
    for (name, status) in ensure_topics(&broker, settings, retention).await? {
        let word = match status {
            TopicStatus::Created => "created",
            TopicStatus::Existing => "exists",
        };
        write_out(&format!("{word} {name}\n")).map_err(CliError::failed)?;
    }
    Ok(())
}

async fn check(settings: &Settings, retention: Retention) -> Result<(), CliError> {
    let broker = connect(settings).await?;
    let specs = topic_specs(settings, retention)?;
    let names: Vec<&str> = specs.iter().map(|spec| spec.name.as_str()).collect();
    let found = describe_topics(&broker, &names).await.map_err(CliError::failed)?;
    let found: BTreeMap<&str, &TopicDescription> =
        found.iter().map(|topic| (topic.name.as_str(), topic)).collect();
    let mut create = format!(
        "homestream topics create --brokers {} --topic-prefix {:?}",
        broker.bootstrap_servers, settings.topics.prefix
    );
    if retention == Retention::Keep {
        create.push_str(" --keep");
    }
    let tools = Tools { brokers: &broker.bootstrap_servers, create: &create };
    let mut text = String::new();
    let mut different = 0;
    for spec in &specs {
        let differences = differences(spec, found.get(spec.name.as_str()).copied(), tools);
        if differences.is_empty() {
            let _ = writeln!(text, "ok      {}", spec.name);
            continue;
        }
        different += 1;
        for Difference { what, mend } in differences {
            let _ = writeln!(text, "differs {}: {what}\n        mend: {mend}", spec.name);
        }
    }
    write_out(&text).map_err(CliError::failed)?;
    match different {
        0 => Ok(()),
        _ => Err(CliError::failed(anyhow!(
            "{different} of {} topics are not as they should be (above, with how to mend each)",
            specs.len()
        ))),
    }
}

/// What is not as it should be, and how to mend it.
#[derive(Debug, PartialEq, Eq)]
struct Difference {
    what: String,
    mend: String,
}

/// What mends a difference.
#[derive(Clone, Copy, Debug)]
struct Tools<'a> {
    /// Where Kafka's own tools find the brokers.
    brokers: &'a str,
    /// The command that creates what is missing.
    create: &'a str,
}

/// How a topic differs from what the services need.
fn differences(
    spec: &TopicSpec,
    found: Option<&TopicDescription>,
    tools: Tools<'_>,
) -> Vec<Difference> {
    let Some(found) = found else {
        let mend = tools.create.to_owned();
        return vec![Difference { what: "does not exist".into(), mend }];
    };
    let brokers = tools.brokers;
    let mut differences = Vec::new();
    differences.extend(partitions(spec, found, brokers));
    if found.replication < spec.replication {
        differences.push(Difference {
            what: format!(
                "has {} of each partition, expected {} (topics.replication)",
                copies(found.replication),
                spec.replication
            ),
            mend: format!(
                "kafka-reassign-partitions.sh --bootstrap-server {brokers}, with {} replicas for \
                 every partition of the topic",
                spec.replication
            ),
        });
    }
    for (name, expected) in &spec.settings {
        let actual = found.settings.get(name).map_or("", String::as_str);
        if !agrees(name, actual, expected) {
            let list =
                if expected.contains(',') { format!("[{expected}]") } else { expected.clone() };
            differences.push(Difference {
                what: format!("{name} is {actual}, expected {expected}"),
                mend: format!(
                    "kafka-configs.sh --bootstrap-server {brokers} --alter --entity-type topics \
                     --entity-name {} --add-config {name}={list}",
                    spec.name
                ),
            });
        }
    }
    differences
}

fn partitions(spec: &TopicSpec, found: &TopicDescription, brokers: &str) -> Option<Difference> {
    let (actual, expected) = (found.partitions, spec.partitions);
    if actual == expected {
        return None;
    }
    let what = format!("has {actual} partitions, expected {expected}");
    let mend = if expected == 1 {
        "create it anew with one partition: its records are one sequence".to_owned()
    } else if actual < expected {
        format!(
            "kafka-topics.sh --bootstrap-server {brokers} --alter --topic {} --partitions \
             {expected}, with producers stopped and the topic read to its end: keys move between \
             partitions",
            spec.name
        )
    } else {
        format!("set topics.partitions to {actual}: partitions cannot be taken away")
    };
    Some(Difference { what, mend })
}

fn copies(count: i32) -> String {
    if count == 1 { "1 copy".to_owned() } else { format!("{count} copies") }
}

/// Whether a setting serves: policies in any order, sizes at least as large.
fn agrees(name: &str, actual: &str, expected: &str) -> bool {
    let policies = |text: &str| -> BTreeSet<String> {
        text.split(',').map(|policy| policy.trim().to_owned()).collect()
    };
    match name {
        "cleanup.policy" => policies(actual) == policies(expected),
        "max.message.bytes" => {
            let bytes = |text: &str| text.parse::<i64>().unwrap_or(0);
            bytes(actual) >= bytes(expected)
        }
        _ => actual == expected,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOOLS: Tools<'_> = Tools { brokers: "b:1", create: "homestream topics create" };

    fn spec() -> TopicSpec {
        let settings = [("cleanup.policy", "compact,delete"), ("max.message.bytes", "2097152")];
        TopicSpec {
            name: "homes.prices.v1".into(),
            partitions: 3,
            replication: 2,
            settings: settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        }
    }

    fn found() -> TopicDescription {
        let settings = [("cleanup.policy", "delete, compact"), ("max.message.bytes", "4000000")];
        TopicDescription {
            name: "homes.prices.v1".into(),
            partitions: 3,
            replication: 3,
            settings: settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        }
    }

    fn told(change: impl Fn(&mut TopicDescription)) -> Vec<Difference> {
        let mut topic = found();
        change(&mut topic);
        differences(&spec(), Some(&topic), TOOLS)
    }

    #[test]
    fn a_topic_that_serves_is_not_told() {
        assert_eq!(told(|_| {}), []);
    }

    #[test]
    fn each_difference_comes_with_its_mending() {
        let missing = differences(&spec(), None, TOOLS);
        assert_eq!(missing[0].mend, TOOLS.create);
        let policy = told(|topic| {
            topic.settings.insert("cleanup.policy".into(), "delete".into());
        });
        assert_eq!(policy[0].what, "cleanup.policy is delete, expected compact,delete");
        assert!(policy[0].mend.ends_with("--add-config cleanup.policy=[compact,delete]"));
        let small = told(|topic| {
            topic.settings.insert("max.message.bytes".into(), "1048588".into());
        });
        assert!(small[0].what.starts_with("max.message.bytes is 1048588"));
        let few = told(|topic| topic.partitions = 1);
        assert!(few[0].mend.contains("--partitions 3"), "{few:?}");
        let many = told(|topic| topic.partitions = 9);
        assert!(many[0].mend.contains("set topics.partitions to 9"), "{many:?}");
        let lonely = told(|topic| topic.replication = 1);
        assert!(lonely[0].what.starts_with("has 1 copy of each partition, expected 2"));
    }
}
