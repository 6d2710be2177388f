//! The index in small markets, and its properties.

use proptest::prelude::*;

use super::*;
use crate::features::FeatureSpec;
use crate::listing::Attribute;

fn everything() -> MarketParams {
    MarketParams { target_statistics: true, area_statistics: true, ..MarketParams::default() }
}

fn sale(key: u32, day: i32, price: f64, lat: f64, lon: f64) -> Sale {
    Sale {
        key: key.to_string(),
        closed_on: EventDate(day),
        price,
        currency: "USD".into(),
        facts: Facts {
            living_area: Some(1_000.0),
            latitude: Some(lat),
            longitude: Some(lon),
            ..Facts::default()
        },
    }
}

fn subject() -> Facts {
    Facts {
        living_area: Some(1_000.0),
        latitude: Some(41.6),
        longitude: Some(-83.6),
        ..Facts::default()
    }
}

#[test]
fn distances_are_great_circles() {
    let toledo = unit_vector(41.6528, -83.5379);
    let detroit = unit_vector(42.3314, -83.0458);
    let squared: f64 = toledo.iter().zip(detroit).map(|(a, b)| (a - b).powi(2)).sum();
    assert!((arc_km(squared) - 85.7).abs() < 0.5, "{}", arc_km(squared));
    assert_eq!(arc_km(0.0), 0.0);
}

#[test]
fn nearest_sales_come_first_and_far_ones_not_at_all() {
    let mut index = MarketIndex::new(MarketParams::default());
    index.insert(&sale(1, 10, 1e5, 41.61, -83.6));
    index.insert(&sale(2, 10, 1e5, 41.60, -83.6));
    index.insert(&sale(3, 10, 1e5, 45.00, -83.6));
    let view = index.view(&subject(), EventDate(20));
    let keys: Vec<&str> = view.nearby.iter().map(|near| &*near.key).collect();
    assert_eq!(keys, ["2", "1"]);
    assert!((view.nearby[1].distance_km - 1.112).abs() < 0.01);
}

#[test]
fn a_view_names_the_heaviest_sales_and_rests_on_all() {
    let mut index = MarketIndex::new(MarketParams::default());
    for i in (0..12).rev() {
        index.insert(&sale(i, 10, 1e5, 41.6 + f64::from(i / 2) / 1e3, -83.6));
    }
    let view = index.view(&subject(), EventDate(20));
    let keys: Vec<&str> = view.nearby.iter().map(|near| &*near.key).collect();
    assert_eq!(keys, ["0", "1", "2", "3", "4"], "of two alike the first key");
    let named: f64 = view.nearby.iter().map(|near| near.weight).sum();
    assert!((0.5..0.9).contains(&named), "{named}");
}

#[test]
fn a_corrected_sale_replaces_the_first() {
    let mut index = MarketIndex::new(MarketParams::default());
    index.insert(&sale(1, 10, 1e5, 41.6, -83.6));
    index.insert(&sale(1, 12, 2e5, 41.6, -83.6));
    assert_eq!(index.len(), 1);
    assert_eq!(index.latest(), Some(EventDate(12)));
    let view = index.view(&subject(), EventDate(20));
    assert_eq!(view.nearby.len(), 1);
    assert_eq!(view.nearby[0].price, 2e5);
}

#[test]
fn without_coordinates_the_postal_code_stands_in() {
    let mut index = MarketIndex::new(MarketParams::default());
    let mut near = sale(1, 10, 1e5, 41.6, -83.6);
    near.facts.postal_code = Some("43604".into());
    index.insert(&near);
    index.insert(&sale(2, 10, 1e5, 41.6, -83.6));
    let facts = Facts { postal_code: Some("43604".into()), ..Facts::default() };
    let view = index.view(&facts, EventDate(20));
    assert_eq!(view.nearby.len(), 1);
    assert!(index.view(&Facts::default(), EventDate(20)).nearby.is_empty());
}

