//! The report as one HTML page: no script, no network, light and dark as the reader's system.

use std::fmt::Write as _;

use model_core::drift::statistics::{ColumnComparison, Decision};

use super::report::{DriftReport, number, remarks, verdict};
use super::svg;

const STYLE: &str = include_str!("report.css");

/// The page.
pub(super) fn page(report: &DriftReport) -> String {
    let (reference, current) = (escape(&report.reference.file), escape(&report.current.file));
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>Drift: {current} against {reference}</title><style>{STYLE}</style></head>\n<body>\
         <header><h1>Drift report</h1><p><span class=\"key ref\"></span> reference: \
         {reference}, {} rows<br><span class=\"key cur\"></span> current: {current}, {} rows</p>",
        report.reference.rows, report.current.rows
    );
    let state = if report.dataset_drift { "drift" } else { "ok" };
    let _ = write!(
        out,
        "<p class=\"summary\"><strong class=\"{state}\">{} of {} columns drifted</strong> \
         ({:.0} %); the data set {}, from {:.0} % on.</p></header>\n<main>",
        report.drifted,
        report.columns,
        report.drifted_share * 100.0,
        if report.dataset_drift { "has drifted" } else { "has not drifted" },
        report.drift_share * 100.0
    );
    let features = report.by_severity();
    table(&mut out, &features);
    features.iter().for_each(|feature| section(&mut out, feature));
    left_out(&mut out, report);
    let _ = writeln!(out, "</main><footer>homestream {}</footer></body></html>", report.homestream);
    out
}

fn table(out: &mut String, features: &[&ColumnComparison]) {
    out.push_str(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"All columns\"><table>\
         <caption>All columns, those that moved most first</caption><thead><tr>\
         <th scope=\"col\">column</th><th scope=\"col\">verdict</th><th scope=\"col\">test</th>\
         <th scope=\"col\">statistic</th><th scope=\"col\">p-value</th>\
         <th scope=\"col\">threshold</th><th scope=\"col\">PSI</th><th scope=\"col\">JS</th>\
         <th scope=\"col\">missing</th></tr></thead><tbody>",
    );
    for feature in features {
        let _ = write!(
            out,
            "<tr><th scope=\"row\"><a href=\"#{}\">{}</a></th><td class=\"{}\">{}</td><td>{}</td>\
             <td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{:.1} → {:.1} %</td></tr>",
            anchor(feature),
            escape(&feature.name),
            class(feature.verdict),
            verdict(feature.verdict),
            feature.test,
            number(feature.statistic),
            number(feature.p_value),
            feature.threshold,
            number(feature.psi),
            number(feature.js),
            feature.missing_ref * 100.0,
            feature.missing_cur * 100.0
        );
    }
    out.push_str("</tbody></table></div>");
}

fn section(out: &mut String, feature: &ColumnComparison) {
    let id = anchor(feature);
    let _ = write!(
        out,
        "\n<section id=\"{id}\" aria-labelledby=\"{id}-h\"><h2 id=\"{id}-h\">{} <span class=\"{}\">{}</span></h2>",
        escape(&feature.name),
        class(feature.verdict),
        verdict(feature.verdict)
    );
    let remarks = remarks(feature);
    if !remarks.is_empty() {
        out.push_str("<ul>");
        for remark in remarks {
            let _ = write!(out, "<li>{}</li>", escape(&remark));
        }
        out.push_str("</ul>");
    }
    out.push_str(&svg::distributions(feature));
    let statistics = [
        ("KS", feature.ks),
        ("Wasserstein", feature.wasserstein),
        ("Hellinger", feature.hellinger),
        ("L∞", feature.l_infinity),
        ("χ²", feature.chi_square),
        ("PSI expected by chance", feature.psi_expected),
    ];
    let _ = write!(out, "<p class=\"numbers\">{} and {} values", feature.n_ref, feature.n_cur);
    for (name, value) in statistics {
        if value.is_some() {
            let _ = write!(out, " · {name} {}", number(value));
        }
    }
    if feature.sketched {
        let _ = write!(
            out,
            " · from histograms: KS within {:.4}, Wasserstein within {:.4}",
            feature.ks_error, feature.wasserstein_error
        );
    }
    out.push_str("</p></section>");
}

fn left_out(out: &mut String, report: &DriftReport) {
    let mut lines: Vec<String> = report
        .skipped
        .iter()
        .map(|skipped| format!("{}: {}", skipped.name, skipped.reason))
        .collect();
    lines.extend(
        report.only_in_reference.iter().map(|name| format!("{name}: only in the reference")),
    );
    lines.extend(
        report.only_in_current.iter().map(|name| format!("{name}: only in the current file")),
    );
    if lines.is_empty() {
        return;
    }
    out.push_str("\n<section><h2>Not compared</h2><ul>");
    for line in lines {
        let _ = write!(out, "<li>{}</li>", escape(&line));
    }
    out.push_str("</ul></section>");
}

fn class(verdict: Decision) -> &'static str {
    match verdict {
        Decision::Ok => "ok",
        Decision::Drift => "drift",
        Decision::NotCompared => "none",
    }
}

/// An id that any name makes, and only that name.
fn anchor(feature: &ColumnComparison) -> String {
    let mut id = String::from("f-");
    for c in feature.name.chars() {
        if c.is_ascii_alphanumeric() {
            id.push(c);
        } else {
            let _ = write!(id, "_{:x}_", u32::from(c));
        }
    }
    id
}

/// Text as HTML shows it, in attributes too.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests;
