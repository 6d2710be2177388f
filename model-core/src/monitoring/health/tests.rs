use super::*;
use crate::date::EventDate;
use crate::monitoring::WindowKind;
use crate::random::SplitMix64;

mod shares;
mod silence;
mod volume;

/// Random numbers of the simulations.
struct Chance(SplitMix64);

impl Chance {
    fn new(seed: u64) -> Self {
        Self(SplitMix64::new(seed, 77))
    }

    /// Above 0, below 1.
    fn uniform(&mut self) -> f64 {
        (f64::from(self.0.below(u32::MAX)) + 0.5) / f64::from(u32::MAX)
    }

    fn normal(&mut self) -> f64 {
        (-2.0 * self.uniform().ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Poisson: by waiting times; from 200 on its normal approximation.
    fn poisson(&mut self, mean: f64) -> u64 {
        if mean >= 200.0 {
            return (mean + mean.sqrt() * self.normal()).round().max(0.0) as u64;
        }
        let mut left = mean;
        let mut count = 0;
        loop {
            left += self.uniform().ln();
            if left < 0.0 {
                return count;
            }
            count += 1;
        }
    }

    fn binomial(&mut self, total: u64, chance: f64) -> u64 {
        (0..total).filter(|_| self.uniform() < chance).count() as u64
    }
}

/// So many windows from a day on.
fn windows(kind: WindowKind, from: &str, count: usize) -> Vec<Window> {
    let first = kind.window_of(EventDate::parse_iso(from).unwrap());
    let next = |window: &Window| Some(kind.window_of(window.end));
    std::iter::successors(Some(first), next).take(count).collect()
}

#[test]
fn chances_in_words() {
    assert_eq!(one_in(1.0), "1 in 1");
    assert_eq!(one_in(0.04), "1 in 25");
    assert_eq!(one_in(0.000_5), "1 in 2,000");
    assert_eq!(one_in(1.0 / 123_456.0), "1 in 123,456");
    assert_eq!(one_in(0.0), "less than 1 in 1,000,000");
}

#[test]
fn a_source_is_judged_by_every_rule_and_survives_a_restart() {
    let params = HealthParams::default();
    let good = |count| Counted { count, total: 1_000 };
    let mut source = SourceHealth::default();
    let mut chance = Chance::new(1);
    for (index, window) in windows(WindowKind::Month, "2020-01-15", 20).into_iter().enumerate() {
        let broken = index == 19;
        let counts = WindowHealth {
            listings: chance.poisson(if broken { 450.0 } else { 900.0 }),
            duplicates: good(if broken { 300 } else { 10 }),
            dead_letters: good(u64::from(index % 2 == 0)),
            ..WindowHealth::default()
        };
        source.arrivals.observe(i64::from(window.start.0) * crate::date::DAY_MS, &params.silence);
        let text = serde_json::to_string(&source).unwrap();
        let mut restored: SourceHealth = serde_json::from_str(&text).unwrap();
        assert_eq!(restored, source);
        let findings = source.close("mls", window, &counts, &params);
        assert_eq!(restored.close("mls", window, &counts, &params), findings);
        let fired: Vec<&str> = findings
            .iter()
            .filter(|finding| finding.verdict == Verdict::Drift)
            .map(|finding| finding.rule)
            .collect();
        let expected: &[&str] = if broken { &["volume", "duplicates"] } else { &[] };
        assert_eq!(fired, expected, "{findings:?}");
        assert!(findings.iter().all(|finding| finding.subject == "mls"));
    }
}

#[test]
fn states_that_cannot_be_are_refused() {
    let mut state = serde_json::to_value(SourceHealth::default()).unwrap();
    state["arrivals"]["hours"] = serde_json::json!([1.0]);
    let error = serde_json::from_value::<SourceHealth>(state).unwrap_err().to_string();
    assert!(error.contains("arrivals of 168 and 1 hours, expected 168"), "{error}");
}
