//! The plan of a replay: which sales are history, and in which order the rest happens.
//!
//! Data sets of sales seldom say when a home was listed. The plan gives every sale a listing
//! 14 to 60 days earlier, the same in every run: `14 + hash(key) mod 47` days, the hash being
//! FNV-1a (64 bits, over the UTF-8 bytes) followed by the finalizer of SplitMix64. Homes
//! already on the market when the replay begins are listed on its first day.

use std::collections::HashSet;

use model_core::date::EventDate;
use model_core::listing::{Listing, Sale};
use thiserror::Error;

use crate::garbage::mix;

/// Share of the sales that are history unless said otherwise.
pub const DEFAULT_HISTORY_FRACTION: f64 = 0.3;
/// Fewest days between a listing and its sale, unless the replay begins in between.
pub const MIN_DAYS_ON_MARKET: i32 = 14;
/// Most days between a listing and its sale.
pub const MAX_DAYS_ON_MARKET: i32 = 60;

/// One event of the replayed market.
#[derive(Clone, Debug, PartialEq)]
pub enum ReplayEvent {
    /// A home comes on the market.
    Listing(Listing),
    /// A home is sold.
    Sale(Sale),
}

impl ReplayEvent {
    /// The day of the event.
    pub fn date(&self) -> EventDate {
        match self {
            Self::Listing(listing) => listing.listed_on,
            Self::Sale(sale) => sale.closed_on,
        }
    }

    /// `ListingKey`.
    pub fn key(&self) -> &str {
        match self {
            Self::Listing(listing) => &listing.key,
            Self::Sale(sale) => &sale.key,
        }
    }

    /// Listings come before sales on the same day: no home is sold before it is listed.
    fn rank(&self) -> u8 {
        match self {
            Self::Listing(_) => 0,
            Self::Sale(_) => 1,
        }
    }
}

/// What is known at the start, and what then happens.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReplayPlan {
    /// Sales before the first live day, by date, then key.
    pub history: Vec<Sale>,
    /// Listings and sales from the first live day on, by date, listings first, then key.
    pub live: Vec<ReplayEvent>,
}

impl ReplayPlan {
    /// The day on which the replay begins; `None` when everything is history.
    pub fn first_live_day(&self) -> Option<EventDate> {
        self.live.first().map(ReplayEvent::date)
    }

    /// The live listings, in order.
    pub fn listings(&self) -> impl Iterator<Item = &Listing> {
        self.live.iter().filter_map(|event| match event {
            ReplayEvent::Listing(listing) => Some(listing),
            ReplayEvent::Sale(_) => None,
        })
    }
}

/// Sales or settings that no replay can be made of.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum ReplayError {
    /// The history fraction is not a share.
    #[error("history_fraction is {0}, expected 0 to 1")]
    HistoryFraction(f64),
    /// Two sales have the same key.
    #[error("two sales have the key `{0}`; a key names one sale")]
    DuplicateKey(String),
}

/// Plans the replay of `sales`, in whatever order they come.
///
/// The first live day is the date of the sale at index `floor(history_fraction * n)`, the sales
/// in order of date, then key. Sales before that day are history; so a day is never split.
///
/// # Errors
/// `history_fraction` is not within 0 to 1, or two sales have the same key.
pub fn plan_replay(mut sales: Vec<Sale>, history_fraction: f64) -> Result<ReplayPlan, ReplayError> {
    if !(0.0..=1.0).contains(&history_fraction) {
        return Err(ReplayError::HistoryFraction(history_fraction));
    }
    let mut keys = HashSet::with_capacity(sales.len());
    if let Some(sale) = sales.iter().find(|sale| !keys.insert(sale.key.as_str())) {
        return Err(ReplayError::DuplicateKey(sale.key.clone()));
    }
    sales.sort_by(|a, b| (a.closed_on, &a.key).cmp(&(b.closed_on, &b.key)));
    let index = (history_fraction * sales.len() as f64).floor() as usize;
    let Some(first_live_day) = sales.get(index).map(|sale| sale.closed_on) else {
        return Ok(ReplayPlan { history: sales, live: Vec::new() });
    };
    let live_sales = sales.split_off(sales.partition_point(|sale| sale.closed_on < first_live_day));
    let mut live = Vec::with_capacity(live_sales.len() * 2);
    for sale in live_sales {
        live.push(ReplayEvent::Listing(listing_of(&sale, first_live_day)));
        live.push(ReplayEvent::Sale(sale));
    }
    live.sort_by(|a, b| (a.date(), a.rank(), a.key()).cmp(&(b.date(), b.rank(), b.key())));
    Ok(ReplayPlan { history: sales, live })
}

/// The listing that a sale closes.
fn listing_of(sale: &Sale, first_live_day: EventDate) -> Listing {
    Listing {
        key: sale.key.clone(),
        listed_on: sale.closed_on.plus_days(-days_on_market(&sale.key)).max(first_live_day),
        list_price: None,
        currency: sale.currency.clone(),
        facts: sale.facts.clone(),
    }
}

/// Days between the listing and the sale of a home: 14 to 60, told by its key.
pub fn days_on_market(key: &str) -> i32 {
    const SPAN: u64 = (MAX_DAYS_ON_MARKET - MIN_DAYS_ON_MARKET + 1).unsigned_abs() as u64;
    // Below 47, so the conversion keeps the value.
    MIN_DAYS_ON_MARKET + (stable_hash(key) % SPAN) as i32
}

