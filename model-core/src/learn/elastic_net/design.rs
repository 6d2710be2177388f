//! From encoded features to the columns of a linear model and back.

use super::super::check::category_code;
use super::super::{ColumnKind, FeatureMatrix, TrainingData};
use super::model::{Effect, ElasticNetModel, LinearParts};
use super::params::ElasticNetParams;

/// Standardised terms that differ by less than this in every row are the same term.
const SAME: f64 = 1e-9;

/// One column of the design matrix; all are centred on the training rows.
#[derive(Clone, Debug, PartialEq)]
enum Term {
    /// The clamped (for missing values: median) amount, divided by its standard deviation.
    Amount { column: usize },
    /// 1 where the column is missing.
    Missing { column: usize },
    /// 1 where the column has one of the codes of this group.
    Group { column: usize, group: usize },
}

impl Term {
    fn column(&self) -> usize {
        match *self {
            Self::Amount { column } | Self::Missing { column } | Self::Group { column, .. } => {
                column
            }
        }
    }
}

/// What training found in a column.
enum Encoding {
    Numeric {
        low: f64,
        high: f64,
        median: f64,
        mean: f64,
        deviation: f64,
        missing_share: f64,
    },
    Categorical {
        /// Group of each code; `shares.len() - 1` is the pool of all others, missing included.
        group_of_code: Vec<usize>,
        /// Share of the training rows in each group.
        shares: Vec<f64>,
    },
}

/// How rows become the columns of a linear model.
pub(super) struct Design {
    encodings: Vec<Encoding>,
    terms: Vec<Term>,
}

impl Design {
    /// Looks at every training column; constant columns get no term.
    pub(super) fn plan(train: &TrainingData<'_>, params: &ElasticNetParams) -> Self {
        let mut design = Self { encodings: Vec::new(), terms: Vec::new() };
        for (column, kind) in train.kinds.iter().enumerate() {
            match *kind {
                ColumnKind::Numeric => design.plan_numeric(train.features, column, params),
                ColumnKind::Categorical { levels } => {
                    let least = params.min_category_rows as usize;
                    design.plan_categorical(train.features, column, levels as usize, least);
                }
            }
        }
        design
    }

    fn plan_numeric(&mut self, features: &FeatureMatrix, column: usize, params: &ElasticNetParams) {
        let n_rows = features.n_rows() as f64;
        let mut sorted: Vec<f64> =
            features.column(column).filter(|value| value.is_finite()).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let n_missing = features.column(column).filter(|value| value.is_nan()).count();
        let missing_share = n_missing as f64 / n_rows;
        let median = at_share(&sorted, 0.5);
        let (low, high) = limits(&sorted, params);
        let value = |value: f64| if value.is_nan() { median } else { value.clamp(low, high) };
        let mean = features.column(column).map(value).sum::<f64>() / n_rows;
        let squares = features.column(column).map(|x| (value(x) - mean).powi(2)).sum::<f64>();
        let deviation = (squares / n_rows).sqrt();
        let scale = low.abs().max(high.abs());
        if deviation > 1e-12 * scale && deviation.is_finite() {
            self.terms.push(Term::Amount { column });
        }
        if n_missing > 0 && (n_missing as f64) < n_rows {
            self.terms.push(Term::Missing { column });
        }
        let encoding = Encoding::Numeric { low, high, median, mean, deviation, missing_share };
        self.encodings.push(encoding);
    }

    fn plan_categorical(
        &mut self,
        features: &FeatureMatrix,
        column: usize,
        levels: usize,
        least: usize,
    ) {
        let n_rows = features.n_rows();
        let mut counts = vec![0_usize; levels];
        for code in features.column(column).filter_map(category_code) {
            counts[code as usize] += 1;
        }
        let kept: Vec<usize> = (0..levels).filter(|&code| counts[code] >= least).collect();
        let mut group_of_code = vec![kept.len(); levels];
        let mut sizes: Vec<usize> = kept.iter().map(|&code| counts[code]).collect();
        for (group, &code) in kept.iter().enumerate() {
            group_of_code[code] = group;
        }
        let pooled = n_rows - sizes.iter().sum::<usize>();
        sizes.push(pooled);
        for (group, &size) in sizes.iter().enumerate() {
            if size >= least && size < n_rows {
                self.terms.push(Term::Group { column, group });
            }
        }
        let shares = sizes.iter().map(|&size| size as f64 / n_rows as f64).collect();
        self.encodings.push(Encoding::Categorical { group_of_code, shares });
    }

    pub(super) fn n_terms(&self) -> usize {
        self.terms.len()
    }

