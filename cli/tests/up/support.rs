//! Running the binary in a folder of its own, on a sample of the sales that ship.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use flate2::read::GzDecoder;
use serde_json::Value;
use tempfile::TempDir;

/// Longest wait for a whole run: far above what one takes, so that only a hang reaches it.
pub(crate) const DEADLINE: Duration = Duration::from_secs(240);

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/lucas_county").join(name)
}

/// A folder with a sample of the sales, where the binary runs and leaves its artifacts.
pub(crate) struct Place {
    folder: TempDir,
}

impl Place {
    /// Every `nth` sale that ships.
    pub(crate) fn with_every(nth: usize) -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        let file = std::fs::File::open(shipped("lucas_county.csv.gz")).unwrap();
        let mut text = String::new();
        GzDecoder::new(file).read_to_string(&mut text).unwrap();
        let mut lines = text.lines();
        let mut sample = vec![lines.next().unwrap()];
        sample.extend(lines.step_by(nth));
        std::fs::write(place.path("sales.csv"), sample.join("\n")).unwrap();
        std::fs::copy(shipped("mapping.toml"), place.path("mapping.toml")).unwrap();
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_homestream"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_remove("HOMESTREAM_CONFIG")
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs to the end.
    pub(crate) fn run(&self, arguments: &[&str]) -> (Output, Duration) {
        let started = Instant::now();
        let output = Running::start(self, arguments).finish(DEADLINE);
        (output, started.elapsed())
    }

    /// `up` to the end of the replay; its report, once it has proven consistent.
    pub(crate) fn up(&self, name: &str, arguments: &[&str]) -> Value {
        let report = format!("{name}.json");
        let artifacts = format!("artifacts-{name}");
        let mut all = vec!["up", "--data", "sales.csv", "--exit-when-done", "--report", &report];
        all.extend(["--artifacts", &artifacts]);
        all.extend(arguments);
        let (output, _) = self.run(&all);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{errors}");
        let report = std::fs::read_to_string(self.path(&report)).unwrap();
        let report: Value = serde_json::from_str(&report).unwrap();
        assert_eq!(report["complete"], true);
        let count = |key: &str| number(&report, key);
        let answered = count("prices_published") + count("no_estimate") + count("dead_letters");
        assert_eq!(count("listings_produced"), answered, "{report:#}");
        assert_eq!(last_line(&output.stdout)["report"], report, "the summary is the report");
        report
    }
}

/// A count of a report.
pub(crate) fn number(report: &Value, key: &str) -> u64 {
    report[key].as_u64().unwrap_or_else(|| panic!("{key} is {}", report[key]))
}

pub(crate) fn last_line(stdout: &[u8]) -> Value {
    let text = String::from_utf8_lossy(stdout);
    let last = text.lines().last().unwrap_or_default();
    serde_json::from_str(last).unwrap_or_else(|error| panic!("{error} in {last:?}"))
}

/// A run under way, read line by line; killed when the test ends before it does.
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
    errors: Receiver<String>,
    seen: Vec<String>,
}

impl Running {
    pub(crate) fn start(place: &Place, arguments: &[&str]) -> Self {
        let mut child = place.command(arguments).spawn().unwrap();
        let lines = read_lines(child.stdout.take().unwrap());
        let errors = read_lines(child.stderr.take().unwrap());
        Self { child, lines, errors, seen: Vec::new() }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Reads until a line of this event.
    pub(crate) fn wait_for(&mut self, event: &str) {
        let ends = Instant::now() + DEADLINE;
        loop {
            let left = ends.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    let found = serde_json::from_str(&line)
                        .is_ok_and(|value: Value| value["event"] == *event);
                    self.seen.push(line);
                    if found {
                        return;
                    }
                }
                Err(error) => panic!("no {event}: {error}; {:?}", self.seen),
            }
        }
    }

    /// Reads standard error until a line holds this text.
    pub(crate) fn wait_for_log(&mut self, text: &str) {
        let ends = Instant::now() + DEADLINE;
        loop {
            let left = ends.saturating_duration_since(Instant::now());
            match self.errors.recv_timeout(left) {
                Ok(line) if line.contains(text) => return,
                Ok(_) => {}
                Err(error) => panic!("no {text:?} in the log: {error}"),
            }
        }
    }

    /// Reads to the end of both outputs, at most this long.
    pub(crate) fn finish(mut self, deadline: Duration) -> Output {
        let ends = Instant::now() + deadline;
        let rest = until_closed(&self.lines, ends);
        self.seen.extend(rest);
        let errors = until_closed(&self.errors, ends);
        let status = self.child.wait().unwrap();
        let text = |lines: &[String]| lines.join("\n").into_bytes();
        Output { status, stdout: text(&self.seen), stderr: text(&errors) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Ended already, as a rule.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn until_closed(lines: &Receiver<String>, ends: Instant) -> Vec<String> {
    let mut read = Vec::new();
    loop {
        match lines.recv_timeout(ends.saturating_duration_since(Instant::now())) {
            Ok(line) => read.push(line),
            Err(RecvTimeoutError::Disconnected) => return read,
            Err(RecvTimeoutError::Timeout) => panic!("still running after its time: {read:?}"),
        }
    }
}

fn read_lines(source: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(source).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}
