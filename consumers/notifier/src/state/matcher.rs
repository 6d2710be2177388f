//! Matchers, in Alertmanager's notation: `severity="critical"`, `rule=~".*_drift"`.

use regex::Regex;
use thiserror::Error;

use super::{Labelling, Labels};

/// Why a text is no matcher.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InvalidMatcher {
    /// It has not the form of one.
    #[error("{text:?} is no matcher, expected NAME=\"VALUE\", or with !=, =~ or !~")]
    Form {
        /// The text.
        text: String,
    },
    /// Its value is no regular expression.
    #[error("{text:?} has no regular expression: {reason}")]
    Expression {
        /// The text.
        text: String,
        /// What is wrong.
        reason: String,
    },
}

/// A condition on one label.
#[derive(Clone, Debug)]
pub struct Matcher {
    name: String,
    condition: Condition,
    negated: bool,
    text: String,
}

#[derive(Clone, Debug)]
enum Condition {
    Equal(String),
    /// Anchored at both ends, as Alertmanager's are.
    Expression(Regex),
}

impl Matcher {
    /// Reads a matcher; quotes around the value may be left out.
    ///
    /// # Errors
    /// [`InvalidMatcher`], with what was expected.
    pub fn parse(text: &str) -> Result<Self, InvalidMatcher> {
        let form = || InvalidMatcher::Form { text: text.to_owned() };
        let at = text.find(['=', '!']).ok_or_else(form)?;
        let (name, rest) = text.split_at(at);
        let operators = [("=~", true, false), ("!~", true, true), ("!=", false, true)];
        let (value, expression, negated) = operators
            .into_iter()
            .chain([("=", false, false)])
            .find_map(|(operator, expression, negated)| {
                Some((rest.strip_prefix(operator)?, expression, negated))
            })
            .ok_or_else(form)?;
        let name = name.trim();
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(form());
        }
        let value = value.trim();
        let value = match value.strip_prefix('"') {
            Some(quoted) => quoted.strip_suffix('"').ok_or_else(form)?,
            None if value.contains('"') => return Err(form()),
            None => value,
        };
        let condition = if expression {
            let anchored = Regex::new(&format!("^(?:{value})$")).map_err(|error| {
                let reason = error.to_string().lines().last().unwrap_or_default().to_owned();
                InvalidMatcher::Expression { text: text.to_owned(), reason }
            })?;
            Condition::Expression(anchored)
        } else {
            Condition::Equal(value.to_owned())
        };
        let name = Labelling::canonical(name).to_owned();
        Ok(Self { name, condition, negated, text: text.trim().to_owned() })
    }

    /// The label that it looks at.
    pub fn label(&self) -> &str {
        &self.name
    }

    /// Whether an alert with these labels is meant. A label that is absent is empty.
    pub fn matches(&self, labels: &Labels) -> bool {
        let value = labels.get(&self.name).map_or("", String::as_str);
        let holds = match &self.condition {
            Condition::Equal(expected) => value == expected,
            Condition::Expression(expression) => expression.is_match(value),
        };
        holds != self.negated
    }
}

impl std::fmt::Display for Matcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// Whether all of them match.
pub(super) fn all_match(matchers: &[Matcher], labels: &Labels) -> bool {
    matchers.iter().all(|matcher| matcher.matches(labels))
}
