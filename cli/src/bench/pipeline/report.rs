//! What was measured, as a table and as JSON.

use std::fmt::Write as _;

use serde::Serialize;

use super::Variant;
use super::latency::Latency;
use super::throughput::Run;

/// Everything that was measured.
pub(crate) struct Report {
    listings: u64,
    repetitions: u32,
    measured: Vec<Measured>,
}

struct Measured {
    variant: Variant,
    runs: Vec<Run>,
    latency: Option<Latency>,
}

/// The report as JSON.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    listings: u64,
    repetitions: u32,
    processors: usize,
    processor: String,
    services: Vec<ServiceSummary>,
}

/// One service, medians over its runs.
#[derive(Debug, Serialize)]
pub(crate) struct ServiceSummary {
    service: Variant,
    name: &'static str,
    cpu_us_per_event: f64,
    /// CPU relative to passing listings through.
    ratio: f64,
    events_per_second: f64,
    resident_bytes_at_20_percent: f64,
    resident_bytes_at_100_percent: f64,
    resident_max_bytes: f64,
    latency: Option<Latency>,
    runs: Vec<Run>,
}

impl Report {
    pub(crate) fn new(listings: u64, repetitions: u32) -> Self {
        let measured = Variant::ALL
            .into_iter()
            .map(|variant| Measured { variant, runs: Vec::new(), latency: None })
            .collect();
        Self { listings, repetitions, measured }
    }

    pub(crate) fn add_run(&mut self, variant: Variant, run: Run) {
        self.of(variant).into_iter().for_each(|measured| measured.runs.push(run.clone()));
    }

    pub(crate) fn add_latency(&mut self, variant: Variant, latency: Latency) {
        self.of(variant).into_iter().for_each(|measured| measured.latency = Some(latency.clone()));
    }

    fn of(&mut self, variant: Variant) -> Option<&mut Measured> {
        self.measured.iter_mut().find(|measured| measured.variant == variant)
    }

    /// Half of the listings a second that a variant answers.
    pub(crate) fn half_load(&mut self, variant: Variant) -> f64 {
        self.of(variant).map_or(0.0, |measured| measured.median(|run| run.events_per_second)) / 2.0
    }

    /// The report as JSON.
    pub(crate) fn summary(&self) -> Summary {
        let passing = self
            .measured
            .iter()
            .find(|measured| measured.variant == Variant::PassThrough)
            .map_or(f64::NAN, |measured| measured.median(|run| run.cpu_us_per_event));
        Summary {
            listings: self.listings,
            repetitions: self.repetitions,
            processors: std::thread::available_parallelism().map_or(0, usize::from),
            processor: processor(),
            services: self.measured.iter().map(|measured| measured.summary(passing)).collect(),
        }
    }

    /// The report for a person.
    pub(crate) fn table(&self) -> String {
        let summary = self.summary();
        let mut table = format!(
            "\n  {} listings, {} runs of each service in turn, medians; {} x {}\n\n",
            summary.listings, summary.repetitions, summary.processors, summary.processor
        );
        table += "  service                CPU us  range          ratio  listings   memory, MiB\
                  \x20        latency, ms, at\n";
        table += "                         a listing                     a second   at 20 %, \
                  100 %, max  p50    p99    p99.9  a second\n";
        for service in &summary.services {
            service.line(&mut table);
        }
        let cpu = |variant| {
            let found = summary.services.iter().find(|service| service.service == variant);
            found.map_or(f64::NAN, |service| service.cpu_us_per_event)
        };
        let (fetch, pass) = (cpu(Variant::Consume), cpu(Variant::PassThrough));
        let _ = writeln!(
            table,
            "\n  of a listing's CPU us: fetch {fetch:.2}, produce (its own bytes) {:.2}, \
             pricing and a price's bytes {:.2}, transactions {:.2}",
            pass - fetch,
            cpu(Variant::AtLeastOnce) - pass,
            cpu(Variant::ExactlyOnce) - cpu(Variant::AtLeastOnce),
        );
        table
    }
}

