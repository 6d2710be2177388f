//! Two distributions over each other, drawn as SVG.

use std::fmt::Write as _;

use model_core::drift::statistics::{Bar, ColumnComparison, ColumnKind};

use super::html::escape;

/// Units of the drawing; it is shown as wide as the page lets it.
const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 200.0;
/// Height of a category's row.
const ROW: f64 = 22.0;
/// Where bars of categories begin: labels are left of it.
const LABELS: f64 = 190.0;
/// Characters of a label that fit.
const LABEL_CHARS: usize = 24;

/// The distributions of a feature; empty where there are none.
pub(super) fn distributions(feature: &ColumnComparison) -> String {
    let bars = &feature.distribution;
    if bars.is_empty() {
        return String::new();
    }
    let largest = bars.iter().map(|bar| bar.reference.max(bar.current)).fold(1e-9, f64::max);
    let (height, drawing) = match feature.kind {
        ColumnKind::Numeric => (HEIGHT + 24.0, columns(bars, largest)),
        ColumnKind::Categorical => (bars.len() as f64 * ROW + 4.0, rows(bars, largest)),
    };
    let name = escape(&feature.name);
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"Distributions of {name}: \
         reference and current\"><title>{name}: reference and current</title>{drawing}</svg>"
    )
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

fn tip(bar: &Bar) -> String {
    let label = escape(&bar.label);
    format!("{label}: reference {}, current {}", percent(bar.reference), percent(bar.current))
}

/// Columns that stand on an axis, the current ones narrower and in front.
fn columns(bars: &[Bar], largest: f64) -> String {
    let step = WIDTH / bars.len() as f64;
    let mut out = String::new();
    for (i, bar) in bars.iter().enumerate() {
        let x = i as f64 * step;
        let mut column = |class: &str, share: f64, inset: f64| {
            let height = share / largest * (HEIGHT - 8.0);
            let _ = write!(
                out,
                "<rect class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{height:.1}\"/>",
                x + step * inset,
                HEIGHT - height,
                step * (1.0 - 2.0 * inset)
            );
        };
        column("ref", bar.reference, 0.04);
        column("cur", bar.current, 0.25);
        // A whole column answers to the pointer.
        let _ = write!(
            out,
            "<rect class=\"hit\" x=\"{x:.1}\" y=\"0\" width=\"{step:.1}\" height=\"{HEIGHT}\"><title>{}</title></rect>",
            tip(bar)
        );
    }
    let _ = write!(
        out,
        "<line class=\"axis\" x1=\"0\" y1=\"{HEIGHT}\" x2=\"{WIDTH}\" y2=\"{HEIGHT}\"/>"
    );
    let y = HEIGHT + 17.0;
    let marks = [
        (0, 2.0, "start"),
        (bars.len() / 2, WIDTH / 2.0, "middle"),
        (bars.len() - 1, WIDTH - 2.0, "end"),
    ];
    for (i, x, anchor) in marks {
        let Some(bar) = bars.get(i) else { continue };
        let label = match (anchor, bar.label.split_once(" to ")) {
            ("end", Some((_, high))) => high,
            (_, Some((low, _))) => low,
            (_, None) => &bar.label,
        };
        let _ = write!(
            out,
            "<text x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\">{}</text>",
            escape(label)
        );
    }
    out
}

/// A row a category, the current bar below the reference's.
fn rows(bars: &[Bar], largest: f64) -> String {
    let mut out = String::new();
    for (i, bar) in bars.iter().enumerate() {
        let y = i as f64 * ROW + 2.0;
        let _ = write!(
            out,
            "<g><title>{}</title><text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            tip(bar),
            LABELS - 8.0,
            y + 14.0,
            escape(&shortened(&bar.label))
        );
        let mut row = |class: &str, share: f64, top: f64| {
            let width = share / largest * (WIDTH - LABELS - 8.0);
            let _ = write!(
                out,
                "<rect class=\"{class}\" x=\"{LABELS}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"8\"/>",
                y + top
            );
        };
        row("ref", bar.reference, 1.0);
        row("cur", bar.current, 10.0);
        out.push_str("</g>");
    }
    out
}

fn shortened(label: &str) -> String {
    if label.chars().count() <= LABEL_CHARS {
        return label.to_owned();
    }
    let head: String = label.chars().take(LABEL_CHARS - 1).collect();
    format!("{head}…")
}
