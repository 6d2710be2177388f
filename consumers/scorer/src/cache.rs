//! The enrichment cache: what the market said about a home, kept while it holds.
//!
//! Listings are sent again and again (new photos, new agent, new asking price): the market's
//! view of the same facts on the same date is looked up once. An entry made before a late
//! sale or a model swap is not served: it carries the engine's generation.

use std::hash::{BuildHasher, Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;
use model_core::date::EventDate;
use model_core::engine::PricingEngine;
use model_core::listing::{Attribute, Listing};
use model_core::market::MarketView;
use moka::sync::Cache;

/// Entries live this long at most, so that homes no longer listed make room.
const TIME_TO_LIVE: Duration = Duration::from_secs(24 * 3_600);

/// What the market said about one listing's home.
struct Entry {
    /// The listing's: the key of an entry is a hash, which another listing may share.
    listing_key: Box<str>,
    listed_on: EventDate,
    generation: u64,
    view: MarketView,
}

/// A market view that the cache may hold too.
#[derive(Clone)]
pub(crate) struct CachedView(Arc<Entry>);

impl Deref for CachedView {
    type Target = MarketView;

    fn deref(&self) -> &MarketView {
        &self.0.view
    }
}

/// Market views by listing, date and facts; bounded in bytes.
pub(crate) struct EnrichmentCache {
    /// By fingerprint: entries are looked at, moved and evicted by the cache without a look at
    /// their keys' texts.
    views: Cache<u64, CachedView, RandomState>,
    /// Hashes listings; seeded anew in every process.
    hashes: RandomState,
}

impl EnrichmentCache {
    /// A cache of at most about `max_bytes`.
    pub(crate) fn new(max_bytes: u64) -> Self {
        let entry_bytes = |_: &u64, CachedView(entry): &CachedView| {
            let bytes = entry.view.bytes() + entry.listing_key.len() + 128;
            u32::try_from(bytes).unwrap_or(u32::MAX)
        };
        let views = Cache::builder()
            .max_capacity(max_bytes)
            .weigher(entry_bytes)
            .time_to_live(TIME_TO_LIVE)
            .build_with_hasher(RandomState::default());
        Self { views, hashes: RandomState::default() }
    }

    /// The view of a listing, from the cache when it still holds; and whether it did.
    pub(crate) fn view(
        &self,
        engine: &mut PricingEngine,
        listing: &Listing,
    ) -> (CachedView, Lookup) {
        let key = fingerprint(&self.hashes, listing);
        let generation = engine.generation();
        if let Some(CachedView(entry)) = self.views.get(&key)
            && entry.generation == generation
            && entry.listed_on == listing.listed_on
            && *entry.listing_key == *listing.key
        {
            return (CachedView(entry), Lookup::Hit);
        }
        let view = CachedView(Arc::new(Entry {
            listing_key: listing.key.as_str().into(),
            listed_on: listing.listed_on,
            generation,
            view: engine.view(&listing.facts, listing.listed_on),
        }));
        self.views.insert(key, view.clone());
        (view, Lookup::Miss)
    }
}

/// Whether the cache had the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lookup {
    Hit,
    Miss,
}

impl Lookup {
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
        }
    }
}

/// A hash over a listing's key, its date and every fact; what is equal has equal hashes within
/// a process.
fn fingerprint(hashes: &RandomState, listing: &Listing) -> u64 {
    let facts = &listing.facts;
    let mut hash = hashes.build_hasher();
    listing.key.hash(&mut hash);
    listing.listed_on.0.hash(&mut hash);
    let numbers = [
        facts.living_area,
        facts.lot_size,
        facts.bedrooms_total.map(f64::from),
        facts.bathrooms_full.map(f64::from),
        facts.bathrooms_half.map(f64::from),
        facts.year_built.map(f64::from),
        facts.stories,
        facts.latitude,
        facts.longitude,
    ];
    numbers.map(|number| number.map(f64::to_bits)).hash(&mut hash);
    facts.property_type.hash(&mut hash);
    facts.postal_code.hash(&mut hash);
    for (name, value) in &facts.attributes {
        name.hash(&mut hash);
        match value {
            Attribute::Number(number) => number.to_bits().hash(&mut hash),
            Attribute::Text(text) => text.hash(&mut hash),
        }
    }
    hash.finish()
}

#[cfg(test)]
mod tests {
    use model_core::listing::{Facts, Sale};
    use model_core::market::MarketParams;

    use super::*;

    fn facts() -> Facts {
        Facts {
            living_area: Some(1_000.0),
            latitude: Some(41.6),
            longitude: Some(-83.6),
            ..Facts::default()
        }
    }

    fn listing() -> Listing {
        Listing {
            key: "1".into(),
            listed_on: EventDate(100),
            list_price: None,
            currency: "USD".into(),
            facts: facts(),
        }
    }

    fn sale(day: i32) -> Sale {
        Sale {
            key: format!("sale-{day}"),
            closed_on: EventDate(day),
            price: 1e5,
            currency: "USD".into(),
            facts: facts(),
        }
    }

    #[test]
    fn a_view_is_served_again_until_a_late_sale_arrives() {
        let cache = EnrichmentCache::new(1 << 20);
        let mut engine = PricingEngine::new(MarketParams::default());
        engine.record_sale(sale(90));
        assert_eq!(cache.view(&mut engine, &listing()).1, Lookup::Miss);
        let (view, lookup) = cache.view(&mut engine, &listing());
        assert_eq!((view.nearby.len(), lookup), (1, Lookup::Hit));
        engine.record_sale(sale(100));
        assert_eq!(cache.view(&mut engine, &listing()).1, Lookup::Hit, "not before the date");
        engine.record_sale(sale(95));
        let (view, lookup) = cache.view(&mut engine, &listing());
        assert_eq!((view.nearby.len(), lookup), (2, Lookup::Miss));
    }

    #[test]
    fn other_facts_are_another_entry() {
        let mut other = listing();
        other.facts.attributes.insert("wall".into(), Attribute::Text("wood".into()));
        let hashes = RandomState::default();
        assert_ne!(fingerprint(&hashes, &listing()), fingerprint(&hashes, &other));
        assert_eq!(fingerprint(&hashes, &listing()), fingerprint(&hashes, &listing()));
    }
}
