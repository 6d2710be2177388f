//! The parts of the JSON document that a prediction needs.

use std::collections::BTreeMap;

use serde::Deserialize;

#[derive(Deserialize)]
pub(super) struct Document {
    pub(super) learner: Learner,
}

#[derive(Deserialize)]
pub(super) struct Learner {
    #[serde(default)]
    pub(super) attributes: BTreeMap<String, String>,
    pub(super) feature_names: Option<Vec<String>>,
    pub(super) gradient_booster: Booster,
    pub(super) learner_model_param: Params,
    pub(super) objective: Objective,
}

#[derive(Deserialize)]
pub(super) struct Params {
    pub(super) base_score: Scores,
    pub(super) num_feature: String,
    pub(super) num_class: Option<String>,
    pub(super) num_target: Option<String>,
}

/// `base_score` as the versions write it: `5E-1`, `"5E-1"`, `"[5E-1]"` or `[5E-1]`.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Scores {
    Number(f64),
    Numbers(Vec<f64>),
    Text(String),
}

#[derive(Deserialize)]
pub(super) struct Objective {
    pub(super) name: String,
}

#[derive(Deserialize)]
pub(super) struct Booster {
    pub(super) name: String,
    /// Of `gbtree`.
    pub(super) model: Option<Trees>,
    /// Of `dart`, with `weight_drop`.
    pub(super) gbtree: Option<Inner>,
    pub(super) weight_drop: Option<Vec<f64>>,
}

#[derive(Deserialize)]
pub(super) struct Inner {
    pub(super) model: Trees,
}

#[derive(Deserialize)]
pub(super) struct Trees {
    pub(super) trees: Vec<Tree>,
    /// What category codes stand for; since 3.1.
    pub(super) cats: Option<Cats>,
}

#[derive(Default, Deserialize)]
pub(super) struct Cats {
    #[serde(default)]
    pub(super) enc: Vec<Encoding>,
}

/// Categories of a column: numbers, or UTF-8 bytes cut at `offsets`.
#[derive(Deserialize)]
pub(super) struct Encoding {
    pub(super) offsets: Option<Vec<usize>>,
    #[serde(default)]
    pub(super) values: Vec<f64>,
}

/// Arrays by node.
#[derive(Deserialize)]
pub(super) struct Tree {
    pub(super) left_children: Vec<i64>,
    pub(super) right_children: Vec<i64>,
    pub(super) split_indices: Vec<usize>,
    /// Of a leaf: its value.
    pub(super) split_conditions: Vec<f64>,
    pub(super) default_left: Vec<Flag>,
    #[serde(default)]
    pub(super) split_type: Vec<u8>,
    #[serde(default)]
    pub(super) loss_changes: Vec<f64>,
    #[serde(default)]
    pub(super) sum_hessian: Vec<f64>,
    #[serde(default)]
    pub(super) categories: Vec<u32>,
    #[serde(default)]
    pub(super) categories_nodes: Vec<usize>,
    #[serde(default)]
    pub(super) categories_segments: Vec<usize>,
    #[serde(default)]
    pub(super) categories_sizes: Vec<usize>,
}

/// A truth value; older versions write `true`, newer ones `1`.
#[derive(Clone, Copy, Deserialize)]
#[serde(untagged)]
pub(super) enum Flag {
    Bool(bool),
    Number(u8),
}

impl Flag {
    pub(super) fn is_set(self) -> bool {
        match self {
            Self::Bool(value) => value,
            Self::Number(value) => value != 0,
        }
    }
}
