//! A market of its own on the broker, scorers as processes, and chance that can be repeated.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use model_core::date::EventDate;
use model_core::listing::Listing;
use platform_kafka::{
    BrokerConfig, Follower, FollowerEvent, Outgoing, Progress, Publisher, Record,
};
use rustix::process::{Pid, Signal, kill_process};
use schemas::{Codec, TopicNames};
use tempfile::TempDir;

/// Longest wait for anything: far above what it takes, so that only a hang reaches it.
pub(crate) const DEADLINE: Duration = Duration::from_secs(420);
/// Between two looks at a process.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// Records of one publication.
const CHUNK: usize = 250;

/// A number from the environment.
pub(crate) fn number(name: &str, otherwise: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is {text:?}, not a number")),
        Err(_) => otherwise,
    }
}

pub(crate) fn required(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!(
            "{name} is not set: start brokers with `tests/kafka/cluster start DIR`, then \
             `set -a; . DIR/env; set +a`, or name a broker of your own"
        )
    })
}

/// Chance that a seed repeats (splitmix64).
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    pub(crate) fn between(&mut self, low: Duration, high: Duration) -> Duration {
        low + Duration::from_millis(self.below((high - low).as_millis() as u64))
    }
}

/// Topics with a market, its champion and a few listings, under a prefix of their own.
pub(crate) struct World {
    pub(crate) broker: BrokerConfig,
    pub(crate) topics: TopicNames,
    pub(crate) codec: Codec,
    /// Listings that are there from the start, whose facts those published later share.
    pub(crate) templates: Vec<Listing>,
    folder: TempDir,
}

impl World {
    /// Fills topics of six partitions with a market and `listings` listings, some of them
    /// hostile.
    pub(crate) async fn new(name: &str, listings: usize, hostile: &str) -> Arc<Self> {
        Self::empty(name).filled(listings, hostile).await
    }

    /// As [`World::new`]; topics that are there already stay as they are.
    pub(crate) async fn filled(self, listings: usize, hostile: &str) -> Arc<Self> {
        let listings = listings.to_string();
        let mut load = self.command(&["bench", "load", "--listings", &listings]);
        load.args(["--partitions", "6", "--hostile", hostile]);
        load.env("HOMESTREAM__TOPICS__REPLICATION", self.replicas().to_string());
        load.env("HOMESTREAM__TRAINING__STRATEGIES", "elastic_net");
        let output = load.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let templates = self.listings().await;
        Arc::new(Self { templates, ..self })
    }

    /// As many as there are brokers, up to three.
    pub(crate) fn replicas(&self) -> usize {
        self.broker.bootstrap_servers.split(',').count().min(3)
    }