/// FNV-1a, then the finalizer of SplitMix64 (FNV alone spreads short numeric keys poorly).
fn stable_hash(key: &str) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let fnv = key.bytes().fold(OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME));
    mix(fnv)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use model_core::listing::Facts;
    use proptest::prelude::*;

    use super::*;

    fn sale(key: &str, day: i32) -> Sale {
        Sale {
            key: key.to_owned(),
            closed_on: EventDate(day),
            price: 1_000.0 + f64::from(day),
            currency: "USD".to_owned(),
            facts: Facts { living_area: Some(f64::from(day)), ..Facts::default() },
        }
    }

    #[test]
    fn the_hash_never_changes() {
        let days = ["801", "991", "2360", "7129300520-20141013T000000"].map(days_on_market);
        assert_eq!(days, [15, 55, 57, 36]);
    }

    #[test]
    fn days_on_market_cover_the_whole_span_evenly() {
        let mut counts = HashMap::new();
        for key in 0..47_000 {
            *counts.entry(days_on_market(&key.to_string())).or_insert(0) += 1;
        }
        let (min, max) = (counts.keys().min().copied(), counts.keys().max().copied());
        assert_eq!((min, max, counts.len()), (Some(14), Some(60), 47));
        assert!(counts.values().all(|count| (850..1_150).contains(count)), "{counts:?}");
    }

    #[test]
    fn a_plan_by_hand() {
        // Ten sales, days 100 to 190; index floor(0.3 * 10) = 3 is on day 130.
        let sales: Vec<Sale> = (0..10).map(|i| sale(&format!("k{i}"), 100 + 10 * i)).collect();
        let plan = plan_replay(sales, 0.3).unwrap();
        let history: Vec<&str> = plan.history.iter().map(|sale| sale.key.as_str()).collect();
        assert_eq!(history, ["k0", "k1", "k2"]);
        assert_eq!(plan.first_live_day(), Some(EventDate(130)));
        assert_eq!(plan.live.len(), 14);
        // Sold on the first day, so on the market before it: listed on the first day.
        let first: Vec<_> = plan.live.iter().take_while(|e| e.date() == EventDate(130)).collect();
        assert!(first.iter().any(|e| matches!(e, ReplayEvent::Listing(l) if l.key == "k3")));
        assert!(matches!(first.last(), Some(ReplayEvent::Sale(s)) if s.key == "k3"));
        let late = plan.listings().find(|listing| listing.key == "k9").unwrap();
        let expected = EventDate(190 - days_on_market("k9")).max(EventDate(130));
        assert_eq!((late.listed_on, late.list_price), (expected, None));
    }

    #[test]
    fn a_day_is_never_split_and_the_ends_are_whole() {
        let sales: Vec<Sale> = (0..6).map(|i| sale(&format!("k{i}"), i / 3)).collect();
        let plan = plan_replay(sales.clone(), 0.7).unwrap();
        assert_eq!((plan.history.len(), plan.live.len()), (3, 6));
        let all = plan_replay(sales.clone(), 1.0).unwrap();
        assert_eq!((all.history.len(), all.live.len(), all.first_live_day()), (6, 0, None));
        assert_eq!(plan_replay(sales, 0.0).unwrap().history, []);
        assert_eq!(plan_replay(Vec::new(), 0.3), Ok(ReplayPlan::default()));
    }

    #[test]
    fn refuses_what_is_no_plan() {
        let error = plan_replay(Vec::new(), f64::NAN).unwrap_err();
        assert_eq!(error.to_string(), "history_fraction is NaN, expected 0 to 1");
        assert_eq!(plan_replay(Vec::new(), 1.1), Err(ReplayError::HistoryFraction(1.1)));
        let error = plan_replay(vec![sale("a", 1), sale("a", 2)], 0.3).unwrap_err();
        assert_eq!(error.to_string(), "two sales have the key `a`; a key names one sale");
    }

    fn sales() -> impl Strategy<Value = Vec<Sale>> {
        prop::collection::vec(0..400_i32, 0..60).prop_map(|days| {
            days.iter().enumerate().map(|(i, day)| sale(&format!("key-{i}"), *day)).collect()
        })
    }

    proptest! {
        #[test]
        fn every_live_sale_has_one_listing_up_to_60_days_before(
            sales in sales(),
            fraction in 0.0..=1.0_f64,
        ) {
            let plan = plan_replay(sales.clone(), fraction).unwrap();
            let mut listed = HashMap::new();
            let (mut sold, mut last) = (0, None);
            for event in &plan.live {
                let this = Some((event.date(), event.rank(), event.key()));
                prop_assert!(this > last);
                last = this;
                match event {
                    ReplayEvent::Listing(listing) => {
                        prop_assert!(listed.insert(listing.key.clone(), listing).is_none());
                    }
                    ReplayEvent::Sale(sale) => {
                        sold += 1;
                        let listing = listed.get(&sale.key).expect("listed before it is sold");
                        let days = sale.closed_on.days_since(listing.listed_on);
                        prop_assert!((0..=MAX_DAYS_ON_MARKET).contains(&days));
                        let first = plan.first_live_day() == Some(listing.listed_on);
                        prop_assert!(days >= MIN_DAYS_ON_MARKET || first);
                        prop_assert_eq!(&listing.facts, &sale.facts);
                        prop_assert_eq!(&listing.currency, &sale.currency);
                    }
                }
            }
            prop_assert_eq!(listed.len(), sold);
            prop_assert_eq!(plan.history.len() + sold, sales.len());
            if let (Some(sale), Some(day)) = (plan.history.last(), plan.first_live_day()) {
                prop_assert!(sale.closed_on < day);
            }
        }

        #[test]
        fn the_plan_does_not_depend_on_the_order_of_its_input(
            sales in sales(),
            shuffled_by in any::<u64>(),
        ) {
            let mut shuffled = sales.clone();
            shuffled.sort_by_key(|sale| mix(stable_hash(&sale.key) ^ shuffled_by));
            prop_assert_eq!(plan_replay(sales, 0.3), plan_replay(shuffled, 0.3));
        }
    }
}