impl Measured {
    fn median(&self, of: impl Fn(&Run) -> f64) -> f64 {
        median(self.runs.iter().map(of).collect())
    }

    fn summary(&self, passing: f64) -> ServiceSummary {
        let cpu_us_per_event = self.median(|run| run.cpu_us_per_event);
        ServiceSummary {
            service: self.variant,
            name: self.variant.name(),
            cpu_us_per_event,
            ratio: cpu_us_per_event / passing,
            events_per_second: self.median(|run| run.events_per_second),
            resident_bytes_at_20_percent: self.median(|run| run.resident_bytes_at_20_percent),
            resident_bytes_at_100_percent: self.median(|run| run.resident_bytes_at_100_percent),
            resident_max_bytes: self.median(|run| run.resident_max_bytes),
            latency: self.latency.clone(),
            runs: self.runs.clone(),
        }
    }
}

impl ServiceSummary {
    fn line(&self, table: &mut String) {
        let mebibytes = |bytes: f64| bytes / f64::from(1 << 20);
        let costs = || self.runs.iter().map(|run| run.cpu_us_per_event);
        let range = format!(
            "{:.2}-{:.2}",
            costs().fold(f64::INFINITY, f64::min),
            costs().fold(0.0, f64::max)
        );
        let _ = write!(
            table,
            "  {:<22} {:>6.2}  {range:<13}  {:>5.2}  {:>8.0}   {:>7.0} {:>7.0} {:>7.0}",
            self.name,
            self.cpu_us_per_event,
            self.ratio,
            self.events_per_second,
            mebibytes(self.resident_bytes_at_20_percent),
            mebibytes(self.resident_bytes_at_100_percent),
            mebibytes(self.resident_max_bytes),
        );
        if let Some(latency) = &self.latency {
            let Latency { p50_ms, p99_ms, p999_ms, listings_per_second, .. } = latency;
            let _ = write!(
                table,
                " {p50_ms:>6.1} {p99_ms:>6.1} {p999_ms:>6.1}  {listings_per_second:.0}"
            );
        }
        table.push('\n');
    }
}

/// The median; NaN of nothing.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match (values.get(middle.wrapping_sub(1)), values.get(middle)) {
        (Some(low), Some(high)) if values.len().is_multiple_of(2) => (low + high) / 2.0,
        (_, Some(value)) => *value,
        (_, None) => f64::NAN,
    }
}

/// What the machine says of its processor.
fn processor() -> String {
    std::fs::read_to_string("/proc/cpuinfo")
        .ok()
        .and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("model name"))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        })
        .unwrap_or_else(|| "unknown processor".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(cpu_us_per_event: f64) -> Run {
        Run {
            cpu_us_per_event,
            events_per_second: 1_000.0 * cpu_us_per_event,
            resident_bytes_at_20_percent: 1e8,
            resident_bytes_at_100_percent: 1e8,
            resident_max_bytes: 1e8,
        }
    }

    #[test]
    fn medians_and_ratios_are_those_of_the_runs() {
        let mut report = Report::new(1_000, 3);
        for (variant, costs) in [
            (Variant::Consume, [1.0, 1.0, 1.0]),
            (Variant::PassThrough, [3.0, 2.0, 9.0]),
            (Variant::AtLeastOnce, [12.0, 15.0, 11.0]),
            (Variant::ExactlyOnce, [13.0, 18.0, 15.0]),
        ] {
            costs.into_iter().for_each(|cost| report.add_run(variant, run(cost)));
        }
        assert_eq!(report.half_load(Variant::PassThrough), 1_500.0);
        let summary = report.summary();
        let ratios: Vec<f64> = summary.services.iter().map(|service| service.ratio).collect();
        assert_eq!(ratios, [1.0 / 3.0, 1.0, 4.0, 5.0]);
        let table = report.table();
        assert!(
            table.contains("fetch 1.00, produce (its own bytes) 2.00, pricing and a price's bytes 9.00, transactions 3.00"),
            "{table}"
        );
    }

    #[test]
    fn a_median_is_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(Vec::new()).is_nan());
    }
}
