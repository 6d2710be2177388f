//! The reference: bins of every feature and of the model's output, counted over the homes
//! that a model was trained on.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::statistics::Ecdf;

/// Quantile bins per numeric column unless asked otherwise: the customary ten of the PSI.
pub const DEFAULT_BINS: usize = 10;
/// Categories that keep a bin of their own; rarer ones share one. Chance alone moves the PSI
/// by about `(bins - 1) / n`, so hundreds of bins would drown any window in noise.
pub const MAX_CATEGORIES: usize = 30;
/// Label of the bin of categories too rare for their own.
pub const RARE: &str = "rare";
/// Label of the bin of category codes that the reference has no label for.
pub const UNSEEN: &str = "unseen";
/// Label of the bin of missing values.
pub const MISSING: &str = "missing";

/// How a column of the feature vector is encoded.
#[derive(Clone, Debug, PartialEq)]
pub enum ColumnSpecKind {
    /// A number; NaN is missing.
    Numeric,
    /// A category code: `0.0` is the first label; NaN is missing, all else is unseen.
    Categorical {
        /// The categories, in the order of their codes.
        labels: Vec<String>,
    },
}

/// A column of the feature vector that drift is measured on.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnSpec {
    /// Zero-based position in the feature vector.
    pub index: usize,
    /// Feature name, as in the feature spec.
    pub name: String,
    /// Its encoding.
    pub kind: ColumnSpecKind,
}

/// Why there is no reference.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ProfileError {
    /// There are no rows to count.
    #[error("a reference needs at least one row")]
    NoRows,
    /// One bin cannot show any movement.
    #[error("{0} bins, expected at least 2")]
    TooFewBins(usize),
    /// A row is too short for a column.
    #[error("row {row} has {len} values, column {column} is at position {index}")]
    ShortRow {
        /// Zero-based row.
        row: usize,
        /// Values in the row.
        len: usize,
        /// Name of the column.
        column: String,
        /// Position of the column.
        index: usize,
    },
}

/// How a value finds its bin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Binning {
    /// Bin `i` holds `edges[i - 1] <= value < edges[i]`; the first and last are open.
    Numeric {
        /// Ascending, without duplicates.
        edges: Vec<f64>,
    },
    /// The bin of every category code; the last bin is for codes without a label.
    Categorical {
        /// Bin of code `i`.
        slots: Vec<u32>,
    },
}

/// One column of the reference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColumnProfile {
    /// Zero-based position in the feature vector.
    pub index: usize,
    /// Feature name; `estimate` for the model's output.
    pub name: String,
    /// How a value finds its bin.
    pub binning: Binning,
    /// One label a bin: the category, or the bin's range.
    pub labels: Vec<String>,
    /// Reference values in each bin.
    pub counts: Vec<u64>,
    /// Missing reference values.
    pub missing: u64,
}

impl ColumnProfile {
    /// `numeric` or `categorical`, as drift reports say it.
    pub fn kind(&self) -> &'static str {
        match self.binning {
            Binning::Numeric { .. } => "numeric",
            Binning::Categorical { .. } => "categorical",
        }
    }

    /// Values counted, missing ones included.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum::<u64>() + self.missing
    }

    /// The zero-based bin of a value; `None` is missing.
    pub fn bin(&self, value: f64) -> Option<usize> {
        if value.is_nan() {
            return None;
        }
        let last = self.labels.len().saturating_sub(1);
        Some(match &self.binning {
            Binning::Numeric { edges } => edges.partition_point(|edge| *edge <= value).min(last),
            Binning::Categorical { slots } => category_code(value)
                .and_then(|code| slots.get(code))
                .map_or(last, |slot| (*slot as usize).min(last)),
        })
    }

    fn count(&mut self, values: &[f64]) {
        self.counts = vec![0; self.labels.len()];
        for value in values {
            match self.bin(*value).and_then(|bin| self.counts.get_mut(bin)) {
                Some(count) => *count += 1,
                None => self.missing += 1,
            }
        }
    }

    fn new(index: usize, name: &str, binning: Binning, labels: Vec<String>) -> Self {
        Self { index, name: name.to_owned(), binning, labels, counts: Vec::new(), missing: 0 }
    }

    fn numeric(index: usize, name: &str, values: &[f64], bins: usize, scale: Scale) -> Self {
        let (edges, labels) = numeric_bins(values, bins, scale);
        let mut column = Self::new(index, name, Binning::Numeric { edges }, labels);
        column.count(values);
        column
    }

    fn categorical(index: usize, name: &str, values: &[f64], names: &[String]) -> Self {
        let (slots, labels) = category_bins(values, names);
        let mut column = Self::new(index, name, Binning::Categorical { slots }, labels);
        column.count(values);
        column
    }
}

