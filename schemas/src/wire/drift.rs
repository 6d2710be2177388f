//! `DriftReport`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use model_core::date::EventDate;
use model_core::drift_report::{
    BinShare, DriftReport, FeatureDrift, Promise, RuleFinding, SegmentAccuracy, Verdict, Window,
    WindowAccuracy,
};
use serde::{Deserialize, Serialize};

use super::{VerdictWire, Wire, from_long, to_long};
use crate::error::{DecodeError, EncodeError};
use crate::kind::RecordKind;

const KIND: RecordKind = RecordKind::DriftReport;

#[derive(Serialize, Deserialize)]
#[serde(rename = "BinShare")]
struct BinShareWire<'a> {
    label: Cow<'a, str>,
    reference: f64,
    current: f64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "FeatureDrift")]
struct FeatureDriftWire<'a> {
    feature: Cow<'a, str>,
    kind: Cow<'a, str>,
    statistic: Cow<'a, str>,
    value: f64,
    expected: f64,
    threshold_warning: f64,
    threshold_drift: f64,
    verdict: VerdictWire,
    n_reference: i64,
    n_current: i64,
    missing_reference: f64,
    missing_current: f64,
    bins: Vec<BinShareWire<'a>>,
    p_value: Option<f64>,
    q_value: Option<f64>,
    importance: Option<f64>,
    statistics: Cow<'a, BTreeMap<String, f64>>,
    hint: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "Promise")]
struct PromiseWire {
    n: i64,
    mdape: f64,
    ppe10: f64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "RuleFinding")]
struct RuleFindingWire<'a> {
    rule: Cow<'a, str>,
    subject: Cow<'a, str>,
    value: f64,
    expected: Option<f64>,
    threshold: f64,
    p_value: Option<f64>,
    verdict: VerdictWire,
    detail: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "SegmentAccuracy")]
struct SegmentAccuracyWire<'a> {
    segment: Cow<'a, str>,
    n: i64,
    mdape: f64,
    median_ratio: f64,
    coverage90: f64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "WindowAccuracy")]
struct WindowAccuracyWire {
    n: i64,
    mdape: f64,
    ppe10: f64,
    median_ratio: f64,
    coverage90: f64,
    level_error: f64,
    expected_mdape: Option<f64>,
    rmse: Option<f64>,
    bias: Option<f64>,
    cod: Option<f64>,
    prd: Option<f64>,
    prb: Option<f64>,
    promised: Option<PromiseWire>,
}

/// A drift report on the wire.
#[derive(Serialize, Deserialize)]
#[serde(rename = "DriftReport")]
pub(crate) struct DriftReportWire<'a> {
    window_start: i32,
    window_end: i32,
    verdict: VerdictWire,
    model_version: Cow<'a, str>,
    n_estimates: i64,
    n_no_estimate: i64,
    n_sales: i64,
    features: Vec<FeatureDriftWire<'a>>,
    estimate: Option<FeatureDriftWire<'a>>,
    accuracy: Option<WindowAccuracyWire>,
    fired: Cow<'a, [String]>,
    inhibited: Cow<'a, [String]>,
    data_faults: Cow<'a, [String]>,
    promised: Option<PromiseWire>,
    findings: Vec<RuleFindingWire<'a>>,
    segments: Vec<SegmentAccuracyWire<'a>>,
}

impl Wire for DriftReportWire<'static> {
    const KIND: RecordKind = KIND;
}

impl<'a> TryFrom<&'a DriftReport> for DriftReportWire<'a> {
    type Error = EncodeError;

    fn try_from(report: &'a DriftReport) -> Result<Self, EncodeError> {
        Ok(Self {
            window_start: report.window.start.0,
            window_end: report.window.end.0,
            verdict: report.verdict.into(),
            model_version: Cow::Borrowed(&report.model_version),
            n_estimates: to_long(KIND, "n_estimates", report.n_estimates)?,
            n_no_estimate: to_long(KIND, "n_no_estimate", report.n_no_estimate)?,
            n_sales: to_long(KIND, "n_sales", report.n_sales)?,
            features: report
                .features
                .iter()
                .map(FeatureDriftWire::try_from)
                .collect::<Result<_, _>>()?,
            estimate: report.estimate.as_ref().map(FeatureDriftWire::try_from).transpose()?,
            accuracy: report.accuracy.as_ref().map(WindowAccuracyWire::try_from).transpose()?,
            fired: Cow::Borrowed(&report.fired),
            inhibited: Cow::Borrowed(&report.inhibited),
            data_faults: Cow::Borrowed(&report.data_faults),
            promised: report.promised.map(PromiseWire::try_from).transpose()?,
            findings: report.findings.iter().map(RuleFindingWire::from).collect(),
            segments: report
                .segments
                .iter()
                .map(SegmentAccuracyWire::try_from)
                .collect::<Result<_, _>>()?,
        })
    }
}

