//! Both distributions as bars, for reports.

use serde::{Deserialize, Serialize};

use super::categorical::PairedCounts;
use super::ecdf::{Ecdf, distinct_values, paired_values};

/// Bars of a numeric column.
const BARS: usize = 24;
/// Categories that have a bar of their own.
const MAX_LABELS: usize = 24;

/// A bar of both distributions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bar {
    /// The category, or the range.
    pub label: String,
    /// Share of the reference's values.
    pub reference: f64,
    /// Share of the current window's.
    pub current: f64,
}

/// Bars from the 1st to the 99th percentile of both sides together, what lies beyond at the
/// ends; of few values one each.
pub(super) fn numeric_bars(f: &Ecdf, g: &Ecdf) -> Vec<Bar> {
    let share = |ecdf: &Ecdf, count: u64| count as f64 / ecdf.total() as f64;
    if distinct_values(f, g) <= BARS as u64 {
        let mut values: Vec<f64> = f.values().iter().chain(g.values()).copied().collect();
        values.sort_unstable_by(f64::total_cmp);
        values.dedup();
        let (r, c) = paired_values(f, g);
        let bars = values.iter().zip(r.iter().zip(&c)).map(|(value, (r, c))| Bar {
            label: value.to_string(),
            reference: share(f, *r),
            current: share(g, *c),
        });
        return bars.collect();
    }
    let quantile = |p: f64| Some((f.quantile(p)?, g.quantile(p)?));
    let (Some(lowest), Some(highest)) = (quantile(0.01), quantile(0.99)) else {
        return Vec::new();
    };
    let (low, high) = (lowest.0.min(lowest.1), highest.0.max(highest.1));
    let edge = |i: usize| low + (high - low) * i as f64 / BARS as f64;
    let below = |ecdf: &Ecdf, i: usize| match i {
        0 => 0,
        BARS => ecdf.total(),
        _ => ecdf.below(edge(i)),
    };
    let bar = |i: usize| Bar {
        label: format!("{} to {}", Short(edge(i)), Short(edge(i + 1))),
        reference: share(f, below(f, i + 1) - below(f, i)),
        current: share(g, below(g, i + 1) - below(g, i)),
    };
    (0..BARS).map(bar).collect()
}

/// A number with four significant digits.
struct Short(f64);

impl std::fmt::Display for Short {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let digits = if self.0 == 0.0 { 0.0 } else { self.0.abs().log10().floor() };
        write!(f, "{:.*}", (3.0 - digits).clamp(0.0, 9.0) as usize, self.0)
    }
}

/// The most frequent categories, and one bar for the rest.
pub(super) fn category_bars(paired: &PairedCounts) -> Vec<Bar> {
    let n = paired.reference.iter().sum::<u64>().max(1) as f64;
    let m = paired.current.iter().sum::<u64>().max(1) as f64;
    let bins = paired.labels.iter().zip(&paired.reference).zip(&paired.current);
    let mut bars: Vec<Bar> = bins
        .map(|((label, r), c)| Bar {
            label: label.clone(),
            reference: *r as f64 / n,
            current: *c as f64 / m,
        })
        .collect();
    let weight = |bar: &Bar| bar.reference.max(bar.current);
    bars.sort_by(|a, b| weight(b).total_cmp(&weight(a)));
    if bars.len() > MAX_LABELS {
        let rest = bars.split_off(MAX_LABELS - 1);
        let sum = |share: fn(&Bar) -> f64| rest.iter().map(share).sum();
        let label = format!("{} others", rest.len());
        let (reference, current) = (sum(|bar| bar.reference), sum(|bar| bar.current));
        bars.push(Bar { label, reference, current });
    }
    bars
}