/// What drift is measured against: the homes that a model was trained on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReferenceProfile {
    /// The features, in the order in which they were asked for.
    pub columns: Vec<ColumnProfile>,
    /// The model's log estimate, if there were any; labels are in currency units.
    pub estimate: Option<ColumnProfile>,
    /// Homes counted.
    pub rows: u64,
}

impl ReferenceProfile {
    /// Counts the reference.
    ///
    /// A numeric column gets quantile bins (about `bins` of them, [`DEFAULT_BINS`] is
    /// customary). Tied quantiles make one edge, and a value that holds a bin's share by
    /// itself keeps a bin to itself, so there can be fewer or somewhat more. A column of at
    /// most `bins` different values, such as the number of bedrooms, gets a bin for each. A
    /// category gets a bin, up to [`MAX_CATEGORIES`] of them, then one for the rare and one
    /// for the unseen.
    ///
    /// `log_estimates` are natural logarithms of the model's own answers *without* the
    /// running level correction; their number need not be that of the rows, and with none
    /// the profile has no output column.
    ///
    /// # Errors
    /// [`ProfileError`] for no rows, too few bins, or a row shorter than a column's position.
    pub fn build<'a>(
        columns: &[ColumnSpec],
        rows: impl IntoIterator<Item = &'a [f64]>,
        log_estimates: &[f64],
        bins: usize,
    ) -> Result<Self, ProfileError> {
        if bins < 2 {
            return Err(ProfileError::TooFewBins(bins));
        }
        let mut values: Vec<Vec<f64>> = vec![Vec::new(); columns.len()];
        let mut n = 0;
        for row in rows {
            for (spec, column) in columns.iter().zip(&mut values) {
                column.push(*row.get(spec.index).ok_or_else(|| ProfileError::ShortRow {
                    row: n,
                    len: row.len(),
                    column: spec.name.clone(),
                    index: spec.index,
                })?);
            }
            n += 1;
        }
        if n == 0 {
            return Err(ProfileError::NoRows);
        }
        let columns = columns.iter().zip(&values).map(|(spec, values)| match &spec.kind {
            ColumnSpecKind::Numeric => {
                ColumnProfile::numeric(spec.index, &spec.name, values, bins, Scale::Plain)
            }
            ColumnSpecKind::Categorical { labels } => {
                ColumnProfile::categorical(spec.index, &spec.name, values, labels)
            }
        });
        let estimate = (!log_estimates.is_empty())
            .then(|| ColumnProfile::numeric(0, "estimate", log_estimates, bins, Scale::Log));
        Ok(Self { columns: columns.collect(), estimate, rows: n as u64 })
    }
}

/// How edges are written in labels.
#[derive(Clone, Copy)]
enum Scale {
    /// As they are.
    Plain,
    /// As the number whose natural logarithm they are.
    Log,
}

impl Scale {
    fn text(self, value: f64) -> String {
        match self {
            Self::Plain => number(value),
            Self::Log => format!("{:.0}", value.exp()),
        }
    }
}

