//! What the monitor says of one closed window.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::date::{EventDate, iso};

/// A half-open range of event days.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Window {
    /// First day.
    #[serde(with = "iso")]
    pub start: EventDate,
    /// First day after the window.
    #[serde(with = "iso")]
    pub end: EventDate,
}

impl Window {
    /// Whether a day lies in the window.
    pub fn contains(self, date: EventDate) -> bool {
        self.start <= date && date < self.end
    }

    /// Identifier, `START/END` in ISO 8601.
    pub fn id(self) -> String {
        format!("{}/{}", self.start, self.end)
    }
}

/// A decision about one statistic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Within what chance explains.
    #[default]
    Ok,
    /// Beyond the warning threshold.
    Warning,
    /// Beyond the drift threshold.
    Drift,
}

impl Verdict {
    /// The verdict's name on the wire.
    pub fn code(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Drift => "drift",
        }
    }

    /// The verdict of a name.
    pub fn from_code(code: &str) -> Option<Self> {
        [Self::Ok, Self::Warning, Self::Drift].into_iter().find(|verdict| verdict.code() == code)
    }
}

/// The share of one bin or category, in reference and current window.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BinShare {
    /// The category, or the bin's range.
    pub label: String,
    /// Share in the reference, 0 to 1.
    pub reference: f64,
    /// Share in the current window, 0 to 1.
    pub current: f64,
}

/// Drift of one feature, or of the estimate.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FeatureDrift {
    /// Feature name; `estimate` for the model's output.
    pub feature: String,
    /// `numeric` or `categorical`.
    pub kind: String,
    /// Name of the statistic, such as `psi`.
    pub statistic: String,
    /// The statistic's value, less what chance alone is expected to give.
    pub value: f64,
    /// What chance alone is expected to give with these counts.
    pub expected: f64,
    /// Values from here on are a warning.
    pub threshold_warning: f64,
    /// Values from here on are drift.
    pub threshold_drift: f64,
    /// The decision.
    pub verdict: Verdict,
    /// Values in the reference.
    pub n_reference: u64,
    /// Values in the current window.
    pub n_current: u64,
    /// Share of missing values in the reference.
    pub missing_reference: f64,
    /// Share of missing values in the current window.
    pub missing_current: f64,
    /// The bins that moved most, largest part of the statistic first.
    pub bins: Vec<BinShare>,
    /// The chance of such a value if nothing changed, 0 to 1.
    pub p_value: Option<f64>,
    /// The p-value adjusted for the number of features of the window (Benjamini-Hochberg).
    pub q_value: Option<f64>,
    /// Weight of the feature in the model, 0 to 1; the features' weights add up to 1.
    pub importance: Option<f64>,
    /// Other measures of the same difference by name, such as `ks` or `js`.
    pub statistics: BTreeMap<String, f64>,
    /// What a mistake in the data could have done this, in words; empty: nothing known.
    pub hint: String,
}

/// Accuracy over the sales that closed in a window and had been priced.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WindowAccuracy {
    /// Priced sales.
    pub n: u64,
    /// Median absolute percentage error, a decimal.
    pub mdape: f64,
    /// Share of estimates within 10 % of the price.
    pub ppe10: f64,
    /// Median of estimate / price.
    pub median_ratio: f64,
    /// Share of prices inside their 90 % interval.
    pub coverage90: f64,
    /// Median log error of the model without its level correction: how far the market has
    /// moved from what the model learned.
    pub level_error: f64,
    /// The champion's median absolute percentage error when it was evaluated.
    pub expected_mdape: Option<f64>,
    /// Root of the mean squared error, currency units. This and what follows is `None` in
    /// reports from before it was measured.
    pub rmse: Option<f64>,
    /// Mean of estimate / price, less 1.
    pub bias: Option<f64>,
    /// Coefficient of dispersion, percent (IAAO).
    pub cod: Option<f64>,
    /// Price-related differential (IAAO).
    pub prd: Option<f64>,
    /// Coefficient of price-related bias (IAAO); `None` also where it cannot be computed.
    pub prb: Option<f64>,
    /// What the estimates of these sales promised before they were sold.
    pub promised: Option<Promise>,
}

/// Accuracy as the model itself expects it, before any sale: from the forecast standard
/// deviation and the confidence of each estimate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Promise {
    /// Estimates.
    pub n: u64,
    /// Median absolute percentage error to expect, a decimal: the median over the estimates of
    /// 0.6745 times the forecast standard deviation.
    pub mdape: f64,
    /// Share of estimates to expect within 10 % of the price: the mean confidence.
    pub ppe10: f64,
}

/// What a rule other than drift of a feature or of the estimate says of a window.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RuleFinding {
    /// Name of the rule, such as `volume`.
    pub rule: String,
    /// What it looked at, such as `listings`.
    pub subject: String,
    /// The measured value.
    pub value: f64,
    /// The value to expect if nothing changed.
    pub expected: Option<f64>,
    /// The value from which the rule fires.
    pub threshold: f64,
    /// The chance of such a value if nothing changed, 0 to 1.
    pub p_value: Option<f64>,
    /// The decision; `ok` also where the window holds too little to tell.
    pub verdict: Verdict,
    /// The finding in words.
    pub detail: String,
}

/// Accuracy in one segment of the market.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SegmentAccuracy {
    /// The segment, such as `area:43606` or `price:low`.
    pub segment: String,
    /// Priced sales.
    pub n: u64,
    /// Median absolute percentage error, a decimal.
    pub mdape: f64,
    /// Median of estimate / price.
    pub median_ratio: f64,
    /// Share of prices inside their 90 % interval.
    pub coverage90: f64,
}

/// What the monitor says of one closed window.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct DriftReport {
    /// The window, in event time.
    pub window: Window,
    /// The champion whose training data is the reference.
    pub model_version: String,
    /// Price estimates seen, `no_estimate` left out.
    pub n_estimates: u64,
    /// Listings answered with `no_estimate`.
    pub n_no_estimate: u64,
    /// Sales seen.
    pub n_sales: u64,
    /// Per feature, in the order of the feature spec.
    pub features: Vec<FeatureDrift>,
    /// The model's output.
    pub estimate: Option<FeatureDrift>,
    /// Accuracy, once sales have arrived.
    pub accuracy: Option<WindowAccuracy>,
    /// The worst verdict.
    pub verdict: Verdict,
    /// Names of the rules that fired, such as `feature_drift:wall`.
    pub fired: Vec<String>,
    /// Rules that would have fired, had not a fault of the data explained them.
    pub inhibited: Vec<String>,
    /// Those of `fired` that a fault of the data explains better than a change of the market:
    /// nothing to learn a model from.
    pub data_faults: Vec<String>,
    /// What the window's estimates promise, before their homes are sold.
    pub promised: Option<Promise>,
    /// What the rules other than drift found.
    pub findings: Vec<RuleFinding>,
    /// Accuracy by area and by price, where a segment holds enough sales.
    pub segments: Vec<SegmentAccuracy>,
}
