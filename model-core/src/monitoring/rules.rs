//! What a closed window's numbers mean, rule by rule, and when a person is told.

use std::collections::BTreeMap;

use super::changes::{self, Change};
use super::closing::{COVERAGE, Outcome};
use super::health::{self, HealthFinding, binomial_at_least};
use super::hysteresis::{Hysteresis, HysteresisParams, Reading};
use super::params::MonitorParams;
use crate::alert::{Alert, AlertState};
use crate::drift_report::{BinShare, FeatureDrift, RuleFinding, Verdict, WindowAccuracy};

/// Bins named in a summary.
const NAMED_BINS: usize = 2;

/// Reasons named in a summary.
const NAMED_REFUSALS: usize = 3;
/// From this share of listings without an estimate on, the others are no fair sample.
const UNFAIR_SHARE: f64 = 0.25;

/// What one rule says of one window.
pub(super) struct Finding {
    rule: &'static str,
    subject: String,
    value: f64,
    expected: Option<f64>,
    threshold: f64,
    p_value: Option<f64>,
    /// `None`: the window holds too little to tell.
    verdict: Option<Verdict>,
    /// The finding in words.
    detail: String,
    /// A fault of the data explains it better than a change of the market.
    is_data_fault: bool,
    /// A fault of the data explains it: it neither fires nor resolves.
    is_inhibited: bool,
}

impl From<Change> for Finding {
    fn from(change: Change) -> Self {
        Self {
            rule: "change",
            subject: change.subject.to_owned(),
            value: change.detection.statistic,
            expected: None,
            threshold: change.detection.threshold,
            p_value: None,
            verdict: Some(changes::VERDICT),
            detail: change.detail,
            is_data_fault: false,
            is_inhibited: false,
        }
    }
}

impl From<HealthFinding> for Finding {
    fn from(finding: HealthFinding) -> Self {
        Self {
            rule: finding.rule,
            subject: finding.subject,
            value: finding.value,
            expected: Some(finding.expected),
            threshold: finding.threshold,
            p_value: Some(finding.p_value),
            verdict: Some(finding.verdict),
            detail: finding.detail,
            is_data_fault: true,
            is_inhibited: false,
        }
    }
}

impl Finding {
    /// As it stands in the report.
    fn reported(&self) -> RuleFinding {
        RuleFinding {
            rule: self.rule.to_owned(),
            subject: self.subject.clone(),
            value: self.value,
            expected: self.expected,
            threshold: self.threshold,
            p_value: self.p_value,
            verdict: self.verdict.unwrap_or_default(),
            detail: self.detail.clone(),
        }
    }

    fn name(&self) -> String {
        format!("{}:{}", self.rule, self.subject)
    }
}

/// Applies every rule, in the order in which reports and alerts name them.
pub(super) fn findings(outcome: &Outcome, params: &MonitorParams) -> Vec<Finding> {
    let report = &outcome.report;
    let mut findings: Vec<Finding> = Vec::new();
    findings.extend(report.features.iter().map(|d| drifted("feature_drift", d, params)));
    findings.extend(report.estimate.iter().map(|d| drifted("estimate_drift", d, params)));
    if let (Some(accuracy), Some(surprise)) = (&report.accuracy, outcome.surprise) {
        findings.push(level(accuracy, outcome.expected_level, surprise.level, params));
        findings.extend(less_accurate(accuracy, surprise.accuracy, params));
        findings.push(coverage(accuracy, surprise.coverage, params));
    }
    findings.push(unanswered(outcome, params));
    findings
}

/// Sets the report's verdict and the rules that fired.
pub(super) fn judge(outcome: &mut Outcome, findings: &[Finding]) {
    let report = &mut outcome.report;
    report.verdict =
        findings.iter().filter_map(|finding| finding.verdict).max().unwrap_or_default();
    let drifted = findings.iter().filter(|finding| finding.verdict == Some(Verdict::Drift));
    let (inhibited, fired): (Vec<_>, Vec<_>) = drifted.partition(|finding| finding.is_inhibited);
    report.inhibited = inhibited.iter().map(|finding| finding.name()).collect();
    let faults = fired.iter().filter(|finding| finding.is_data_fault);
    report.data_faults = faults.map(|finding| finding.name()).collect();
    report.fired = fired.iter().map(|finding| finding.name()).collect();
    let others = findings.iter().filter(|finding| !finding.rule.ends_with("e_drift"));
    report.findings = others.map(Finding::reported).collect();
}

