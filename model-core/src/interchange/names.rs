//! A model's column names and a spec's.

use super::error::ImportError;
use crate::features::FeatureSpec;

/// Names that an error lists at most.
const SHOWN: usize = 8;

/// The spec's column of each of the model's, by name; blanks may have become underscores, as in
/// LightGBM's files.
pub(super) fn columns(names: &[String], spec: &FeatureSpec) -> Result<Vec<usize>, ImportError> {
    let fail = |message: String| Err(ImportError::Columns(message));
    if names.is_empty() {
        return fail(
            "it has no column names; train from a DataFrame with the columns that \
             `homestream features` writes"
                .into(),
        );
    }
    let known: Vec<String> = spec.features.iter().map(|f| underscored(&f.name)).collect();
    let mut column_of = Vec::with_capacity(names.len());
    let (mut unknown, mut taken) = (Vec::new(), vec![false; known.len()]);
    for name in names {
        let plain = underscored(name);
        let exact = spec.features.iter().position(|f| f.name == *name);
        match exact.or_else(|| known.iter().position(|k| *k == plain)) {
            Some(column) if std::mem::replace(&mut taken[column], true) => {
                return fail(format!("{name} stands there twice"));
            }
            Some(column) => column_of.push(column),
            None => unknown.push(name.as_str()),
        }
    }
    if !unknown.is_empty() {
        let told: Vec<String> = unknown
            .iter()
            .take(SHOWN)
            .map(|name| match nearest(name, &known) {
                Some(near) => format!("{name} (nearest: {near})"),
                None => (*name).to_owned(),
            })
            .collect();
        return fail(format!(
            "{} not in the spec: {}{}; drop or rename what is not served before training",
            if unknown.len() == 1 { "a column is" } else { "columns are" },
            told.join(", "),
            and_more(unknown.len()),
        ));
    }
    let missing: Vec<&str> = spec
        .features
        .iter()
        .zip(&taken)
        .filter(|(_, taken)| !**taken)
        .map(|(feature, _)| feature.name.as_str())
        .collect();
    if !missing.is_empty() {
        return fail(format!(
            "the model was trained without {}{}; train with every column of the spec, in any order",
            missing.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", "),
            and_more(missing.len()),
        ));
    }
    Ok(column_of)
}

/// LightGBM writes underscores for blanks.
pub(super) fn underscored(name: &str) -> String {
    name.split_whitespace().collect::<Vec<_>>().join("_")
}

fn nearest<'a>(name: &str, known: &'a [String]) -> Option<&'a String> {
    let lower = name.to_lowercase();
    let likeness = |candidate: &str| strsim::jaro_winkler(&lower, &candidate.to_lowercase());
    known
        .iter()
        .map(|candidate| (likeness(candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.7)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

fn and_more(n: usize) -> String {
    if n > SHOWN { format!(" and {} more", n - SHOWN) } else { String::new() }
}
