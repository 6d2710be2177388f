//! A model as another program stored it, its columns and categories not yet mapped.

use super::error::ImportError;
use super::names;
use crate::features::FeatureSpec;
use crate::learn::{
    BuildNode, FittedModel, FlatTrees, InvalidModel, Link, Precision, PriceScale, Rule, Target,
    TreeBuilder,
};

/// Codes that a set covers at least, where codes beyond go another way than missing ones.
const MIN_COVERED: u32 = 512;
/// Largest category code that is accepted.
pub(super) const MAX_CODE: u32 = 1 << 16;
/// Most words of all category sets of a model: 32 MiB.
const MAX_WORDS: usize = 1 << 22;

/// Which rows go left, in the model's own columns and codes.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum SourceRule {
    /// Values `<= at`; missing ones as told.
    Threshold { at: f64, default_left: bool },
    /// Codes in `members` (increasing) go to one side, all other codes to the other.
    Categories { members: Vec<u32>, members_left: bool, default_left: bool },
}

/// A node; children are indices in the same tree.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum SourceNode {
    Leaf { value: f64, cover: f64 },
    Split { feature: usize, rule: SourceRule, left: usize, right: usize, gain: f64 },
}

/// What a column's category codes stand for.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Categories {
    /// The codes are the values of the column.
    Codes,
    /// Code `i` stands for the `i`-th of these values of the column.
    Values(Vec<f64>),
    /// Code `i` stands for the `i`-th of these levels.
    Names(Vec<String>),
}

/// A model as another program stored it. Binding it to a spec makes it a predictor.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceModel {
    pub(super) names: Vec<String>,
    /// Shape `(n_columns,)`.
    pub(super) categories: Vec<Categories>,
    /// Of the columns of categories in their order, where the file does not say which these are.
    pub(super) unplaced: Vec<Categories>,
    pub(super) base: f64,
    pub(super) link: Link,
    /// What the program adds leaves in.
    pub(super) precision: Precision,
    pub(super) trees: Vec<Vec<SourceNode>>,
    pub(super) notes: Vec<String>,
}

impl SourceModel {
    /// Names of the columns, in the model's order; empty if the file has none.
    pub fn feature_names(&self) -> &[String] {
        &self.names
    }

    /// What the sum of the leaves is.
    pub fn link(&self) -> Link {
        self.link
    }

    /// What a person should know of the file, in words.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The trees over the model's own columns and codes: rows in the file's order, raw scores.
    ///
    /// # Errors
    /// [`ImportError`] where the trees are not sound.
    pub fn trees(&self) -> Result<FlatTrees, ImportError> {
        let mut columns: Vec<Column> = (0..self.categories.len())
            .map(|index| Column { index, levels: 0, codes: None })
            .collect();
        for node in self.trees.iter().flatten() {
            if let SourceNode::Split {
                feature, rule: SourceRule::Categories { members, .. }, ..
            } = node
                && let (Some(last), Some(column)) = (members.last(), columns.get_mut(*feature))
            {
                column.levels = column.levels.max(last + 1);
            }
        }
        self.build(&columns, columns.len())
    }

    /// The predictor of the natural log of the price over the spec's columns.
    ///
    /// Columns are mapped by name, categories by value or by the name of their level; levels
    /// that the model does not know are priced like missing ones.
    ///
    /// # Errors
    /// [`ImportError::Columns`] where a name or a kind is not the spec's; otherwise what is wrong
    /// with the trees.
    pub fn bind(&self, spec: &FeatureSpec, target: Target) -> Result<FittedModel, ImportError> {
        let column_of = names::columns(&self.names, spec)?;
        let categories = self.placed(&column_of, spec)?;
        let columns: Vec<Column> = column_of
            .iter()
            .zip(&categories)
            .map(|(&index, categories)| Column::map(index, categories, spec))
            .collect::<Result<_, _>>()?;
        for node in self.trees.iter().flatten() {
            if let SourceNode::Split { feature, rule: SourceRule::Categories { .. }, .. } = node
                && columns.get(*feature).is_some_and(|column| column.levels == 0)
            {
                let name = self.names.get(*feature).map_or("?", String::as_str);
                return Err(ImportError::Columns(format!(
                    "the model splits {name} by category, the spec has it as a number; train \
                     with it as a number"
                )));
            }
        }
        let trees = self.build(&columns, spec.len())?;
        Ok(PriceScale::of(self.link, target).wrap(trees))
    }

