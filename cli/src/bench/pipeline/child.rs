//! A service in a process of its own, watched through its metrics.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};

use super::{Bench, Variant};
use crate::error::CliError;

/// How long an answer of a busy service is waited for.
const SCRAPE_TIMEOUT: Duration = Duration::from_secs(5);

/// One look at a service.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    pub(super) at: Instant,
    /// Listings answered.
    pub(super) answered: u64,
    /// User and system time since its start.
    pub(super) cpu_seconds: f64,
    pub(super) resident_bytes: f64,
    pub(super) resident_max_bytes: f64,
}

/// A running service; it ends with this value.
pub(super) struct Service {
    process: Child,
    metrics: SocketAddr,
    variant: Variant,
    output: String,
    listings: String,
}

impl Service {
    /// Starts a variant as a member of a group.
    pub(super) fn start(
        bench: &Bench<'_>,
        variant: Variant,
        group: &str,
    ) -> Result<Self, CliError> {
        let metrics = free_address().context("no free port").map_err(CliError::failed)?;
        let program = std::env::current_exe().map_err(CliError::failed)?;
        let settings = bench.settings;
        let mut command = Command::new(program);
        command.args(variant.command());
        if let Some(config) = &bench.common.config {
            command.arg("--config").arg(config);
        }
        command
            .args(["--brokers", &bench.broker.bootstrap_servers])
            .args(["--topic-prefix", &settings.topics.prefix])
            .arg("--artifacts")
            .arg(&settings.model.artifacts)
            .args(["--metrics-listen", &metrics.to_string()])
            .env("HOMESTREAM__SCORER__GROUP_ID", group)
            .env("HOMESTREAM__SCORER__INSTANCE", "bench")
            .env("HOMESTREAM__SCORER__DELIVERY", variant.delivery())
            .env("RUST_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let process = command.spawn().context("cannot start it").map_err(CliError::failed)?;
        Ok(Self {
            process,
            metrics,
            variant,
            output: bench.output(variant)?,
            listings: bench.listings()?,
        })
    }

    /// What it says of itself; `None` while it does not answer yet.
    ///
    /// # Errors
    /// When it has ended.
    pub(super) async fn look(&mut self) -> Result<Option<Sample>, CliError> {
        if let Some(status) = self.process.try_wait().map_err(CliError::failed)? {
            let name = self.variant.name();
            return Err(CliError::failed(anyhow!("{name} has ended, {status}: see its message")));
        }
        let address = self.metrics;
        let scraped = tokio::task::spawn_blocking(move || scrape(address)).await;
        let Ok(text) = scraped.map_err(CliError::failed)? else { return Ok(None) };
        let at = Instant::now();
        let (family, topic) = match self.variant {
            Variant::Consume => ("homestream_kafka_records_read_total", &self.listings),
            _ => ("homestream_kafka_records_published_total", &self.output),
        };
        let label = format!("topic=\"{topic}\"");
        let of = |family: &str| total(&text, family, "");
        Ok(Some(Sample {
            at,
            answered: total(&text, family, &label) as u64,
            cpu_seconds: of("process_cpu_seconds_total"),
            resident_bytes: of("process_resident_memory_bytes"),
            resident_max_bytes: of("process_resident_memory_max_bytes"),
        }))
    }

    /// Waits for the first look that satisfies, and returns all looks up to it.
    ///
    /// # Errors
    /// When it ends, the bench is interrupted, or nothing changes for `patience`.
    pub(super) async fn look_until(
        &mut self,
        bench: &Bench<'_>,
        every: Duration,
        patience: Duration,
        satisfied: impl Fn(&Sample) -> bool,
    ) -> Result<Vec<Sample>, CliError> {
        let mut samples: Vec<Sample> = Vec::new();
        let mut changed = Instant::now();
        loop {
            bench.check_interrupted()?;
            if let Some(sample) = self.look().await? {
                if samples.last().is_none_or(|last| last.answered != sample.answered) {
                    changed = Instant::now();
                }
                samples.push(sample);
                if satisfied(&sample) {
                    return Ok(samples);
                }
            }
            if changed.elapsed() > patience {
                let answered = samples.last().map_or(0, |sample| sample.answered);
                return Err(CliError::failed(anyhow!(
                    "{} has answered {answered} listings and no more for {} s",
                    self.variant.name(),
                    patience.as_secs()
                )));
            }
            tokio::time::sleep(every).await;
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It has nothing left to do, and its group is never used again.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// An address that was free a moment ago.
fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}

/// The text of /metrics. Blocks.
fn scrape(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(SCRAPE_TIMEOUT))?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// Sum over a family of those samples whose labels contain a text.
fn total(exposition: &str, family: &str, label: &str) -> f64 {
    exposition
        .lines()
        .filter_map(|line| {
            let rest = line.strip_prefix(family)?;
            let (labels, value) = rest.rsplit_once(' ')?;
            let same_family = labels.is_empty() || labels.starts_with('{');
            (same_family && labels.contains(label)).then(|| value.parse::<f64>().ok())?
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::total;

    #[test]
    fn a_family_is_summed_by_label() {
        let text = "# HELP read Records read.\nread{topic=\"a\",reader=\"x\"} 3\n\
                    read{topic=\"a\",reader=\"y\"} 4\nread{topic=\"b\",reader=\"x\"} 5\n\
                    read_bytes{topic=\"a\"} 99\ncpu 1.5\n";
        assert_eq!(total(text, "read", "topic=\"a\""), 7.0);
        assert_eq!(total(text, "read", ""), 12.0);
        assert_eq!(total(text, "cpu", ""), 1.5);
        assert_eq!(total(text, "absent", ""), 0.0);
    }
}
