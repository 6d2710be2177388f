//! A real Alertmanager, by the project's script.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/alertmanager/server");

/// An Alertmanager that ends with the value.
pub(crate) struct Alertmanager {
    _folder: tempfile::TempDir,
    dir: PathBuf,
    pub(crate) url: String,
}

impl Alertmanager {
    /// One that tells a webhook at once, each alert on its own.
    pub(crate) fn start(webhook: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("alertmanager");
        run(&["start", path(&dir), webhook]);
        let port = std::fs::read_to_string(dir.join("port")).unwrap();
        let url = format!("http://127.0.0.1:{}", port.trim());
        Self { _folder: folder, dir, url }
    }

    /// Ends it, `stop` or `kill`, and starts it again.
    pub(crate) fn again(&self, how: &str) {
        run(&[how, path(&self.dir)]);
        run(&["restart", path(&self.dir)]);
    }

    /// The alerts that it holds for firing.
    pub(crate) async fn firing(&self) -> Vec<Value> {
        firing(&self.url).await
    }
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        run(&["kill", path(&self.dir)]);
    }
}

/// The alerts that the Alertmanager at this address holds for firing.
pub(crate) async fn firing(url: &str) -> Vec<Value> {
    let answer = reqwest::get(format!("{url}/api/v2/alerts?active=true")).await.unwrap();
    serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
}

fn path(dir: &Path) -> &str {
    dir.to_str().unwrap()
}

fn run(arguments: &[&str]) {
    let status = Command::new(SCRIPT).args(arguments).status().unwrap();
    assert!(status.success() || std::thread::panicking(), "{SCRIPT} {arguments:?}");
}
