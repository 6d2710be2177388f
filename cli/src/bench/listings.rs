//! Listings without end, made of the homes that were sold.

use model_core::date::EventDate;
use model_core::listing::{Listing, Sale};

/// Days after the last sale over which listings are dated.
const LISTED_WITHIN_DAYS: u64 = 28;

/// Listings of the homes of a market, in rotation.
pub(crate) struct Listings {
    sales: Vec<Sale>,
    market_end: EventDate,
}

impl Listings {
    /// Listings of the homes that were sold; `None` when there are none.
    pub(crate) fn of(sales: Vec<Sale>) -> Option<Self> {
        let market_end = sales.iter().map(|sale| sale.closed_on).max()?.plus_days(1);
        Some(Self { sales, market_end })
    }

    /// The homes.
    pub(crate) fn sales(&self) -> &[Sale] {
        &self.sales
    }

    /// The day after the last sale.
    pub(crate) fn market_end(&self) -> EventDate {
        self.market_end
    }

    /// The listing of a number, the same in every run. Neighbours differ in home and date.
    pub(crate) fn listing(&self, number: u64) -> Option<Listing> {
        let home = usize::try_from(number % self.sales.len() as u64).ok()?;
        let sale = self.sales.get(home)?;
        let days = i32::try_from(number % LISTED_WITHIN_DAYS).ok()?;
        Some(Listing {
            key: key(number),
            listed_on: self.market_end.plus_days(days),
            list_price: None,
            currency: sale.currency.clone(),
            facts: sale.facts.clone(),
        })
    }
}

/// The key of the listing of a number.
fn key(number: u64) -> String {
    format!("bench-{number:08}")
}

#[cfg(test)]
mod tests {
    use model_core::listing::Facts;

    use super::*;

    fn sale(key: &str, day: i32) -> Sale {
        Sale {
            key: key.to_owned(),
            closed_on: EventDate(day),
            price: 100_000.0,
            currency: "USD".to_owned(),
            facts: Facts { living_area: Some(f64::from(day)), ..Facts::default() },
        }
    }

    #[test]
    fn homes_take_turns_after_the_last_sale() {
        let listings = Listings::of(vec![sale("a", 30), sale("b", 10), sale("c", 20)]).unwrap();
        assert_eq!(listings.market_end(), EventDate(31));
        let made: Vec<Listing> = (0..30).filter_map(|number| listings.listing(number)).collect();
        let areas: Vec<f64> = made.iter().filter_map(|made| made.facts.living_area).collect();
        assert_eq!(areas[..4], [30.0, 10.0, 20.0, 30.0]);
        assert_eq!((made[0].listed_on, made[27].listed_on), (EventDate(31), EventDate(58)));
        assert_eq!(made[28].listed_on, EventDate(31));
        assert_eq!(made[29].key, "bench-00000029");
        assert!(made.iter().all(|made| made.validate(EventDate(58)).is_ok()));
    }

    #[test]
    fn without_homes_there_are_no_listings() {
        assert!(Listings::of(Vec::new()).is_none());
    }
}