/// Six significant digits, without trailing zeros.
fn number(value: f64) -> String {
    let magnitude = if value == 0.0 { 0.0 } else { value.abs().log10().floor() };
    let decimals = (5.0 - magnitude).clamp(0.0, 9.0) as usize;
    let text = format!("{value:.decimals$}");
    if !text.contains('.') {
        return text;
    }
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn category_code(value: f64) -> Option<usize> {
    let whole = value >= 0.0 && value.fract() == 0.0 && value <= f64::from(u32::MAX);
    whole.then_some(value as usize)
}

fn category_bins(values: &[f64], names: &[String]) -> (Vec<u32>, Vec<String>) {
    let mut counts = vec![0_u64; names.len()];
    for code in values.iter().filter_map(|value| category_code(*value)) {
        if let Some(count) = counts.get_mut(code) {
            *count += 1;
        }
    }
    let mut common: Vec<usize> = (0..names.len()).collect();
    // Stable: of equally frequent categories the first labels stay.
    common.sort_by_key(|code| std::cmp::Reverse(counts.get(*code).copied()));
    common.truncate(MAX_CATEGORIES);
    common.sort_unstable();
    let mut labels: Vec<String> =
        common.iter().filter_map(|code| names.get(*code).cloned()).collect();
    let rare = labels.len() as u32;
    if names.len() > labels.len() {
        labels.push(RARE.to_owned());
    }
    labels.push(UNSEEN.to_owned());
    let slot = |code| common.binary_search(&code).map_or(rare, |bin| bin as u32);
    ((0..names.len()).map(slot).collect(), labels)
}

fn numeric_bins(values: &[f64], bins: usize, scale: Scale) -> (Vec<f64>, Vec<String>) {
    let finite: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    let distribution = Ecdf::exact(&finite);
    let edges = numeric_edges(&distribution, bins);
    let labels = match distribution.values() {
        [] => vec!["any".to_owned()],
        [only] => {
            let text = scale.text(*only);
            vec![format!("below {text}"), text.clone(), format!("above {text}")]
        }
        few if few.len() <= bins => value_labels(few, scale),
        _ => range_labels(&edges, scale),
    };
    (edges, labels)
}

/// The inner edges of a reference's bins: of its quantiles, or one between each two of at most
/// `bins` values.
pub(super) fn numeric_edges(reference: &Ecdf, bins: usize) -> Vec<f64> {
    match reference.values() {
        [] => Vec::new(),
        // A constant: any other value is a movement.
        [only] => vec![*only, only.next_up()],
        few if few.len() <= bins => few.windows(2).filter_map(middle).collect(),
        distinct => quantile_edges(reference, distinct, bins),
    }
}

fn middle(pair: &[f64]) -> Option<f64> {
    let (low, high) = (pair.first()?, pair.last()?);
    let middle = low + (high - low) / 2.0;
    // Between neighbouring floats there is no middle: the edge is the upper value.
    Some(if middle > *low { middle } else { *high })
}

/// Every edge is a value that occurs, so that no bin of the reference is empty.
fn quantile_edges(reference: &Ecdf, distinct: &[f64], bins: usize) -> Vec<f64> {
    let at_or_above = |q: &f64| distinct.get(distinct.partition_point(|value| value < q));
    let above = |q: &f64| distinct.get(distinct.partition_point(|value| value <= q));
    let quantiles: Vec<f64> =
        (0..=bins).filter_map(|i| reference.quantile(i as f64 / bins as f64)).collect();
    let mut edges = Vec::with_capacity(bins + 1);
    for pair in quantiles.windows(2) {
        let [low, high] = pair else { continue };
        edges.extend(at_or_above(low));
        if low == high {
            // A value with a bin's share to itself ends where the next value begins.
            edges.extend(above(low));
        }
    }
    edges.sort_unstable_by(f64::total_cmp);
    edges.dedup();
    // Nothing lies below the lowest value.
    edges.retain(|edge| Some(edge) > distinct.first());
    edges
}

fn value_labels(values: &[f64], scale: Scale) -> Vec<String> {
    let last = values.len() - 1;
    let label = |(i, value): (usize, &f64)| match (i, scale.text(*value)) {
        (0, text) => format!("up to {text}"),
        (i, text) if i == last => format!("{text} and up"),
        (_, text) => text,
    };
    values.iter().enumerate().map(label).collect()
}

fn range_labels(edges: &[f64], scale: Scale) -> Vec<String> {
    let texts: Vec<String> = edges.iter().map(|edge| scale.text(*edge)).collect();
    let (Some(first), Some(last)) = (texts.first(), texts.last()) else {
        return vec!["any".to_owned()];
    };
    let mut labels = vec![format!("below {first}")];
    labels.extend(texts.windows(2).map(|pair| pair.join(" to ")));
    labels.push(format!("{last} and up"));
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(values: &[f64], kind: ColumnSpecKind) -> ColumnProfile {
        let spec = ColumnSpec { index: 0, name: "x".into(), kind };
        let rows: Vec<[f64; 1]> = values.iter().map(|value| [*value]).collect();
        let profile =
            ReferenceProfile::build(&[spec], rows.iter().map(|row| &row[..]), &[], 10).unwrap();
        profile.columns.into_iter().next().unwrap()
    }

    #[test]
    fn many_values_get_quantile_bins_of_equal_counts() {
        let values: Vec<f64> = (0..1_000).map(f64::from).collect();
        let x = column(&values, ColumnSpecKind::Numeric);
        assert_eq!(x.counts, [100; 10]);
        assert_eq!(x.labels[0], "below 100");
        assert_eq!(x.labels[9], "900 and up");
        assert_eq!((x.bin(-1e9), x.bin(f64::INFINITY), x.bin(f64::NAN)), (Some(0), Some(9), None));
    }

    #[test]
    fn few_values_get_a_bin_each() {
        let x = column(&[1.0, 2.0, 2.0, 3.0, 3.0, 3.0, f64::NAN], ColumnSpecKind::Numeric);
        assert_eq!(x.binning, Binning::Numeric { edges: vec![1.5, 2.5] });
        assert_eq!((x.counts.clone(), x.missing, x.total()), (vec![1, 2, 3], 1, 7));
        assert_eq!(x.labels, ["up to 1", "2", "3 and up"]);
    }

    #[test]
    fn a_frequent_value_keeps_a_bin_to_itself() {
        // 600 zeros (no garage), then 400 areas.
        let values: Vec<f64> = (0..1_000).map(|i| f64::from((i - 599).max(0))).collect();
        let x = column(&values, ColumnSpecKind::Numeric);
        assert_eq!((x.counts[0], x.labels[0].as_str()), (600, "below 1"));
        assert_eq!(x.counts.iter().sum::<u64>(), 1_000);
        assert!(x.counts.len() <= 10);
    }

    #[test]
    fn a_constant_shows_any_other_value() {
        let x = column(&[7.0; 5], ColumnSpecKind::Numeric);
        assert_eq!(x.counts, [0, 5, 0]);
        assert_eq!((x.bin(6.9), x.bin(7.0), x.bin(7.1)), (Some(0), Some(1), Some(2)));
    }

    #[test]
    fn nothing_but_missing_values_is_a_column_too() {
        let x = column(&[f64::NAN; 3], ColumnSpecKind::Numeric);
        assert_eq!((x.counts.as_slice(), x.missing), (&[0][..], 3));
        assert_eq!(x.bin(1.0), Some(0));
    }

    #[test]
    fn codes_without_a_label_are_unseen() {
        let labels = vec!["wood".to_owned(), "brick".to_owned()];
        let values = [0.0, 1.0, 1.0, 2.0, -1.0, 0.5, f64::INFINITY, f64::NAN];
        let x = column(&values, ColumnSpecKind::Categorical { labels });
        assert_eq!(x.labels, ["wood", "brick", UNSEEN]);
        assert_eq!((x.counts.as_slice(), x.missing), (&[1, 2, 4][..], 1));
    }

    #[test]
    fn rare_categories_share_a_bin() {
        let labels: Vec<String> = (0..40).map(|i| format!("area{i}")).collect();
        // Area i occurs i times: the ten rarest are 0 to 9.
        let values: Vec<f64> =
            (0..40).flat_map(|i| std::iter::repeat_n(f64::from(i), i as usize)).collect();
        let x = column(&values, ColumnSpecKind::Categorical { labels });
        assert_eq!((x.labels[0].as_str(), x.labels[30].as_str()), ("area10", RARE));
        assert_eq!((x.labels.len(), x.counts[30]), (32, 45));
        assert_eq!((x.bin(9.0), x.bin(10.0), x.bin(40.0)), (Some(30), Some(0), Some(31)));
    }

    #[test]
    fn a_profile_survives_the_artifact() {
        let specs = [ColumnSpec { index: 1, name: "x".into(), kind: ColumnSpecKind::Numeric }];
        let rows = [[0.0, 1.0], [0.0, f64::NAN]];
        let estimates = [11.0, 11.5];
        let rows = rows.iter().map(|row| &row[..]);
        let profile = ReferenceProfile::build(&specs, rows, &estimates, 10).unwrap();
        let bytes = postcard::to_stdvec(&profile).unwrap();
        assert_eq!(postcard::from_bytes::<ReferenceProfile>(&bytes).unwrap(), profile);
        assert_eq!(profile.estimate.unwrap().labels, ["up to 59874", "98716 and up"]);
    }

    #[test]
    fn what_cannot_be_counted_is_an_error() {
        let specs = [ColumnSpec { index: 1, name: "x".into(), kind: ColumnSpecKind::Numeric }];
        let row: &[f64] = &[1.0];
        let error = ReferenceProfile::build(&specs, [row], &[], 10).unwrap_err();
        assert_eq!(error.to_string(), "row 0 has 1 values, column x is at position 1");
        assert_eq!(ReferenceProfile::build(&specs, [], &[], 10), Err(ProfileError::NoRows));
        assert_eq!(
            ReferenceProfile::build(&specs, [row], &[], 1),
            Err(ProfileError::TooFewBins(1))
        );
    }

    #[test]
    fn numbers_are_short_but_tell_bins_apart() {
        let texts = [41.651_23, -83.557_312, 1_200.0, 0.0, 123_456.789, 0.002_5, 1e12].map(number);
        let expected = ["41.6512", "-83.5573", "1200", "0", "123457", "0.0025", "1000000000000"];
        assert_eq!(texts, expected);
    }
}
