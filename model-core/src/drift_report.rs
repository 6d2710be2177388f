//! What the monitor says of one closed window.

use crate::date::EventDate;

/// A half-open range of event days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window {
    /// First day.
    pub start: EventDate,
    /// First day after the window.
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
#[derive(Clone, Debug, PartialEq)]
pub struct BinShare {
    /// The category, or the bin's range.
    pub label: String,
    /// Share in the reference, 0 to 1.
    pub reference: f64,
    /// Share in the current window, 0 to 1.
    pub current: f64,
}

/// Drift of one feature, or of the estimate.
#[derive(Clone, Debug, PartialEq)]
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
}

/// Accuracy over the sales that closed in a window and had been priced.
#[derive(Clone, Debug, PartialEq)]
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
}

/// What the monitor says of one closed window.
#[derive(Clone, Debug, PartialEq)]
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
}