#[test]
fn evicted_sales_were_out_of_sight_already() {
    let params = MarketParams { window_days: 30, ..everything() };
    let mut index = MarketIndex::new(params);
    for day in 0..800 {
        index.insert(&sale(day as u32, day, 1e5 + f64::from(day), 41.6, -83.6));
    }
    let before = index.view(&subject(), EventDate(790));
    index.evict(EventDate(790));
    // Day 790 begins a month, 180 days earlier is in September 1971, which begins on day 608;
    // its level is that of 180 days.
    assert_eq!(index.len(), 800 - (608 - 180));
    assert_eq!(index.view(&subject(), EventDate(790)), before);
    index.forget_statistics_from(EventDate(i32::MIN));
    assert_eq!(index.view(&subject(), EventDate(790)), before, "made anew");
    index.insert(&sale(7, 7, 9e9, 41.6, -83.6));
    assert_eq!(index.view(&subject(), EventDate(790)), before, "too late to be seen");
}

/// Sales of two kinds over two years: brick is dearer by 20 %, and the market doubles.
fn two_kinds() -> MarketIndex {
    let mut index = MarketIndex::new(everything());
    for day in 0..730 {
        let kind = if day % 2 == 0 { "brick" } else { "wood" };
        let kind_factor = if day % 2 == 0 { 1.2 } else { 1.0 };
        let price = 1e5 * kind_factor * (f64::from(day) / 730.0).exp2();
        let mut sale = sale(day as u32, day, price, 41.6, -83.6);
        sale.facts.property_type = Some(kind.into());
        index.insert(&sale);
    }
    index
}

#[test]
fn a_category_is_as_dear_as_its_sales_were_whatever_the_market_did() {
    let index = two_kinds();
    let view = index.view(&subject(), EventDate(730));
    let statistics = view.statistics.unwrap();
    let of = |text| statistics.category(CategoryName::PropertyType, text).unwrap();
    // Half of 20 %, of 265 sales or more, shrunk as by 20.
    let half = 1.2_f64.ln() / 2.0;
    assert!((0.9 * half..half).contains(&of("brick")), "{}", of("brick"));
    assert!((of("brick") + of("wood")).abs() < 0.01, "{}", of("wood"));
    assert_eq!(of("straw"), 0.0);
    assert_eq!(statistics.category(CategoryName::PostalCode, "43604"), None);
    // Twice the price in 730 days, hence 0.17 in 180.
    let trend = view.market_trend.unwrap();
    assert!((trend - 2.0_f64.ln() * 180.0 / 730.0).abs() < 0.02, "{trend}");
}

#[test]
fn an_area_is_as_dear_as_its_sales_were() {
    let mut index = two_kinds();
    for day in 0..400 {
        index.insert(&sale(10_000 + day as u32, day, 5e4, 41.7, -83.6));
    }
    let area = |latitude| {
        let facts = Facts { latitude: Some(latitude), ..subject() };
        index.view(&facts, EventDate(730)).area_level.unwrap()
    };
    assert!(area(41.6) > 0.1 && area(41.7) < -0.3, "{} {}", area(41.6), area(41.7));
    assert_eq!(area(41.65), 0.0, "no sale there");
}

#[test]
fn differences_are_from_the_comparables_and_the_same_home_is_known_again() {
    let mut index = MarketIndex::new(MarketParams::default());
    index.insert(&sale(1, 10, 1e5, 41.6, -83.6));
    let mut home = sale(2, 12, 2e5, 41.6, -83.6);
    home.facts.year_built = Some(1_950);
    home.facts.attributes.insert("rooms".into(), Attribute::Number(5.0));
    index.insert(&home);
    let facts = Facts { living_area: Some(1_020.0), year_built: Some(1_950), ..subject() };
    let view = index.view(&facts, EventDate(20));
    assert_eq!(view.means.number(FactNumber::LogArea), Some(1_000.0_f64.ln()));
    assert_eq!(view.means.number(FactNumber::YearBuilt), Some(1_950.0));
    assert_eq!(view.means.number(FactNumber::LogLot), None);
    assert_eq!((view.means.attribute("rooms"), view.means.attribute("none")), (Some(5.0), None));
    let expected = 2e5_f64.ln() + 0.7 * 1.02_f64.ln();
    assert!((view.earlier_log_price.unwrap() - expected).abs() < 1e-12);
    assert_eq!(index.view(&facts, EventDate(12)).earlier_log_price, None);
    let other = Facts { year_built: Some(1_951), ..facts };
    assert_eq!(index.view(&other, EventDate(20)).earlier_log_price, None);
}

