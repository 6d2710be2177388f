//! What a closed window's numbers mean, rule by rule, and when a person is told.

use std::collections::BTreeMap;

use super::closing::Outcome;
use super::params::MonitorParams;
use crate::alert::{Alert, AlertState};
use crate::drift_report::{BinShare, FeatureDrift, Verdict, WindowAccuracy};

/// Bins named in a summary.
const NAMED_BINS: usize = 2;

/// What one rule says of one window.
pub(super) struct Finding {
    rule: &'static str,
    subject: String,
    value: f64,
    threshold: f64,
    /// `None`: the window holds too little to tell.
    verdict: Option<Verdict>,
    /// The finding in words.
    detail: String,
}

impl Finding {
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
    if let Some(accuracy) = &report.accuracy {
        findings.push(level(accuracy, params));
        findings.extend(less_accurate(accuracy, params));
        findings.push(coverage(accuracy, params));
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
    report.fired = drifted.map(Finding::name).collect();
}

fn drifted(rule: &'static str, drift: &FeatureDrift, params: &MonitorParams) -> Finding {
    let moved: Vec<String> = drift.bins.iter().take(NAMED_BINS).map(moved_share).collect();
    let (value, threshold) = (drift.value, drift.threshold_drift);
    let shares = match moved.as_slice() {
        [] => String::new(),
        shares => format!("share of {}; ", shares.join(", ")),
    };
    Finding {
        rule,
        subject: drift.feature.clone(),
        value,
        threshold,
        verdict: (drift.n_current >= params.psi.min_count).then_some(drift.verdict),
        detail: format!("{}: {shares}PSI {value:.2} (drift from {threshold})", drift.feature),
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

fn level(accuracy: &WindowAccuracy, params: &MonitorParams) -> Finding {
    let value = accuracy.level_error;
    let verdict = if value.abs() >= params.level_drift {
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
        threshold: params.level_drift.copysign(value),
        verdict: (accuracy.n >= params.min_sales).then_some(verdict),
        detail: format!(
            "level_error: {} homes sold for {} {side} what the model gives without its running \
             correction (drift from {})",
            accuracy.n,
            percent(value.exp_m1().abs()),
            percent(params.level_drift.exp_m1()),
        ),
    }
}

fn less_accurate(accuracy: &WindowAccuracy, params: &MonitorParams) -> Option<Finding> {
    let expected = accuracy.expected_mdape?;
    let threshold = expected * params.accuracy_factor;
    Some(Finding {
        rule: "accuracy",
        subject: "mdape".into(),
        value: accuracy.mdape,
        threshold,
        verdict: (accuracy.n >= params.min_sales).then_some(broken(accuracy.mdape > threshold)),
        detail: format!(
            "mdape: median error {} → {} over {} sales (alert above {})",
            percent(expected),
            percent(accuracy.mdape),
            accuracy.n,
            percent(threshold),
        ),
    })
}

fn coverage(accuracy: &WindowAccuracy, params: &MonitorParams) -> Finding {
    let (low, high) = (params.coverage_low, params.coverage_high);
    let value = accuracy.coverage90;
    Finding {
        rule: "coverage",
        subject: "coverage90".into(),
        value,
        threshold: if value > 0.9 { high } else { low },
        verdict: (accuracy.n >= params.min_sales).then_some(broken(!(low..=high).contains(&value))),
        detail: format!(
            "coverage90: 90.0 % → {} of {} sale prices lie inside their interval (accepted {} to \
             {})",
            percent(value),
            accuracy.n,
            percent(low),
            percent(high),
        ),
    }
}

fn unanswered(outcome: &Outcome, params: &MonitorParams) -> Finding {
    let n = outcome.n_answerable;
    let value = if n == 0 { 0.0 } else { outcome.n_unanswered as f64 / n as f64 };
    let threshold = params.no_estimate_share;
    Finding {
        rule: "no_estimate",
        subject: "no_estimate_share".into(),
        value,
        threshold,
        verdict: (n >= params.min_listings).then_some(broken(value >= threshold)),
        detail: format!(
            "no_estimate_share: {} of {n} listings got no estimate (alert from {})",
            percent(value),
            percent(threshold),
        ),
    }
}

/// Where one alert stands.
#[derive(Debug, Default)]
struct AlertTrack {
    firing: bool,
    /// Windows in a row that speak for the other state.
    streak: u32,
    threshold: f64,
}

/// The alerts' memory over windows. A window that cannot tell changes nothing: it neither
/// fires, nor resolves, nor breaks a row of windows.
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
        let mut alerts = Vec::new();
        for finding in findings.iter().chain(&self.gone(outcome)) {
            let Some(verdict) = finding.verdict else { continue };
            let holds = verdict == Verdict::Drift;
            let track = self.0.entry((finding.rule, finding.subject.clone())).or_default();
            if holds {
                track.threshold = finding.threshold;
            }
            if holds == track.firing {
                track.streak = 0;
                continue;
            }
            track.streak += 1;
            let needed = if holds { params.windows_to_fire } else { params.windows_to_resolve };
            if track.streak >= needed {
                *track = AlertTrack { firing: holds, streak: 0, threshold: track.threshold };
                alerts.push(alert(outcome, finding, holds));
            }
        }
        self.0.retain(|_, track| track.firing || track.streak > 0);
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
            threshold: track.threshold,
            verdict: Some(Verdict::Ok),
            detail: format!("{subject}: not a feature of {}", report.model_version),
        });
        findings.collect()
    }
}

fn alert(outcome: &Outcome, finding: &Finding, firing: bool) -> Alert {
    let window = outcome.report.window;
    let (state, summary) = if firing {
        (AlertState::Firing, finding.detail.clone())
    } else {
        (AlertState::Resolved, format!("within limits again: {}", finding.detail))
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