impl TryFrom<DriftReportWire<'_>> for DriftReport {
    type Error = DecodeError;

    fn try_from(wire: DriftReportWire<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            window: Window { start: EventDate(wire.window_start), end: EventDate(wire.window_end) },
            model_version: wire.model_version.into_owned(),
            n_estimates: from_long("n_estimates", wire.n_estimates)?,
            n_no_estimate: from_long("n_no_estimate", wire.n_no_estimate)?,
            n_sales: from_long("n_sales", wire.n_sales)?,
            features: wire
                .features
                .into_iter()
                .map(FeatureDrift::try_from)
                .collect::<Result<_, _>>()?,
            estimate: wire.estimate.map(FeatureDrift::try_from).transpose()?,
            accuracy: wire.accuracy.map(WindowAccuracy::try_from).transpose()?,
            verdict: wire.verdict.into(),
            fired: wire.fired.into_owned(),
            inhibited: wire.inhibited.into_owned(),
            data_faults: wire.data_faults.into_owned(),
            promised: wire.promised.map(Promise::try_from).transpose()?,
            findings: wire.findings.into_iter().map(RuleFinding::from).collect(),
            segments: wire
                .segments
                .into_iter()
                .map(SegmentAccuracy::try_from)
                .collect::<Result<_, _>>()?,
        })
    }
}

impl<'a> TryFrom<&'a FeatureDrift> for FeatureDriftWire<'a> {
    type Error = EncodeError;

    fn try_from(drift: &'a FeatureDrift) -> Result<Self, EncodeError> {
        let bin = |bin: &'a BinShare| BinShareWire {
            label: Cow::Borrowed(&bin.label),
            reference: bin.reference,
            current: bin.current,
        };
        Ok(Self {
            feature: Cow::Borrowed(&drift.feature),
            kind: Cow::Borrowed(&drift.kind),
            statistic: Cow::Borrowed(&drift.statistic),
            value: drift.value,
            expected: drift.expected,
            threshold_warning: drift.threshold_warning,
            threshold_drift: drift.threshold_drift,
            verdict: drift.verdict.into(),
            n_reference: to_long(KIND, "n_reference", drift.n_reference)?,
            n_current: to_long(KIND, "n_current", drift.n_current)?,
            missing_reference: drift.missing_reference,
            missing_current: drift.missing_current,
            bins: drift.bins.iter().map(bin).collect(),
            p_value: drift.p_value,
            q_value: drift.q_value,
            importance: drift.importance,
            statistics: Cow::Borrowed(&drift.statistics),
            hint: Cow::Borrowed(&drift.hint),
        })
    }
}

impl TryFrom<FeatureDriftWire<'_>> for FeatureDrift {
    type Error = DecodeError;

    fn try_from(wire: FeatureDriftWire<'_>) -> Result<Self, DecodeError> {
        let bin = |bin: BinShareWire<'_>| BinShare {
            label: bin.label.into_owned(),
            reference: bin.reference,
            current: bin.current,
        };
        Ok(Self {
            feature: wire.feature.into_owned(),
            kind: wire.kind.into_owned(),
            statistic: wire.statistic.into_owned(),
            value: wire.value,
            expected: wire.expected,
            threshold_warning: wire.threshold_warning,
            threshold_drift: wire.threshold_drift,
            verdict: wire.verdict.into(),
            n_reference: from_long("n_reference", wire.n_reference)?,
            n_current: from_long("n_current", wire.n_current)?,
            missing_reference: wire.missing_reference,
            missing_current: wire.missing_current,
            bins: wire.bins.into_iter().map(bin).collect(),
            p_value: wire.p_value,
            q_value: wire.q_value,
            importance: wire.importance,
            statistics: wire.statistics.into_owned(),
            hint: wire.hint.into_owned(),
        })
    }
}

impl TryFrom<&WindowAccuracy> for WindowAccuracyWire {
    type Error = EncodeError;

