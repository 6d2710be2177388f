//! Every sale known, with the market as each of them saw it.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::date::EventDate;
use crate::listing::{Facts, Sale};
use crate::market::{MarketIndex, MarketParams, MarketView};

static EMPTY: LazyLock<MarketView> = LazyLock::new(MarketView::default);

/// A sale and, once computed, what the market said before it.
pub(super) struct Archived {
    pub(super) sale: Sale,
    view: Option<MarketView>,
}

impl Archived {
    /// What the market said before the sale; empty until the archive has prepared it.
    pub(super) fn view(&self) -> &MarketView {
        self.view.as_ref().unwrap_or(&EMPTY)
    }
}

/// Sales in event-time order with their point-in-time market views.
///
/// A view looks only at sales before its own sale's date, so it is computed once and stays
/// valid until an earlier sale turns up late.
pub struct TrainingArchive {
    index: MarketIndex,
    sales: BTreeMap<(EventDate, String), Archived>,
    dates: BTreeMap<String, EventDate>,
}

impl TrainingArchive {
    /// An empty archive that looks at the market as `market` says.
    pub fn new(market: MarketParams) -> Self {
        Self { index: MarketIndex::new(market), sales: BTreeMap::new(), dates: BTreeMap::new() }
    }

    /// Records a sale; one with a known key replaces it, an equal one changes nothing.
    pub fn insert(&mut self, sale: Sale) {
        if let Some(date) = self.dates.get(&sale.key).copied() {
            let key = (date, sale.key.clone());
            if self.sales.get(&key).is_some_and(|known| known.sale == sale) {
                return;
            }
            self.sales.remove(&key);
            self.forget_views_after(date);
        }
        let date = sale.closed_on;
        self.index.insert(&sale);
        self.dates.insert(sale.key.clone(), date);
        self.sales.insert((date, sale.key.clone()), Archived { sale, view: None });
        self.forget_views_after(date);
    }

    /// How the archive looks at the market.
    pub(super) fn params(&self) -> &MarketParams {
        self.index.params()
    }

    /// What the market says about a home as of a date, however long ago.
    pub fn view(&self, facts: &Facts, as_of: EventDate) -> MarketView {
        self.index.view(facts, as_of)
    }

    /// Sales in the archive.
    pub fn len(&self) -> usize {
        self.sales.len()
    }

    /// Whether the archive holds no sale.
    pub fn is_empty(&self) -> bool {
        self.sales.is_empty()
    }

    /// The sales before a date, oldest first (by key within a day), their views computed.
    pub(super) fn before(&mut self, date: EventDate) -> Vec<&Archived> {
        for ((closed_on, _), archived) in self.sales.range_mut(..(date, String::new())) {
            if archived.view.is_none() {
                let mut view = self.index.view(&archived.sale.facts, *closed_on);
                // Training needs the summary alone; the comparables are most of the memory.
                view.nearby = Vec::new();
                archived.view = Some(view);
            }
        }
        self.sales.range(..(date, String::new())).map(|(_, archived)| archived).collect()
    }

    fn forget_views_after(&mut self, date: EventDate) {
        for (_, archived) in self.sales.range_mut((date.plus_days(1), String::new())..) {
            archived.view = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sale(key: &str, day: i32, price: f64) -> Sale {
        let facts = Facts {
            living_area: Some(1_000.0),
            latitude: Some(41.6),
            longitude: Some(-83.6),
            ..Facts::default()
        };
        Sale { key: key.into(), closed_on: EventDate(day), price, currency: "USD".into(), facts }
    }

    #[test]
    fn views_are_the_same_whatever_order_sales_come_in() {
        let sales: Vec<Sale> =
            (0..40).map(|i| sale(&i.to_string(), i, 1e5 + f64::from(i))).collect();
        let views = |order: &mut dyn Iterator<Item = &Sale>| -> Vec<MarketView> {
            let mut archive = TrainingArchive::new(MarketParams::default());
            for sale in order {
                archive.insert(sale.clone());
                archive.before(EventDate(100));
            }
            archive.before(EventDate(100)).iter().map(|a| a.view().clone()).collect()
        };
        assert_eq!(views(&mut sales.iter()), views(&mut sales.iter().rev()));
    }

    #[test]
    fn a_corrected_sale_replaces_the_first_and_a_repeat_changes_nothing() {
        let mut archive = TrainingArchive::new(MarketParams::default());
        archive.insert(sale("a", 1, 1e5));
        archive.insert(sale("a", 1, 1e5));
        archive.insert(sale("a", 3, 2e5));
        assert_eq!(archive.len(), 1);
        assert!(archive.before(EventDate(3)).is_empty());
        assert_eq!(archive.before(EventDate(4))[0].sale.price, 2e5);
    }
}