    /// Drops every term that equals an earlier one up to sign and scale, and returns the design
    /// with its matrix, term by term, shape `(n_terms, n_rows)`.
    pub(super) fn without_collinear_terms(mut self, features: &FeatureMatrix) -> (Self, Vec<f64>) {
        let n_rows = features.n_rows();
        let mut cells: Vec<f64> = Vec::with_capacity(n_rows * self.terms.len());
        let mut deviations: Vec<f64> = Vec::new();
        let mut kept = Vec::new();
        for term in &self.terms {
            let fresh: Vec<f64> =
                features.column(term.column()).map(|value| self.cell(term, value)).collect();
            let squares = fresh.iter().map(|cell| cell * cell).sum::<f64>();
            let deviation = (squares / n_rows as f64).sqrt();
            let columns = cells.chunks_exact(n_rows).zip(&deviations);
            let known = columns.into_iter().any(|(known, known_deviation)| {
                same_up_to_sign(known, 1.0 / known_deviation, &fresh, 1.0 / deviation)
            });
            if !known {
                cells.extend(fresh);
                deviations.push(deviation);
                kept.push(term.clone());
            }
        }
        self.terms = kept;
        (self, cells)
    }

    fn cell(&self, term: &Term, value: f64) -> f64 {
        match (&self.encodings[term.column()], term) {
            (Encoding::Numeric { missing_share, .. }, Term::Missing { .. }) => {
                f64::from(u8::from(value.is_nan())) - missing_share
            }
            (Encoding::Numeric { low, high, median, mean, deviation, .. }, _) => {
                let value = if value.is_nan() { *median } else { value.clamp(*low, *high) };
                (value - mean) / deviation
            }
            (Encoding::Categorical { group_of_code, shares }, Term::Group { group, .. }) => {
                let own = category_code(value)
                    .and_then(|code| group_of_code.get(code as usize).copied())
                    .unwrap_or(shares.len() - 1);
                f64::from(u8::from(own == *group)) - shares[*group]
            }
            (Encoding::Categorical { .. }, _) => 0.0,
        }
    }

    /// The model with these coefficients, one a term.
    pub(super) fn model(&self, intercept: f64, coefficients: &[f64]) -> ElasticNetModel {
        let mut effects: Vec<Effect> = self.encodings.iter().map(neutral_effect).collect();
        let mut weights = vec![0.0; effects.len()];
        for (term, &coefficient) in self.terms.iter().zip(coefficients) {
            let column = term.column();
            let encoding = &self.encodings[column];
            let deviation = add_term(encoding, term, coefficient, &mut effects[column]);
            weights[column] += coefficient.abs() * deviation;
        }
        ElasticNetModel::new(LinearParts { intercept, effects, weights })
    }
}

/// The effect of a column without terms.
fn neutral_effect(encoding: &Encoding) -> Effect {
    match encoding {
        Encoding::Numeric { low, high, mean, .. } => Effect::Numeric {
            low: *low,
            high: *high,
            center: *mean,
            slope: 0.0,
            present: 0.0,
            missing: 0.0,
        },
        Encoding::Categorical { group_of_code, .. } => {
            Effect::Categorical { by_code: vec![0.0; group_of_code.len()], other: 0.0 }
        }
    }
}

/// Adds `coefficient` times the term to the effect; returns the term's standard deviation.
fn add_term(encoding: &Encoding, term: &Term, coefficient: f64, effect: &mut Effect) -> f64 {
    let indicator_deviation = |share: f64| (share * (1.0 - share)).sqrt();
    match (encoding, term, effect) {
        (
            Encoding::Numeric { median, mean, deviation, .. },
            Term::Amount { .. },
            Effect::Numeric { slope, missing, .. },
        ) => {
            *slope = coefficient / deviation;
            *missing += (median - mean) * *slope;
            1.0
        }
        (
            Encoding::Numeric { missing_share, .. },
            Term::Missing { .. },
            Effect::Numeric { present, missing, .. },
        ) => {
            *present = -coefficient * missing_share;
            *missing += coefficient * (1.0 - missing_share);
            indicator_deviation(*missing_share)
        }
        (
            Encoding::Categorical { group_of_code, shares },
            Term::Group { group, .. },
            Effect::Categorical { by_code, other },
        ) => {
            let of =
                |own: usize| coefficient * (f64::from(u8::from(own == *group)) - shares[*group]);
            for (effect, &own) in by_code.iter_mut().zip(group_of_code) {
                *effect += of(own);
            }
            // codes that training has not seen: like its rare ones, or no effect if it had none
            let pool = shares.len() - 1;
            if shares[pool] > 0.0 {
                *other += of(pool);
            }
            indicator_deviation(shares[*group])
        }
        _ => 0.0,
    }
}

fn same_up_to_sign(a: &[f64], a_scale: f64, b: &[f64], b_scale: f64) -> bool {
    let differs =
        |sign: f64| a.iter().zip(b).any(|(a, b)| (a * a_scale - sign * b * b_scale).abs() > SAME);
    !differs(1.0) || !differs(-1.0)
}

/// The value at `share` of a sorted slice; 0 for an empty one.
fn at_share(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted.get((share * last as f64).round() as usize).copied().unwrap_or_default()
}

/// The range that values are clamped to.
fn limits(sorted: &[f64], params: &ElasticNetParams) -> (f64, f64) {
    let (mut low, mut high) =
        (at_share(sorted, params.winsor_share), at_share(sorted, 1.0 - params.winsor_share));
    if low == high {
        // a rare value is all the column has to say
        (low, high) = (at_share(sorted, 0.0), at_share(sorted, 1.0));
    }
    let margin = (high - low) * params.clamp_margin;
    (low - margin, high + margin)
}
