//! What this process costs, under the names that Prometheus clients agree on.

use std::sync::{Mutex, PoisonError};

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Counter, Gauge, Registry};
use rustix::time::{ClockId, clock_gettime};

/// CPU time and memory, read when they are asked for.
struct ProcessMetrics {
    cpu: Counter,
    /// Held while the counter is brought up to date.
    updating: Mutex<()>,
    resident: Gauge,
    resident_max: Gauge,
}

impl ProcessMetrics {
    fn new() -> Result<Self, prometheus::Error> {
        let cpu = Counter::new(
            "process_cpu_seconds_total",
            "User and system CPU time spent, in seconds.",
        )?;
        let resident =
            Gauge::new("process_resident_memory_bytes", "Resident memory size, in bytes.")?;
        let resident_max = Gauge::new(
            "process_resident_memory_max_bytes",
            "Largest resident memory size so far, in bytes.",
        )?;
        Ok(Self { cpu, updating: Mutex::new(()), resident, resident_max })
    }
}

impl Collector for ProcessMetrics {
    fn desc(&self) -> Vec<&Desc> {
        [self.cpu.desc(), self.resident.desc(), self.resident_max.desc()].concat()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let updating = self.updating.lock().unwrap_or_else(PoisonError::into_inner);
        self.cpu.inc_by((cpu_seconds() - self.cpu.get()).max(0.0));
        drop(updating);
        let mut families = self.cpu.collect();
        // Where the system does not tell, nothing is said rather than 0.
        if let Ok(status) = std::fs::read_to_string("/proc/self/status") {
            let gauges = [("VmRSS:", &self.resident), ("VmHWM:", &self.resident_max)];
            for (field, gauge) in gauges {
                if let Some(bytes) = bytes_of(&status, field) {
                    gauge.set(bytes);
                    families.extend(gauge.collect());
                }
            }
        }
        families
    }
}

fn cpu_seconds() -> f64 {
    let spent = clock_gettime(ClockId::ProcessCPUTime);
    spent.tv_sec as f64 + spent.tv_nsec as f64 * 1e-9
}

/// A field of `/proc/self/status`, which counts in kB.
fn bytes_of(status: &str, field: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    let kilobytes: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1_024.0)
}

/// Adds CPU time and memory of this process to a registry.
///
/// # Errors
/// When metrics of these names are registered already.
pub fn register_process_metrics(registry: &Registry) -> Result<(), prometheus::Error> {
    registry.register(Box::new(ProcessMetrics::new()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(families: &[MetricFamily], name: &str) -> f64 {
        let family = families.iter().find(|family| family.name() == name).unwrap();
        let metric = &family.get_metric()[0];
        metric.get_counter().get_value() + metric.get_gauge().get_value()
    }

    #[test]
    fn cpu_time_grows_and_memory_is_that_of_a_process() {
        let registry = Registry::new();
        register_process_metrics(&registry).unwrap();
        let before = value(&registry.gather(), "process_cpu_seconds_total");
        let mut mixed = 1_u64;
        while cpu_seconds() < before + 0.01 {
            mixed = std::hint::black_box(mixed.wrapping_mul(6_364_136_223_846_793_005));
        }
        let families = registry.gather();
        let spent = value(&families, "process_cpu_seconds_total") - before;
        assert!((0.01..5.0).contains(&spent), "{spent}");
        let resident = value(&families, "process_resident_memory_bytes");
        let max = value(&families, "process_resident_memory_max_bytes");
        assert!((1e5..1e11).contains(&resident) && max >= resident, "{resident} {max}");
    }

    #[test]
    fn a_status_is_read_in_bytes() {
        let status = "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        assert_eq!(bytes_of(status, "VmRSS:"), Some(1_048_576.0));
        assert_eq!(bytes_of(status, "VmHWM:"), Some(2_097_152.0));
        assert_eq!(bytes_of(status, "VmSwap:"), None);
    }
}
