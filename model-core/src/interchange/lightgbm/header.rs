//! What stands before the trees, and the categories behind them.

use serde_json::Value;

use super::super::error::ImportError;
use super::super::source::{Categories, SourceModel, SourceNode};
use super::{Section, fail};
use crate::learn::{Link, Precision};

/// Objectives whose trees add up to the target.
const IDENTITY: [&str; 7] =
    ["regression", "regression_l1", "regression_l2", "huber", "fair", "quantile", "mape"];
/// Objectives whose trees add up to its log.
const LOG: [&str; 3] = ["poisson", "gamma", "tweedie"];

pub(super) struct Header {
    pub(super) names: Vec<String>,
    /// The estimate is the average of the trees: a random forest.
    pub(super) average: bool,
    link: Link,
}

impl Header {
    pub(super) fn read(section: &Section<'_>) -> Result<Self, ImportError> {
        let (line, version) = section.required("version")?;
        if !matches!(version, "v3" | "v4") {
            let message = format!("version {version} is not known; save it with LightGBM 4");
            return Err(fail(line, message));
        }
        for key in ["num_class", "num_tree_per_iteration"] {
            if let Some((line, value)) = section.optional(key)
                && value != "1"
            {
                let message =
                    format!("{key} is {value}: train one regression, not several classes");
                return Err(fail(line, message));
            }
        }
        let (line, names) = section.required("feature_names")?;
        let names: Vec<String> = names.split_ascii_whitespace().map(str::to_owned).collect();
        if names.is_empty() {
            return Err(fail(line, "feature_names is empty"));
        }
        if let Some((line, last)) = section.optional("max_feature_idx")
            && last.parse::<usize>().ok().and_then(|last| last.checked_add(1)) != Some(names.len())
        {
            let message = format!("max_feature_idx is {last}, but {} names are told", names.len());
            return Err(fail(line, message));
        }
        let average = section.optional("average_output").is_some();
        Ok(Self { names, average, link: link(section)? })
    }

    pub(super) fn into_model(self, trees: Vec<Vec<SourceNode>>) -> SourceModel {
        SourceModel {
            categories: vec![Categories::Codes; self.names.len()],
            unplaced: Vec::new(),
            names: self.names,
            base: 0.0,
            link: self.link,
            precision: Precision::Double,
            trees,
            notes: Vec::new(),
        }
    }
}

fn link(section: &Section<'_>) -> Result<Link, ImportError> {
    let Some((line, objective)) = section.optional("objective") else {
        let message = "there is no line objective=: train with a built-in objective, or, if the \
                       trees add up to the target itself, add the line objective=regression";
        return Err(fail(section.line, message));
    };
    let mut words = objective.split_ascii_whitespace();
    let name = words.next().unwrap_or_default();
    if words.any(|word| word == "sqrt") {
        return Err(fail(line, "reg_sqrt is not supported: train with reg_sqrt=false"));
    }
    if IDENTITY.contains(&name) {
        Ok(Link::Identity)
    } else if LOG.contains(&name) {
        Ok(Link::Log)
    } else {
        Err(fail(
            line,
            format!(
                "objective {name} is not supported; supported: {}, {}",
                IDENTITY.join(", "),
                LOG.join(", ")
            ),
        ))
    }
}

/// Reads the last line, the categories of pandas columns in their order, and puts them to the
/// columns that `feature_infos` shows as categories.
pub(super) fn place_categories(
    model: &mut SourceModel,
    head: &Section<'_>,
    line: usize,
    json: &str,
) -> Result<(), ImportError> {
    let lists: Option<Vec<Vec<Value>>> = serde_json::from_str(json)
        .map_err(|error| fail(line, format!("pandas_categorical: {error}")))?;
    let told: Vec<Categories> = lists
        .unwrap_or_default()
        .into_iter()
        .map(|list| categories(list).ok_or(()))
        .collect::<Result<_, ()>>()
        .map_err(|()| {
            let message = "pandas_categorical: a column has other categories than numbers or \
                           texts; train on the codes that `homestream features` writes";
            fail(line, message)
        })?;
    let infos = head.optional("feature_infos").map_or("", |(_, infos)| infos);
    let columns: Vec<usize> = infos
        .split_ascii_whitespace()
        .take(model.categories.len())
        .enumerate()
        .filter(|(_, info)| !info.starts_with('[') && *info != "none")
        .map(|(column, _)| column)
        .collect();
    if columns.len() == told.len() {
        columns.into_iter().zip(told).for_each(|(column, told)| model.categories[column] = told);
    } else {
        model.unplaced = told;
    }
    Ok(())
}

/// Categories of one column: all numbers or all texts.
fn categories(list: Vec<Value>) -> Option<Categories> {
    if let Some(numbers) = list.iter().map(Value::as_f64).collect::<Option<Vec<f64>>>() {
        return Some(Categories::Values(numbers));
    }
    let names = list.into_iter().map(|value| match value {
        Value::String(name) => Some(name),
        _ => None,
    });
    names.collect::<Option<Vec<String>>>().map(Categories::Names)
}