    /// A prefix of its own, with nothing on the broker yet.
    pub(crate) fn empty(name: &str) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        Self {
            broker: BrokerConfig::remote(required("HOMESTREAM_TEST_BROKERS")),
            topics: TopicNames::new(&format!("{name}-{since}.")).unwrap(),
            codec: Codec::new().unwrap(),
            templates: Vec::new(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// A path in the folder of this world.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The binary, for this world.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let binary = std::env::var("HOMESTREAM_TEST_BINARY")
            .unwrap_or_else(|_| env!("CARGO_BIN_EXE_homestream").to_owned());
        let mut command = Command::new(binary);
        command
            .args(arguments)
            .args(["--brokers", &self.broker.bootstrap_servers])
            .args(["--topic-prefix", self.topics.prefix()])
            .args(["--artifacts", &self.folder.path().join("artifacts").to_string_lossy()])
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
            .env_remove("HOMESTREAM_CONFIG")
            .env("RUST_LOG", "info")
            .env("HOMESTREAM__SCORER__GROUP_ID", format!("{}scorer", self.topics.prefix()))
            // The least that a broker accepts by default: the dead are noticed soon.
            .env("HOMESTREAM__SCORER__SESSION_TIMEOUT_MS", "6000")
            .stdin(Stdio::null());
        command
    }

    /// Starts a scorer; `settings` are environment variables without their common prefix.
    pub(crate) fn scorer(&self, instance: &str, settings: &[(&str, &str)]) -> Scorer {
        let mut command = self.command(&["score"]);
        for (name, value) in settings {
            command.env(format!("HOMESTREAM__SCORER__{name}"), value);
        }
        self.start(command, instance)
    }

    /// Starts a scorer by its command.
    pub(crate) fn start(&self, mut command: Command, instance: &str) -> Scorer {
        let log = self.folder.path().join(format!("{instance}.log"));
        let file = File::options().create(true).append(true).open(&log).unwrap();
        command.env("HOMESTREAM__SCORER__INSTANCE", instance).stdout(Stdio::null()).stderr(file);
        Scorer { process: command.spawn().unwrap(), log }
    }

    /// Publishes `count` listings under new keys, evenly over `during`, dated now.
    pub(crate) async fn publish(self: Arc<Self>, name: &str, count: usize, during: Duration) {
        let publisher = Publisher::new(&self.broker, Progress::new()).unwrap();
        let begun = tokio::time::Instant::now();
        for first in (0..count).step_by(CHUNK) {
            tokio::time::sleep_until(begun + during.mul_f64(first as f64 / count as f64)).await;
            let last = count.min(first + CHUNK);
            let batch = (first..last).map(|i| self.listing(&format!("{name}-{i}"), i)).collect();
            publisher.publish(batch).await.unwrap();
        }
    }

    fn listing(&self, key: &str, i: usize) -> Outgoing {
        let listing =
            Listing { key: key.to_owned(), ..self.templates[i % self.templates.len()].clone() };
        let payload = self.codec.encode_listing(&listing).unwrap();
        Outgoing::new(self.topics.listings(), key, payload)
    }

    async fn listings(&self) -> Vec<Listing> {
        let records = everything(&self.broker, &self.topics.listings()).await;
        let good = |record: &Record| {
            let listing = self.codec.decode_listing(record.payload.as_deref()?).ok()?;
            let day = EventDate::from_timestamp_ms(record.timestamp_ms?);
            listing.validate(day).is_ok().then_some(listing)
        };
        records.iter().filter_map(good).collect()
    }
}

/// Every committed record that a topic holds.
pub(crate) async fn everything(broker: &BrokerConfig, topic: &str) -> Vec<Record> {
    let mut follower = Follower::start(broker, "test", &[topic]).unwrap();
    let mut all = Vec::new();
    loop {
        match follower.next().await.expect("the follower goes on") {
            FollowerEvent::Records(records) => all.extend(records),
            FollowerEvent::CaughtUp => return all,
            FollowerEvent::Failed(error) => panic!("{error}"),
        }
    }
}

/// A scorer that runs as a process of its own.
pub(crate) struct Scorer {
    process: Child,
    log: PathBuf,
}

impl Scorer {
    /// `kill -9`, and waits until the process is gone.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// SIGTERM; the exit code.
    pub(crate) async fn terminate(mut self) -> Option<i32> {
        let pid = Pid::from_child(&self.process);
        kill_process(pid, Signal::TERM).unwrap();
        self.exit_code().await
    }

    /// Stops the process without its knowledge, as a starved machine does.
    pub(crate) fn freeze(&self) {
        kill_process(Pid::from_child(&self.process), Signal::STOP).unwrap();
    }

    /// Lets it go on.
    pub(crate) fn thaw(&self) {
        kill_process(Pid::from_child(&self.process), Signal::CONT).unwrap();
    }

    /// Waits until the process ends by itself; its exit code.
    pub(crate) async fn exit_code(&mut self) -> Option<i32> {
        let until = tokio::time::Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status.code();
            }
            assert!(tokio::time::Instant::now() < until, "it goes on: {}", self.log());
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.process.try_wait().unwrap().is_none()
    }

    /// What it has logged, over all starts of this instance.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until the log says something.
    pub(crate) async fn logged(&mut self, text: &str) {
        let until = tokio::time::Instant::now() + DEADLINE;
        while !self.log().contains(text) {
            assert!(self.is_running(), "the scorer ended: {}", self.log());
            assert!(tokio::time::Instant::now() < until, "no {text:?} in: {}", self.log());
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Resident memory, bytes.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()));
        let kilobytes = status.unwrap_or_default().lines().find_map(|line| {
            line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()
        });
        1024 * kilobytes.unwrap_or_default()
    }
}

impl Drop for Scorer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            eprintln!("--- {}\n{}", self.log.display(), last_lines(&self.log(), 40));
        }
    }
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}
