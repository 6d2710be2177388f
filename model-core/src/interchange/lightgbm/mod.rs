//! LightGBM's text model (`version=v3` and `v4`).
//!
//! Decisions as LightGBM makes them (`Tree::NumericalDecision`, `Tree::CategoricalDecision` in
//! its documentation of `decision_type`): bit 0 says categorical, bit 1 that the default is left,
//! bits 2 and 3 what is missing (0 nothing, 1 zero, 2 NaN). A leaf's value has its shrinkage, and
//! the first tree's the average, in it.

mod header;
mod tree;
mod write;
mod zero;

use std::collections::BTreeMap;
use std::str::FromStr;

pub use write::write;

use super::error::ImportError;
use super::source::SourceModel;
use header::Header;

/// `key=value` lines of one part of the file, with their numbers.
struct Section<'a> {
    /// Number of the line that opens it.
    line: usize,
    values: BTreeMap<&'a str, (usize, &'a str)>,
}

impl<'a> Section<'a> {
    fn new(line: usize) -> Self {
        Self { line, values: BTreeMap::new() }
    }

    fn add(&mut self, line: usize, text: &'a str) -> Result<(), ImportError> {
        let (key, value) = text.split_once('=').unwrap_or((text, ""));
        match self.values.insert(key, (line, value)) {
            Some((first, _)) => Err(fail(line, format!("{key} stands in line {first} already"))),
            None => Ok(()),
        }
    }

    fn optional(&self, key: &str) -> Option<(usize, &'a str)> {
        self.values.get(key).copied()
    }

    fn required(&self, key: &str) -> Result<(usize, &'a str), ImportError> {
        let missing = || fail(self.line, format!("no line {key}= follows; the file is not whole"));
        self.optional(key).ok_or_else(missing)
    }

    /// The numbers behind `key=`.
    fn list<T: FromStr>(&self, key: &str) -> Result<Vec<T>, ImportError> {
        let (line, text) = self.required(key)?;
        text.split_ascii_whitespace()
            .map(|word| {
                word.parse()
                    .map_err(|_| fail(line, format!("{key}: {word:?} is not a number for it")))
            })
            .collect()
    }

    /// As [`Self::list`], which must have `n` numbers.
    fn list_of<T: FromStr>(&self, key: &str, n: usize) -> Result<Vec<T>, ImportError> {
        let list = self.list(key)?;
        if list.len() != n {
            let (line, _) = self.required(key)?;
            return Err(fail(line, format!("{key} has {} values, expected {n}", list.len())));
        }
        Ok(list)
    }

    /// As [`Self::list_of`]; `None` where the line is missing or empty.
    fn optional_list<T: FromStr>(
        &self,
        key: &str,
        n: usize,
    ) -> Result<Option<Vec<T>>, ImportError> {
        match self.optional(key) {
            Some((_, text)) if !text.trim().is_empty() => self.list_of(key, n).map(Some),
            _ => Ok(None),
        }
    }
}

fn fail(line: usize, message: impl Into<String>) -> ImportError {
    ImportError::Line { line, message: message.into() }
}

/// Reads a text model.
///
/// # Errors
/// [`ImportError::Line`] with the line and what to do.
pub fn read(text: &str) -> Result<SourceModel, ImportError> {
    let mut lines = text.lines().enumerate().map(|(i, line)| (i + 1, line.trim()));
    if lines.next().is_none_or(|(_, first)| first != "tree") {
        return Err(fail(
            1,
            "not a LightGBM model, which begins with a line `tree`: save it by \
             booster.save_model(\"model.txt\")",
        ));
    }
    let mut head = Section::new(1);
    let mut trees: Vec<Section<'_>> = Vec::new();
    let mut ended = false;
    for (line, text) in lines.by_ref() {
        if text == "end of trees" {
            ended = true;
            break;
        }
        if text.starts_with("Tree=") {
            trees.push(Section::new(line));
        } else if !text.is_empty() {
            trees.last_mut().unwrap_or(&mut head).add(line, text)?;
        }
    }
    if !ended {
        let n = text.lines().count();
        return Err(fail(n, "the line `end of trees` is missing: the file is not whole"));
    }
    let pandas =
        lines.find_map(|(line, text)| Some((line, text.strip_prefix("pandas_categorical:")?)));
    let header = Header::read(&head)?;
    let share = if header.average { 1.0 / trees.len().max(1) as f64 } else { 1.0 };
    let mut budget = zero::Budget::new(trees.iter().map(tree::n_leaves).sum());
    let trees = trees
        .iter()
        .map(|section| tree::read(section, header.names.len(), share, &mut budget))
        .collect::<Result<_, _>>()?;
    let mut model = header.into_model(trees);
    if let Some((line, json)) = pandas {
        header::place_categories(&mut model, &head, line, json)?;
    }
    Ok(model)
}