/// Silences what a fault of the data explains.
///
/// - Where many listings got no estimate for want of usable facts, or far fewer listings came
///   than usual, the others are no fair sample of the market: what is measured on them says
///   nothing.
/// - Where a feature's unit, categories or sources have gone wrong, the model's estimates and
///   their accuracy are wrong for that reason.
pub(super) fn inhibit(findings: &mut [Finding], outcome: &Outcome, params: &MonitorParams) {
    let faults: Vec<bool> = findings
        .iter()
        .filter(|finding| finding.is_data_fault && finding.verdict == Some(Verdict::Drift))
        .map(|finding| finding.rule == health::VOLUME && Some(finding.value) < finding.expected)
        .collect();
    let dried_up = faults.contains(&true);
    let (n, unanswered) = (outcome.n_answerable, outcome.n_unanswered);
    let few_priced = n >= params.min_listings && unanswered as f64 >= UNFAIR_SHARE * n as f64;
    for finding in findings {
        finding.is_inhibited = match finding.rule {
            "feature_drift" if few_priced && !faults.is_empty() => true,
            "feature_drift" => dried_up && !finding.is_data_fault,
            "estimate_drift" | "level_drift" | "accuracy" | "coverage" => !faults.is_empty(),
            _ => false,
        };
    }
}

fn drifted(rule: &'static str, drift: &FeatureDrift, params: &MonitorParams) -> Finding {
    let moved: Vec<String> = drift.bins.iter().take(NAMED_BINS).map(moved_share).collect();
    let (value, threshold) = (drift.value, drift.threshold_drift);
    let shares = match moved.as_slice() {
        [] => String::new(),
        shares => format!("share of {}; ", shares.join(", ")),
    };
    let hint = match drift.hint.as_str() {
        "" => String::new(),
        hint => format!("{hint}; "),
    };
    Finding {
        rule,
        subject: drift.feature.clone(),
        value,
        expected: Some(0.0),
        threshold,
        p_value: drift.p_value,
        verdict: (drift.n_current >= params.psi.min_count).then_some(drift.verdict),
        detail: format!("{}: {hint}{shares}PSI {value:.2} (drift from {threshold})", drift.feature),
        is_data_fault: !drift.hint.is_empty(),
        is_inhibited: false,
    }
}