    /// What the codes of each column stand for, those told without a column put where the spec
    /// has categories.
    fn placed(
        &self,
        column_of: &[usize],
        spec: &FeatureSpec,
    ) -> Result<Vec<Categories>, ImportError> {
        let mut categories = self.categories.clone();
        if self.unplaced.is_empty() {
            return Ok(categories);
        }
        let of_categories: Vec<usize> = (0..column_of.len())
            .filter(|&i| spec.features.get(column_of[i]).is_some_and(|f| !f.levels.is_empty()))
            .collect();
        if of_categories.len() != self.unplaced.len() {
            return Err(ImportError::Columns(format!(
                "pandas_categorical tells the categories of {} columns, the spec has {}; make the \
                 spec's columns of categories, and no others, pandas categories before training",
                self.unplaced.len(),
                of_categories.len(),
            )));
        }
        for (column, told) in of_categories.into_iter().zip(&self.unplaced) {
            categories[column] = told.clone();
        }
        Ok(categories)
    }

    fn build(&self, columns: &[Column], n_features: usize) -> Result<FlatTrees, ImportError> {
        let mut builder = TreeBuilder::new(n_features, self.base).adding_in(self.precision);
        let mut words = 0;
        for tree in &self.trees {
            let mut nodes = Vec::with_capacity(tree.len());
            for (at, node) in tree.iter().enumerate() {
                nodes.push(match node {
                    SourceNode::Leaf { value, cover } => {
                        BuildNode::Leaf { value: *value, cover: *cover }
                    }
                    SourceNode::Split { feature, rule, left, right, gain } => {
                        let n_features = columns.len();
                        let Some(column) = columns.get(*feature) else {
                            let (node, feature) = (at, *feature);
                            return Err(InvalidModel::Feature { node, feature, n_features }.into());
                        };
                        let rule = column.rule(rule);
                        if let Rule::Categories { left, .. } = &rule {
                            words += left.len();
                        }
                        if words > MAX_WORDS {
                            let (what, found, expected) = ("category sets", words, MAX_WORDS);
                            return Err(InvalidModel::Length { what, found, expected }.into());
                        }
                        let (left, right, gain) = (*left, *right, *gain);
                        BuildNode::Split { feature: column.index, rule, left, right, gain }
                    }
                });
            }
            builder.push_tree(&nodes)?;
        }
        Ok(builder.finish()?)
    }
}

/// Where a column of the model stands in a row, and what its codes are there.
struct Column {
    index: usize,
    /// Codes that the row has; 0 for a number.
    levels: u32,
    /// The model's code of each of the row's; `None`: the same.
    codes: Option<Vec<Option<u32>>>,
}

impl Column {
    fn map(index: usize, categories: &Categories, spec: &FeatureSpec) -> Result<Self, ImportError> {
        let Some(feature) = spec.features.get(index) else {
            return Err(ImportError::Columns(format!("the spec has no column {index}")));
        };
        let levels = feature.levels.len() as u32;
        let position = |found: Option<usize>| found.map(|code| code as u32);
        let codes: Option<Vec<Option<u32>>> = match categories {
            Categories::Codes => None,
            Categories::Values(values) => Some(
                (0..levels)
                    .map(|code| position(values.iter().position(|v| *v == f64::from(code))))
                    .collect(),
            ),
            Categories::Names(names) => Some(
                feature
                    .levels
                    .iter()
                    .map(|level| position(names.iter().position(|name| name == level)))
                    .collect(),
            ),
        };
        if levels > 0 && codes.as_ref().is_some_and(|codes| codes.iter().all(Option::is_none)) {
            return Err(ImportError::Columns(format!(
                "no category of {} is one of the spec's levels or their codes; train on the codes \
                 that `homestream features` writes",
                feature.name
            )));
        }
        Ok(Self { index, levels, codes })
    }

    /// The rule in the row's codes.
    fn rule(&self, rule: &SourceRule) -> Rule {
        match rule {
            SourceRule::Threshold { at, default_left } => {
                Rule::Threshold { at: *at, default_left: *default_left }
            }
            SourceRule::Categories { members, members_left, default_left } => {
                let default_left = *default_left;
                let goes_left = |code: u32| {
                    let own = match &self.codes {
                        None => Some(code),
                        Some(codes) => codes.get(code as usize).copied().flatten(),
                    };
                    own.map_or(default_left, |own| {
                        members.binary_search(&own).is_ok() == *members_left
                    })
                };
                // Codes that are not members go one way; where that is not the way of missing
                // values the words go on for as long as codes may come.
                let mut covered = self.levels;
                if self.codes.is_none() {
                    covered = covered.max(members.last().map_or(0, |last| last + 1));
                }
                if *members_left == default_left && self.codes.is_none() {
                    covered = covered.saturating_add(64).max(MIN_COVERED);
                }
                let mut words: Vec<u64> = (0..covered.div_ceil(64))
                    .map(|word| {
                        (0..64).fold(0, |bits, bit| {
                            bits | u64::from(goes_left(word * 64 + bit)) << bit
                        })
                    })
                    .collect();
                let rest = if default_left { u64::MAX } else { 0 };
                while words.last() == Some(&rest) {
                    words.pop();
                }
                Rule::Categories { left: words, default_left }
            }
        }
    }
}