    fn try_from(accuracy: &WindowAccuracy) -> Result<Self, EncodeError> {
        Ok(Self {
            n: to_long(KIND, "accuracy.n", accuracy.n)?,
            mdape: accuracy.mdape,
            ppe10: accuracy.ppe10,
            median_ratio: accuracy.median_ratio,
            coverage90: accuracy.coverage90,
            level_error: accuracy.level_error,
            expected_mdape: accuracy.expected_mdape,
            rmse: accuracy.rmse,
            bias: accuracy.bias,
            cod: accuracy.cod,
            prd: accuracy.prd,
            prb: accuracy.prb,
            promised: accuracy.promised.map(PromiseWire::try_from).transpose()?,
        })
    }
}

impl TryFrom<WindowAccuracyWire> for WindowAccuracy {
    type Error = DecodeError;

    fn try_from(wire: WindowAccuracyWire) -> Result<Self, DecodeError> {
        Ok(Self {
            n: from_long("accuracy.n", wire.n)?,
            mdape: wire.mdape,
            ppe10: wire.ppe10,
            median_ratio: wire.median_ratio,
            coverage90: wire.coverage90,
            level_error: wire.level_error,
            expected_mdape: wire.expected_mdape,
            rmse: wire.rmse,
            bias: wire.bias,
            cod: wire.cod,
            prd: wire.prd,
            prb: wire.prb,
            promised: wire.promised.map(Promise::try_from).transpose()?,
        })
    }
}

impl TryFrom<Promise> for PromiseWire {
    type Error = EncodeError;

    fn try_from(promise: Promise) -> Result<Self, EncodeError> {
        let n = to_long(KIND, "promised.n", promise.n)?;
        Ok(Self { n, mdape: promise.mdape, ppe10: promise.ppe10 })
    }
}

impl TryFrom<PromiseWire> for Promise {
    type Error = DecodeError;

    fn try_from(wire: PromiseWire) -> Result<Self, DecodeError> {
        let n = from_long("promised.n", wire.n)?;
        Ok(Self { n, mdape: wire.mdape, ppe10: wire.ppe10 })
    }
}

impl<'a> From<&'a RuleFinding> for RuleFindingWire<'a> {
    fn from(finding: &'a RuleFinding) -> Self {
        Self {
            rule: Cow::Borrowed(&finding.rule),
            subject: Cow::Borrowed(&finding.subject),
            value: finding.value,
            expected: finding.expected,
            threshold: finding.threshold,
            p_value: finding.p_value,
            verdict: finding.verdict.into(),
            detail: Cow::Borrowed(&finding.detail),
        }
    }
}

impl From<RuleFindingWire<'_>> for RuleFinding {
    fn from(wire: RuleFindingWire<'_>) -> Self {
        Self {
            rule: wire.rule.into_owned(),
            subject: wire.subject.into_owned(),
            value: wire.value,
            expected: wire.expected,
            threshold: wire.threshold,
            p_value: wire.p_value,
            verdict: wire.verdict.into(),
            detail: wire.detail.into_owned(),
        }
    }
}

impl<'a> TryFrom<&'a SegmentAccuracy> for SegmentAccuracyWire<'a> {
    type Error = EncodeError;

    fn try_from(segment: &'a SegmentAccuracy) -> Result<Self, EncodeError> {
        Ok(Self {
            segment: Cow::Borrowed(&segment.segment),
            n: to_long(KIND, "segments.n", segment.n)?,
            mdape: segment.mdape,
            median_ratio: segment.median_ratio,
            coverage90: segment.coverage90,
        })
    }
}

impl TryFrom<SegmentAccuracyWire<'_>> for SegmentAccuracy {
    type Error = DecodeError;

    fn try_from(wire: SegmentAccuracyWire<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            segment: wire.segment.into_owned(),
            n: from_long("segments.n", wire.n)?,
            mdape: wire.mdape,
            median_ratio: wire.median_ratio,
            coverage90: wire.coverage90,
        })
    }
}

impl From<Verdict> for VerdictWire {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Ok => Self::Ok,
            Verdict::Warning => Self::Warning,
            Verdict::Drift => Self::Drift,
        }
    }
}

impl From<VerdictWire> for Verdict {
    fn from(wire: VerdictWire) -> Self {
        match wire {
            VerdictWire::Ok => Self::Ok,
            VerdictWire::Warning => Self::Warning,
            VerdictWire::Drift => Self::Drift,
        }
    }
}
