//! The enrichment cache: what the market said about a home, kept while it holds.
//!
//! Listings are sent again and again (new photos, new agent, new asking price): the market's
//! view of the same facts on the same date is looked up once. An entry made before a late
//! sale or a model swap is not served: it carries the engine's generation.

use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;
use model_core::engine::PricingEngine;
use model_core::listing::{Attribute, Facts, Listing};
use model_core::market::MarketView;
use moka::sync::Cache;

/// Entries live this long at most, so that homes no longer listed make room.
const TIME_TO_LIVE: Duration = Duration::from_secs(24 * 3_600);

#[derive(PartialEq, Eq, Hash)]
struct CacheKey {
    listing_key: String,
    listed_on: i32,
    facts: u64,
}

struct Entry {
    generation: u64,
    view: Arc<MarketView>,
}

/// Market views by listing, date and facts; bounded in bytes.
pub(crate) struct EnrichmentCache {
    views: Cache<CacheKey, Arc<Entry>, RandomState>,
    /// Hashes facts; seeded anew in every process.
    hashes: RandomState,
}

impl EnrichmentCache {
    /// A cache of at most about `max_bytes`.
    pub(crate) fn new(max_bytes: u64) -> Self {
        let entry_bytes = |key: &CacheKey, entry: &Arc<Entry>| {
            let bytes = entry.view.bytes() + key.listing_key.len() + 128;
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
    ) -> (Arc<MarketView>, Lookup) {
        let key = CacheKey {
            listing_key: listing.key.clone(),
            listed_on: listing.listed_on.0,
            facts: fingerprint(&self.hashes, &listing.facts),
        };
        let generation = engine.generation();
        if let Some(entry) = self.views.get(&key)
            && entry.generation == generation
        {
            return (entry.view.clone(), Lookup::Hit);
        }
        let view = Arc::new(engine.view(&listing.facts, listing.listed_on));
        self.views.insert(key, Arc::new(Entry { generation, view: view.clone() }));
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

/// A hash over every fact; equal facts have equal hashes within a process.
fn fingerprint(hashes: &RandomState, facts: &Facts) -> u64 {
    let mut hash = hashes.build_hasher();
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
    use model_core::date::EventDate;
    use model_core::listing::Sale;
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
        let mut other = facts();
        other.attributes.insert("wall".into(), Attribute::Text("wood".into()));
        let hashes = RandomState::default();
        assert_ne!(fingerprint(&hashes, &facts()), fingerprint(&hashes, &other));
        assert_eq!(fingerprint(&hashes, &facts()), fingerprint(&hashes, &facts()));
    }
}
