//! The report as plain text, at most 100 columns wide. Its wording is for people and may change;
//! programs read the serialised report.

use std::fmt;

use super::super::standards::{Accepted, Verdict};
use super::{Assessment, GroupAssessment, Measured, Measures, SmallSegment};

/// Longest label of a segment that is shown whole.
const LABEL: usize = 20;
/// Groups of a dimension that are shown; the serialised report has all.
const SHOWN_GROUPS: usize = 12;

/// How a measure is written.
#[derive(Clone, Copy)]
enum Unit {
    /// With so many decimals.
    Number(usize),
    /// A decimal, shown as percent with one decimal.
    Share,
    /// Currency units, shown whole.
    Currency,
}

impl fmt::Display for Assessment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = &self.overall;
        write!(f, "{} listings, {} estimates", all.listings, all.estimates)?;
        if let Some(hit_rate) = all.hit_rate {
            write!(f, ", hit rate {}", text(hit_rate, Unit::Share))?;
        }
        match self.params.trim_iqr {
            Some(factor) => writeln!(f, ", {} ratios beyond {factor} IQR trimmed", all.trimmed)?,
            None => writeln!(f, ", no ratio trimmed")?,
        }
        writeln!(f)?;
        self.write_overall(f)?;
        if !self.segments.is_empty() {
            writeln!(f)?;
            self.write_segments(f)?;
        }
        write_too_few(f, &self.too_few, self.params.min_sales)
    }
}

impl Assessment {
    fn write_overall(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let confidence = format!("{} interval", text(self.params.confidence, Unit::Share));
        let head = ("measure", "value", confidence.as_str(), "accepted");
        write_line(f, head, "verdict")?;
        let standards = &self.params.standards;
        let Measures { median_ratio, cod, prd, prb, vertical_equity, .. } = &self.overall.measures;
        let row = |f: &mut fmt::Formatter<'_>, name: &str, measured: Option<Measured>, unit| {
            write_measure(f, name, measured, unit, None)
        };
        let judged = [
            ("median ratio", Some(*median_ratio), Unit::Number(3), standards.median_ratio),
            ("COD, %", Some(*cod), Unit::Number(2), standards.cod),
            ("PRD", Some(*prd), Unit::Number(3), standards.prd),
            ("PRB", *prb, Unit::Number(3), standards.prb),
        ];
        for (name, measured, unit, accepted) in judged {
            write_measure(f, name, measured, unit, Some(accepted))?;
        }
        let equity = vertical_equity.as_ref().map(|equity| Measured {
            value: equity.indicator.value,
            interval: equity.interval,
            verdict: Some(equity.verdict),
        });
        let accepted = Some(standards.vertical_equity);
        write_measure(f, "vertical equity, %", equity, Unit::Number(1), accepted)?;
        for level in &self.overall.measures.intervals {
            let nominal = text(level.level, Unit::Share);
            let accepted = Some(standards.coverage(level.level));
            let name = format!("coverage of {nominal}");
            write_measure(f, &name, Some(level.coverage), Unit::Share, accepted)?;
            let name = format!("interval score of {nominal}");
            row(f, &name, Some(level.interval_score), Unit::Currency)?;
        }
        let measures = &self.overall.measures;
        let plain = [
            ("MdAPE", Some(measures.mdape), Unit::Share),
            ("MAPE", Some(measures.mape), Unit::Share),
            ("PPE5", Some(measures.ppe5), Unit::Share),
            ("PPE10", Some(measures.ppe10), Unit::Share),
            ("PPE20", Some(measures.ppe20), Unit::Share),
            ("MAE", Some(measures.mae), Unit::Currency),
            ("RMSE", Some(measures.rmse), Unit::Currency),
            ("RMSLE", Some(measures.rmsle), Unit::Number(4)),
            ("R2", measures.r2, Unit::Number(4)),
        ];
        plain.into_iter().try_for_each(|(name, measured, unit)| row(f, name, measured, unit))
    }

    fn write_segments(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = self.overall.measures.intervals.first().map(|level| level.level);
        let coverage = level.map_or_else(
            || "coverage".into(),
            |level| format!("cov {}", text(level, Unit::Share).trim_end_matches(" %")),
        );
        writeln!(
            f,
            "{:<LABEL$} {:>7} {:>7} {:>7} {:>7} {:>7} {:>7} {:>7} {:>7} {:>9}",
            "segment", "sales", "ratio", "COD", "PRD", "PRB", "VEI", "MdAPE", "PPE10", coverage
        )?;
        for groups in self.segments.chunk_by(|a, b| a.dimension == b.dimension) {
            let Some(first) = groups.first() else { continue };
            let shown = worst(groups);
            if shown.len() < groups.len() {
                let (all, shown) = (groups.len(), shown.len());
                writeln!(f, "{}, the {shown} least uniform of {all}", first.dimension)?;
            } else {
                writeln!(f, "{}", first.dimension)?;
            }
            for group in shown {
                write_segment(f, group)?;
            }
        }
        writeln!(f, "! fails its standard, ? is undecided, no mark meets it")
    }
}