fn moved_share(bin: &BinShare) -> String {
    format!("{} {} → {}", bin.label, percent(bin.reference), percent(bin.current))
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

/// The verdict of a rule that knows no warning.
fn broken(holds: bool) -> Verdict {
    if holds { Verdict::Drift } else { Verdict::Ok }
}

fn level(accuracy: &WindowAccuracy, expected: f64, chance: f64, params: &MonitorParams) -> Finding {
    let value = accuracy.level_error - expected;
    let verdict = if chance > params.chance {
        Verdict::Ok
    } else if value.abs() >= params.level_drift {
        Verdict::Drift
    } else if value.abs() >= params.level_warning {
        Verdict::Warning
    } else {
        Verdict::Ok
    };
    let side = if value < 0.0 { "below" } else { "above" };
    Finding {
        rule: "level_drift",
        subject: "level_error".into(),
        value,
        expected: Some(0.0),
        threshold: params.level_drift.copysign(value),
        p_value: Some(chance),
        verdict: (accuracy.n >= params.min_sales).then_some(verdict),
        detail: format!(
            "level_error: {} homes sold for {} {side} the level that the model was made for \
             (drift from {})",
            accuracy.n,
            percent(value.exp_m1().abs()),
            percent(params.level_drift.exp_m1()),
        ),
        is_data_fault: false,
        is_inhibited: false,
    }
}

fn less_accurate(
    accuracy: &WindowAccuracy,
    chance: Option<f64>,
    params: &MonitorParams,
) -> Option<Finding> {
    let surprising = chance.is_some_and(|chance| chance <= params.chance);
    let expected = accuracy.expected_mdape?;
    let threshold = expected * params.accuracy_factor;
    Some(Finding {
        rule: "accuracy",
        subject: "mdape".into(),
        value: accuracy.mdape,
        expected: Some(expected),
        threshold,
        p_value: chance,
        verdict: (accuracy.n >= params.min_sales)
            .then_some(broken(surprising && accuracy.mdape > threshold)),
        detail: format!(
            "mdape: median error {} → {} over {} sales (alert above {})",
            percent(expected),
            percent(accuracy.mdape),
            accuracy.n,
            percent(threshold),
        ),
        is_data_fault: false,
        is_inhibited: false,
    })
}

fn coverage(accuracy: &WindowAccuracy, chance: f64, params: &MonitorParams) -> Finding {
    let (low, high) = (params.coverage_low, params.coverage_high);
    let value = accuracy.coverage90;
    Finding {
        rule: "coverage",
        subject: "coverage90".into(),
        value,
        expected: Some(COVERAGE),
        threshold: if value > COVERAGE { high } else { low },
        p_value: Some(chance),
        verdict: (accuracy.n >= params.min_sales)
            .then_some(broken(chance <= params.chance && !(low..=high).contains(&value))),
        detail: format!(
            "coverage90: 90.0 % → {} of {} sale prices lie inside their interval (accepted {} to \
             {})",
            percent(value),
            accuracy.n,
            percent(low),
            percent(high),
        ),
        is_data_fault: false,
        is_inhibited: false,
    }
}

fn unanswered(outcome: &Outcome, params: &MonitorParams) -> Finding {
    let n = outcome.n_answerable;
    let value = if n == 0 { 0.0 } else { outcome.n_unanswered as f64 / n as f64 };
    let threshold = params.no_estimate_share;
    // Half the share is what nobody is told of: chance may not make it the whole one.
    let chance = binomial_at_least(outcome.n_unanswered, n, threshold / 2.0);
    let mut refusals: Vec<(&str, u64)> =
        outcome.refusals.iter().map(|(refusal, n)| (&**refusal, *n)).collect();
    // Stable: of equally common ones the first by name comes first.
    refusals.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    Finding {
        rule: "no_estimate",
        subject: "no_estimate_share".into(),
        value,
        expected: None,
        threshold,
        p_value: Some(chance),
        verdict: (n >= params.min_listings)
            .then_some(broken(value >= threshold && chance <= params.chance)),
        detail: format!(
            "no_estimate_share: {} of {n} listings got no estimate{} (alert from {})",
            percent(value),
            named(&refusals),
            percent(threshold),
        ),
        is_data_fault: refusals.first().is_some_and(|(refusal, _)| refusal.contains(" is ")),
        is_inhibited: false,
    }
}

/// The commonest reasons, for a sentence.
fn named(refusals: &[(&str, u64)]) -> String {
    let each = refusals.iter().take(NAMED_REFUSALS).map(|(refusal, n)| format!("{refusal} ({n})"));
    match each.collect::<Vec<_>>().join(", ") {
        empty if empty.is_empty() => empty,
        reasons => format!(": {reasons}"),
    }
}

/// Where one alert stands.
#[derive(Debug, Default)]
struct AlertTrack {
    state: Hysteresis,
    threshold: f64,
}

/// The alerts' memory over windows. A window that cannot tell changes nothing: it neither
/// fires, nor resolves, nor breaks a row of windows. A warning lies between: it ends no alert.
#[derive(Debug, Default)]
pub(super) struct AlertTracks(BTreeMap<(&'static str, String), AlertTrack>);

impl AlertTracks {
    /// The changes of state that a window brings.
    pub(super) fn step(
        &mut self,
        outcome: &Outcome,
        findings: &[Finding],
        params: &MonitorParams,
    ) -> Vec<Alert> {
        let patience = HysteresisParams {
            windows_to_fire: params.windows_to_fire,
            windows_to_resolve: params.windows_to_resolve,
        };
        let mut alerts = Vec::new();
        for finding in findings.iter().chain(&self.gone(outcome)) {
            let reading = match finding.is_inhibited {
                true => Reading::Unknown,
                false => Reading::from(finding.verdict),
            };
            let track = self.0.entry((finding.rule, finding.subject.clone())).or_default();
            if reading == Reading::Firing {
                track.threshold = finding.threshold;
            }
            if let Some(state) = track.state.step(reading, patience) {
                alerts.push(alert(outcome, finding, state));
            }
        }
        self.0.retain(|_, track| track.state.is_firing() || track.state.streak() > 0);
        alerts
    }

    /// Features with an alert that the window's model does not have: nothing is left to
    /// drift.
    fn gone(&self, outcome: &Outcome) -> Vec<Finding> {
        let report = &outcome.report;
        if report.features.is_empty() {
            return Vec::new();
        }
        let tracks = self.0.iter().filter(|((rule, subject), _)| {
            *rule == "feature_drift" && report.features.iter().all(|d| d.feature != *subject)
        });
        let findings = tracks.map(|((rule, subject), track)| Finding {
            rule,
            subject: subject.clone(),
            value: 0.0,
            expected: None,
            threshold: track.threshold,
            p_value: None,
            verdict: Some(Verdict::Ok),
            detail: format!("{subject}: not a feature of {}", report.model_version),
            is_data_fault: false,
            is_inhibited: false,
        });
        findings.collect()
    }
}

fn alert(outcome: &Outcome, finding: &Finding, state: AlertState) -> Alert {
    let window = outcome.report.window;
    let summary = match state {
        AlertState::Firing => finding.detail.clone(),
        AlertState::Resolved => format!("within limits again: {}", finding.detail),
    };
    Alert {
        rule: finding.rule.to_owned(),
        subject: finding.subject.clone(),
        value: finding.value,
        threshold: finding.threshold,
        state,
        date: window.end,
        window,
        model_version: outcome.report.model_version.clone(),
        summary,
    }
}
