//! What becomes a feature, and how it is encoded.

use super::*;
use crate::date::EventDate;
use crate::market::MarketView;

fn sale(i: usize) -> Sale {
    let facts = Facts {
        living_area: Some(1_000.0 + i as f64),
        lot_size: (i.is_multiple_of(2)).then_some(5_000.0 + i as f64),
        year_built: Some(1_950),
        latitude: Some(41.0 + i as f64 / 1_000.0),
        longitude: Some(-83.0 - i as f64 / 1_000.0),
        attributes: BTreeMap::from([
            ("rooms".to_owned(), Attribute::Number((i % 5) as f64)),
            (
                "wall".to_owned(),
                Attribute::Text(if i.is_multiple_of(3) { "wood" } else { "brick" }.into()),
            ),
            ("constant".to_owned(), Attribute::Number(1.0)),
        ]),
        ..Facts::default()
    };
    Sale {
        key: i.to_string(),
        closed_on: EventDate(9_000 + i as i32),
        price: 1e5,
        currency: "USD".into(),
        facts,
    }
}

fn refs(sales: &[Sale]) -> Vec<&Sale> {
    sales.iter().collect()
}

#[test]
fn what_varies_becomes_a_feature_whatever_the_order_of_sales() {
    let sales: Vec<Sale> = (0..30).map(sale).collect();
    let spec = FeatureSpec::discover(&refs(&sales), &MarketParams::default());
    let names: Vec<&str> = spec.features.iter().map(|f| f.name.as_str()).collect();
    assert_eq!(
        names[..7],
        [
            "LivingArea",
            "LotSizeSquareFeet",
            "Latitude",
            "Longitude",
            "rooms",
            "wall",
            "BuildingRatio"
        ]
    );
    assert_eq!(spec.features[5].levels, ["brick", "wood"]);
    assert_eq!(spec.domain.living_area, Some(Range { low: 1_000.0, high: 1_029.0 }));
    let mut reversed = sales;
    reversed.reverse();
    assert_eq!(
        FeatureSpec::discover(&refs(&reversed), &MarketParams::default()).hash(),
        spec.hash()
    );
}

#[test]
fn missing_stays_missing_and_unseen_categories_are_missing() {
    let sales: Vec<Sale> = (0..30).map(sale).collect();
    let spec = FeatureSpec::discover(&refs(&sales), &MarketParams::default());
    let mut facts = sale(1).facts;
    facts.attributes.insert("wall".into(), Attribute::Text("straw".into()));
    let mut row = Vec::new();
    spec.encode(&facts, EventDate(9_131), &MarketView::default(), &mut row);
    assert_eq!(row.len(), spec.len());
    assert_eq!(row[0], 1_001.0_f64.ln());
    assert!(row[1].is_nan() && row[5].is_nan(), "{row:?}");
    let at = |name: &str| row[spec.features.iter().position(|f| f.name == name).unwrap()];
    assert_eq!((at("EventDay"), at("EventMonth")), (9_131.0, 1.0));
    assert!(at("ComparablesLogPrice").is_nan());
}

#[test]
fn each_category_has_a_statistic_and_areas_a_level_when_asked_for() {
    let sales: Vec<Sale> = (0..30).map(sale).collect();
    let names = |market: &MarketParams| -> Vec<String> {
        FeatureSpec::discover(&refs(&sales), market).features.into_iter().map(|f| f.name).collect()
    };
    let plain = names(&MarketParams::default());
    assert!(plain.contains(&"AgainstComparables(rooms)".to_owned()), "{plain:?}");
    assert!(!plain.contains(&"AgainstComparables(YearBuilt)".to_owned()), "the year is the same");
    let market =
        MarketParams { target_statistics: true, area_statistics: true, ..MarketParams::default() };
    let more = names(&market);
    let added: Vec<&String> = more.iter().filter(|name| !plain.contains(name)).collect();
    assert_eq!(
        added,
        ["NearestLogPricePerArea", "AreaPriceLevel", "AreaPriceTrend", "PriceLevel(wall)"]
    );
}
