//! External facts: what a listing does not say, asked of sources before it is priced.
//!
//! The sources are asked for a whole batch at once and side by side; each has a bound on how
//! long a batch waits for it (see [`platform_facts`]). What a source has fills in what the
//! listing does not say and never replaces what it says; of several sources the first wins.

use std::sync::Arc;

use model_core::estimate::{ExternalFacts, ExternalStatus};
use model_core::listing::{Attribute, FactField, Listing};
use platform_facts::{FactCache, FactKey, FactRow, FactStatus, FactValue, Looked};

/// Which fact of a listing is a source's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FactsKey {
    /// `ListingKey`.
    ListingKey,
    /// `PostalCode`.
    PostalCode,
    /// An attribute: a text, or a number as it is written.
    Attribute(String),
}

/// What a source's values are taken as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FactKind {
    /// As the source types them.
    AsIs,
    /// Numbers; a text that is none counts as not known, true is 1 and false is 0.
    Number,
    /// Categories.
    Text,
}

/// One fact that is taken of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenFact {
    /// What it becomes.
    pub field: FactField,
    /// What it is taken as.
    pub kind: FactKind,
}

/// A source of facts, and what becomes of them.
#[derive(Clone)]
pub struct FactsSource {
    /// The source, behind its cache.
    pub cache: FactCache,
    /// What it is keyed by.
    pub key: FactsKey,
    /// What is taken of it, in the order of the columns that it was made with.
    pub facts: Vec<TakenFact>,
}

/// Fills listings in from every source that is configured.
#[derive(Clone, Default)]
pub struct Enricher {
    sources: Arc<[FactsSource]>,
}

impl Enricher {
    /// With these sources, asked side by side.
    pub fn new(sources: Vec<FactsSource>) -> Self {
        Self { sources: sources.into() }
    }

    /// Connects to every source, so that the first listings need not wait for that. Tells of
    /// those that do not answer; they are asked again when they are needed.
    pub(crate) fn warm_up(&self) {
        for source in self.sources.iter() {
            let cache = source.cache.clone();
            tokio::spawn(async move {
                if let Err(error) = cache.warm_up().await {
                    let source = cache.name();
                    tracing::warn!(source, %error, "source of facts does not answer yet");
                }
            });
        }
    }

    /// Fills in the listings of a batch; what each source had for each listing, in their
    /// order. Nothing at all where no source is configured.
    pub(crate) async fn enrich<'a>(
        &self,
        listings: impl Iterator<Item = &'a mut Listing>,
    ) -> Vec<Vec<ExternalFacts>> {
        if self.sources.is_empty() {
            return Vec::new();
        }
        let mut listings: Vec<&mut Listing> = listings.collect();
        // Every source is asked before any is waited for, and by what the listing itself says.
        let lookups: Vec<_> = self
            .sources
            .iter()
            .map(|source| source.cache.begin(listings.iter().map(|l| source.key.of(l))))
            .collect();
        let mut told: Vec<_> =
            listings.iter().map(|_| Vec::with_capacity(self.sources.len())).collect();
        for (source, lookup) in self.sources.iter().zip(lookups) {
            let answers = lookup.finish().await;
            for ((listing, told), looked) in listings.iter_mut().zip(&mut told).zip(answers) {
                if let Some(row) = &looked.row {
                    source.fill(listing, row);
                }
                told.push(told_of(source.cache.name(), &looked));
            }
        }
        told
    }
}

impl FactsKey {
    /// The key, if the listing has it.
    fn of(&self, listing: &Listing) -> Option<FactKey> {
        let key = match self {
            Self::ListingKey => Some(FactKey::from(listing.key.as_str())),
            Self::PostalCode => listing.facts.postal_code.as_deref().map(FactKey::from),
            Self::Attribute(name) => match listing.facts.attributes.get(name)? {
                Attribute::Text(text) => Some(FactKey::from(text.as_str())),
                Attribute::Number(number) => Some(FactKey::from(number.to_string())),
            },
        };
        key.filter(|key| !key.is_empty())
    }
}

impl FactsSource {
    fn fill(&self, listing: &mut Listing, row: &FactRow) {
        for (fact, value) in self.facts.iter().zip(row.iter()) {
            let Some(value) = value.as_ref().and_then(|value| fact.kind.take(value)) else {
                continue;
            };
            if let Err(error) = listing.facts.fill(&fact.field, &value) {
                let (source, key) = (self.cache.name(), &listing.key);
                tracing::debug!(source, key, %error, "fact of a source is not used");
            }
        }
    }
}

impl FactKind {
    fn take(self, value: &FactValue) -> Option<Attribute> {
        match (self, value) {
            (Self::AsIs | Self::Number, FactValue::Number(number)) => {
                Some(Attribute::Number(*number))
            }
            (Self::AsIs | Self::Text, FactValue::Text(text)) => Some(Attribute::Text(text.clone())),
            (Self::Text, FactValue::Number(number)) => Some(Attribute::Text(number.to_string())),
            (Self::Number, FactValue::Text(text)) => match text.as_str() {
                "true" => Some(Attribute::Number(1.0)),
                "false" => Some(Attribute::Number(0.0)),
                text => text.parse().ok().filter(|n: &f64| n.is_finite()).map(Attribute::Number),
            },
        }
    }
}

fn told_of(source: &str, looked: &Looked) -> ExternalFacts {
    ExternalFacts {
        source: source.to_owned(),
        status: match looked.status {
            FactStatus::Fresh => ExternalStatus::Fresh,
            FactStatus::Stale => ExternalStatus::Stale,
            FactStatus::Missing => ExternalStatus::Missing,
            FactStatus::Unavailable => ExternalStatus::Unavailable,
        },
        age_seconds: looked.age.map(|age| i64::try_from(age.as_secs()).unwrap_or(i64::MAX)),
    }
}

#[cfg(test)]
#[path = "enrichment_tests.rs"]
mod tests;
