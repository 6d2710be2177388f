//! XGBoost's JSON model (`Booster.save_model("model.json")`, 2.x and 3.x).
//!
//! Decisions as XGBoost makes them: a number is rounded to 32 bits, then `x < condition` goes
//! left; a category in the split's set goes right, any other code left; missing values go the
//! default way. Leaves are added as XGBoost adds them, in 32 bits, from the base on in the order
//! of the trees: predictions of margins are equal to the last bit.

mod categories;
mod layout;
mod threshold;
mod tree;

use super::error::ImportError;
use super::source::SourceModel;
use crate::learn::{Link, Precision};
use layout::{Booster, Document, Learner, Scores};

/// Objectives whose margin is the target.
const IDENTITY: [&str; 6] = [
    "reg:squarederror",
    "reg:linear",
    "reg:squaredlogerror",
    "reg:absoluteerror",
    "reg:pseudohubererror",
    "reg:quantileerror",
];
/// Objectives whose margin is its log.
const LOG: [&str; 3] = ["reg:gamma", "count:poisson", "reg:tweedie"];

fn fail(path: impl Into<String>, message: impl Into<String>) -> ImportError {
    ImportError::Field { path: path.into(), message: message.into() }
}

/// Reads a JSON model.
///
/// # Errors
/// [`ImportError::Field`] with the field and what to do.
pub fn read(bytes: &[u8]) -> Result<SourceModel, ImportError> {
    let text = bytes.trim_ascii_start();
    let json = text.first() == Some(&b'{')
        && text[1..].trim_ascii_start().first().is_none_or(|byte| matches!(byte, b'"' | b'}'));
    if !json {
        return Err(fail(
            "the file",
            "not an XGBoost JSON model (UBJSON and the old binary format are not read): save it \
             by booster.save_model(\"model.json\"), with .json at the end",
        ));
    }
    let document: Document =
        serde_json::from_slice(text).map_err(|error| fail("the file", error.to_string()))?;
    let learner = document.learner;
    let link = link(&learner)?;
    let base = base(&learner.learner_model_param.base_score, link)?;
    let n_columns = count(&learner.learner_model_param.num_feature, "num_feature")?;
    for (name, value) in [
        ("num_class", &learner.learner_model_param.num_class),
        ("num_target", &learner.learner_model_param.num_target),
    ] {
        if value.as_ref().is_some_and(|value| !matches!(value.as_str(), "0" | "1")) {
            return Err(fail(
                format!("learner.learner_model_param.{name}"),
                "several outputs are not supported: train one regression",
            ));
        }
    }
    let names = learner.feature_names.unwrap_or_default();
    if !names.is_empty() && names.len() != n_columns {
        let message = format!("{} names for {n_columns} columns", names.len());
        return Err(fail("learner.feature_names", message));
    }
    let (weights, inner) = booster(learner.gradient_booster)?;
    // the columns exist as far as trees or names speak of them, whatever is declared
    let used = inner.trees.iter().flat_map(|tree| tree.split_indices.iter().copied()).max();
    let n_columns = n_columns.min(used.map_or(0, |last| last.saturating_add(1))).max(names.len());
    let mut trees = Vec::with_capacity(inner.trees.len());
    for (index, tree) in inner.trees.iter().enumerate() {
        let weight = match &weights {
            None => 1.0,
            Some(weights) => *weights.get(index).ok_or_else(|| {
                fail("learner.gradient_booster.weight_drop", "has fewer weights than trees")
            })?,
        };
        trees.push(tree::read(tree, index, weight)?);
    }
    let mut notes = Vec::new();
    let categories = categories::read(inner.cats, n_columns.max(1), &mut notes)?;
    if let Some(best) = learner.attributes.get("best_iteration") {
        notes.push(format!(
            "the file holds every round, best_iteration is {best}: to serve only the best, save \
             booster[: {best} + 1]"
        ));
    }
    Ok(SourceModel {
        names,
        categories,
        unplaced: Vec::new(),
        base,
        link,
        precision: Precision::Single,
        trees,
        notes,
    })
}

fn link(learner: &Learner) -> Result<Link, ImportError> {
    let name = learner.objective.name.as_str();
    if IDENTITY.contains(&name) {
        Ok(Link::Identity)
    } else if LOG.contains(&name) {
        Ok(Link::Log)
    } else {
        let message = format!(
            "{name} is not supported; supported: {}, {}",
            IDENTITY.join(", "),
            LOG.join(", ")
        );
        Err(fail("learner.objective.name", message))
    }
}

fn count(text: &str, name: &str) -> Result<usize, ImportError> {
    text.parse().map_err(|_| {
        fail(format!("learner.learner_model_param.{name}"), format!("{text:?} is not a count"))
    })
}

/// The margin that trees are added to: `base_score` stands in the file as the prediction that it
/// makes.
fn base(score: &Scores, link: Link) -> Result<f64, ImportError> {
    let path = "learner.learner_model_param.base_score";
    let score = match score {
        Scores::Number(number) => Ok(*number),
        Scores::Numbers(numbers) => one(numbers.as_slice()),
        Scores::Text(text) => {
            let inner = text.trim().trim_start_matches('[').trim_end_matches(']');
            let numbers: Result<Vec<f64>, _> =
                inner.split(',').map(|number| number.trim().parse::<f64>()).collect();
            match numbers {
                Ok(numbers) => one(&numbers),
                Err(_) => Err(format!("{text:?} is not a number")),
            }
        }
    }
    .map_err(|message| fail(path, message))?;
    let score = f64::from(score as f32);
    let margin = match link {
        Link::Identity => score,
        Link::Log => score.ln(),
    };
    if margin.is_finite() {
        Ok(f64::from(margin as f32))
    } else {
        Err(fail(path, format!("{score} cannot be the average of this objective")))
    }
}

fn one(numbers: &[f64]) -> Result<f64, String> {
    match numbers {
        [number] => Ok(*number),
        _ => Err(format!("has {} numbers: train one regression", numbers.len())),
    }
}

/// The weights of dart's trees, and the trees.
fn booster(booster: Booster) -> Result<(Option<Vec<f64>>, layout::Trees), ImportError> {
    let path = "learner.gradient_booster";
    let missing = |part: &str| fail(path, format!("has no {part}: the file is not whole"));
    match booster.name.as_str() {
        "gbtree" => Ok((None, booster.model.ok_or_else(|| missing("model"))?)),
        "dart" => {
            let inner = booster.gbtree.ok_or_else(|| missing("gbtree"))?.model;
            Ok((Some(booster.weight_drop.ok_or_else(|| missing("weight_drop"))?), inner))
        }
        other => Err(fail(
            format!("{path}.name"),
            format!("{other} is not supported: train with booster=gbtree or dart"),
        )),
    }
}