#[test]
fn statistics_that_are_off_say_nothing() {
    let mut index = two_kinds();
    index.set_params(MarketParams::default());
    let view = index.view(&subject(), EventDate(730));
    assert_eq!((view.area_level, view.area_trend), (None, None));
    assert_eq!(view.statistics.unwrap().category(CategoryName::PropertyType, "brick"), None);
}

#[test]
fn dates_without_end_do_not_hang() {
    let index = two_kinds();
    for date in [EventDate(i32::MIN), EventDate(i32::MAX)] {
        assert!(index.view(&subject(), date).nearby.is_empty());
    }
}

/// Day, price, latitude, longitude, kind.
type Drawn = (i32, f64, f64, f64, u8);

fn drawn(days: std::ops::Range<i32>) -> impl Strategy<Value = Vec<Drawn>> {
    let one = (days, 1e4..1e6_f64, 41.5..41.7_f64, -83.7..-83.5_f64, 0..4_u8);
    prop::collection::vec(one, 0..120)
}

fn make(first: u32, list: &[Drawn]) -> Vec<Sale> {
    let one = |(i, (day, price, lat, lon, kind)): (usize, &Drawn)| {
        let mut sale = sale(first + i as u32, *day, *price, *lat, *lon);
        sale.facts.postal_code = (*kind > 0).then(|| format!("4360{kind}"));
        let wall = Attribute::Text(format!("wall {}", kind / 2));
        sale.facts.attributes.insert("wall".into(), wall);
        sale.facts.year_built = Some(1_900 + i32::from(*kind));
        let rooms = Attribute::Number(f64::from(*kind));
        sale.facts.attributes.insert(format!("rooms {}", kind / 3), rooms);
        sale
    };
    list.iter().enumerate().map(one).collect()
}

/// All that a feature vector holds, once for each of some homes.
fn features(index: &MarketIndex, spec: &FeatureSpec, as_of: EventDate) -> Vec<Vec<u64>> {
    let homes: Vec<Drawn> = (0..4).map(|i| (0, 1e5, 41.6, -83.6, i)).collect();
    make(0, &homes)
        .iter()
        .map(|home| {
            let mut row = Vec::new();
            spec.encode(&home.facts, as_of, &index.view(&home.facts, as_of), &mut row);
            row.into_iter().map(f64::to_bits).collect()
        })
        .collect()
}

proptest! {
    /// No sale on or after the date, whatever it is and whenever it is recorded, can
    /// change a feature or an answer; nor can the order in which sales are recorded, nor
    /// what a sale said before it was corrected, nor what has been evicted.
    #[test]
    fn the_future_and_the_order_change_nothing(
        past in drawn(0..800),
        future in drawn(800..1_300),
        wrong in drawn(0..1_300),
        rotate in 0..120_usize,
        window_days in 30..700_i32,
    ) {
        let as_of = EventDate(800);
        let params = MarketParams { window_days, ..everything() };
        let past = make(0, &past);
        let mut all = make(1_000, &future);
        all.extend(past.iter().cloned());
        let turn = rotate % all.len().max(1);
        all.rotate_left(turn);
        let kinds: Vec<Drawn> = (0..40).map(|i| (i, 1e5, 41.6, -83.6, (i % 4) as u8)).collect();
        let known = make(0, &kinds);
        let known: Vec<&Sale> = known.iter().collect();
        let spec = FeatureSpec::discover(&known, &params);
        let mut with = MarketIndex::new(params);
        let mut without = MarketIndex::new(params);
        // Sales that will be corrected, and looks at the market in between.
        for sale in make(0, &wrong).into_iter().take(past.len()) {
            with.insert(&sale);
            with.view(&subject(), as_of);
        }
        all.iter().for_each(|sale| { with.insert(sale); });
        past.iter().for_each(|sale| { without.insert(sale); });
        let expected = features(&without, &spec, as_of);
        prop_assert_eq!(&features(&with, &spec, as_of), &expected);
        prop_assert_eq!(with.view(&subject(), as_of), without.view(&subject(), as_of));
        with.evict(as_of);
        prop_assert_eq!(&features(&with, &spec, as_of), &expected);
        with.forget_statistics_from(EventDate(i32::MIN));
        prop_assert_eq!(&features(&with, &spec, as_of), &expected);
    }
}