/// The groups of a dimension, in their order; of many those with the greatest COD.
fn worst(groups: &[GroupAssessment]) -> Vec<&GroupAssessment> {
    let mut order: Vec<usize> = (0..groups.len()).collect();
    if groups.len() > SHOWN_GROUPS {
        let cod = |index: &usize| groups[*index].measures.cod.value;
        order.sort_by(|a, b| cod(b).total_cmp(&cod(a)));
        order.truncate(SHOWN_GROUPS);
        order.sort_unstable();
    }
    order.into_iter().map(|index| &groups[index]).collect()
}

fn write_segment(f: &mut fmt::Formatter<'_>, group: &GroupAssessment) -> fmt::Result {
    let measures = &group.measures;
    let number = |measured: Measured, decimals| marked(measured, Unit::Number(decimals));
    let equity = measures.vertical_equity.as_ref();
    let equity = equity.map(|e| mark(text(e.indicator.value, Unit::Number(1)), Some(e.verdict)));
    let share = |measured: Measured| text(measured.value, Unit::Share);
    let coverage = measures.intervals.first().map(|level| marked(level.coverage, Unit::Share));
    let line = format!(
        "  {:<width$} {:>7} {:>7} {:>7} {:>7} {:>7} {:>7} {:>7} {:>7} {:>9}",
        shortened(&group.label),
        group.estimates,
        number(measures.median_ratio, 3),
        number(measures.cod, 1),
        number(measures.prd, 3),
        measures.prb.map(|prb| number(prb, 3)).unwrap_or_default(),
        equity.unwrap_or_default(),
        share(measures.mdape),
        share(measures.ppe10),
        coverage.unwrap_or_default(),
        width = LABEL - 2,
    );
    writeln!(f, "{}", line.trim_end())
}

fn write_too_few(
    f: &mut fmt::Formatter<'_>,
    too_few: &[SmallSegment],
    min_sales: usize,
) -> fmt::Result {
    if too_few.is_empty() {
        return Ok(());
    }
    writeln!(f, "\nToo few to judge (under {min_sales} estimates):")?;
    for segments in too_few.chunk_by(|a, b| a.dimension == b.dimension) {
        let Some(first) = segments.first() else { continue };
        let estimates: u64 = segments.iter().map(|segment| segment.estimates).sum();
        let labels: Vec<String> =
            segments.iter().take(SHOWN_GROUPS).map(|s| shortened(&s.label)).collect();
        let more = if segments.len() > labels.len() { ", ..." } else { "" };
        let labels = labels.join(", ");
        writeln!(f, "  {}: {labels}{more} ({estimates} estimates together)", first.dimension)?;
    }
    Ok(())
}

fn write_measure(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    measured: Option<Measured>,
    unit: Unit,
    accepted: Option<Accepted>,
) -> fmt::Result {
    let Some(measured) = measured else {
        return write_line(f, (name, "-", "", ""), "not defined");
    };
    let range = |(low, high): (f64, f64)| format!("{} to {}", text(low, unit), text(high, unit));
    let interval = measured.interval.map(range).unwrap_or_default();
    let accepted = accepted.map(|accepted| range((accepted.low, accepted.high)));
    let verdict = measured.verdict.map(Verdict::words).unwrap_or_default();
    let cells = (name, &*text(measured.value, unit), &*interval, &*accepted.unwrap_or_default());
    write_line(f, cells, verdict)
}

fn write_line(
    f: &mut fmt::Formatter<'_>,
    (name, value, interval, accepted): (&str, &str, &str, &str),
    verdict: &str,
) -> fmt::Result {
    let line = format!("{name:<26} {value:>11} {interval:>24} {accepted:>20}  {verdict}");
    writeln!(f, "{}", line.trim_end())
}

fn text(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Number(decimals) => format!("{value:.decimals$}"),
        Unit::Share => format!("{:.1} %", 100.0 * value),
        Unit::Currency => format!("{value:.0}"),
    }
}

fn marked(measured: Measured, unit: Unit) -> String {
    mark(text(measured.value, unit), measured.verdict)
}

/// The text with the verdict's sign, and a blank where there is none: columns stay aligned.
fn mark(text: String, verdict: Option<Verdict>) -> String {
    match verdict {
        Some(Verdict::NotMet) => text + "!",
        Some(Verdict::Inconclusive) => text + "?",
        Some(Verdict::Met) | None => text + " ",
    }
}

/// At most the label's column wide, by characters.
fn shortened(label: &str) -> String {
    let most = LABEL - 2;
    if label.chars().count() <= most {
        return label.to_owned();
    }
    label.chars().take(most - 1).chain(['…']).collect()
}
