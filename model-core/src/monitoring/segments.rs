//! Accuracy by area and by value: an error that is small over all homes can be large for some.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::closing::PricedSale;
use crate::drift_report::SegmentAccuracy;
use crate::evaluation::quantiles::{median, quantile};
use crate::evaluation::vertical_equity::value_proxy;
use crate::evaluation::{self};
use crate::listing::Facts;

/// Most areas in a report: those with the most sales.
const MAX_AREAS: usize = 20;
/// Side of the squares that stand for areas where there is no postal code, degrees.
const CELL: f64 = 0.1;

/// The area of a home: its postal code, or the south-west corner of its square of a tenth of a
/// degree; `None` without either.
pub(super) fn area(facts: &Facts) -> Option<String> {
    if let Some(code) = facts.postal_code.as_deref().filter(|code| !code.is_empty()) {
        return Some(code.to_owned());
    }
    let corner = |degrees: f64| (degrees / CELL).floor() * CELL;
    let (latitude, longitude) = (facts.latitude?, facts.longitude?);
    let finite = latitude.is_finite() && longitude.is_finite();
    finite.then(|| format!("{:.1},{:.1}", corner(latitude), corner(longitude)))
}

/// The segments with at least `min_sales` sales: thirds by value, then areas by name.
///
/// Value is half price and half estimate, as vertical equity takes it: thirds by price alone would
/// show cheap homes overestimated in any market.
pub(super) fn segments(sales: &[PricedSale], min_sales: u64) -> Vec<SegmentAccuracy> {
    let mut segments = by_value(sales);
    segments.extend(by_area(sales));
    let enough = |(_, sales): &(String, Vec<&PricedSale>)| sales.len() as u64 >= min_sales;
    segments
        .into_iter()
        .filter(enough)
        .filter_map(|(segment, sales)| accuracy(segment, &sales))
        .collect()
}

fn by_value(sales: &[PricedSale]) -> Vec<(String, Vec<&PricedSale>)> {
    let ratios: Vec<f64> = sales.iter().map(|sale| sale.estimate / sale.price).collect();
    let Some(ratio) = median(&ratios) else { return Vec::new() };
    let values: Vec<f64> =
        sales.iter().map(|sale| value_proxy(sale.estimate, sale.price, ratio)).collect();
    let (Some(low), Some(high)) = (quantile(&values, 1.0 / 3.0), quantile(&values, 2.0 / 3.0))
    else {
        return Vec::new();
    };
    let within = |holds: &dyn Fn(f64) -> bool| {
        let pairs = sales.iter().zip(&values);
        pairs.filter(|(_, value)| holds(**value)).map(|(sale, _)| sale).collect::<Vec<_>>()
    };
    vec![
        ("value:low".to_owned(), within(&|value| value < low)),
        ("value:middle".to_owned(), within(&|value| (low..high).contains(&value))),
        ("value:high".to_owned(), within(&|value| value >= high)),
    ]
}

fn by_area(sales: &[PricedSale]) -> Vec<(String, Vec<&PricedSale>)> {
    let mut areas: BTreeMap<&Arc<str>, Vec<&PricedSale>> = BTreeMap::new();
    for sale in sales {
        if let Some(area) = &sale.area {
            areas.entry(area).or_default().push(sale);
        }
    }
    let mut areas: Vec<(String, Vec<&PricedSale>)> =
        areas.into_iter().map(|(area, sales)| (format!("area:{area}"), sales)).collect();
    // Stable: of equally large areas the first by name stays.
    areas.sort_by_key(|(_, sales)| std::cmp::Reverse(sales.len()));
    areas.truncate(MAX_AREAS);
    areas.sort_by(|a, b| a.0.cmp(&b.0));
    areas
}

fn accuracy(segment: String, sales: &[&PricedSale]) -> Option<SegmentAccuracy> {
    let (estimates, prices): (Vec<f64>, Vec<f64>) =
        sales.iter().map(|sale| (sale.estimate, sale.price)).unzip();
    let covered = sales.iter().filter(|sale| sale.is_covered()).count();
    Some(SegmentAccuracy {
        segment,
        n: sales.len() as u64,
        mdape: evaluation::mdape(&estimates, &prices).ok()?,
        median_ratio: evaluation::median_ratio(&estimates, &prices).ok()?,
        coverage90: covered as f64 / sales.len() as f64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sale(price: f64, estimate: f64, area: Option<&str>) -> PricedSale {
        PricedSale {
            estimate,
            lower: 0.9 * estimate,
            upper: 1.1 * estimate,
            market_level: 0.0,
            fsd: 0.1,
            confidence: 60,
            price,
            area: area.map(Arc::from),
        }
    }

    #[test]
    fn each_third_and_each_area_is_measured_alone() {
        // Dear homes, all in one area, are priced a quarter too high.
        let sales: Vec<PricedSale> = (0..90)
            .map(|i| match (i % 3, 100_000.0 + f64::from(i)) {
                (0, price) => sale(price, price, Some("a")),
                (1, price) => sale(2.0 * price, 2.0 * price, None),
                (_, price) => sale(4.0 * price, 5.0 * price, Some("b")),
            })
            .collect();
        let segments = segments(&sales, 30);
        let told: Vec<(&str, u64, f64, f64)> = segments
            .iter()
            .map(|s| (s.segment.as_str(), s.n, (100.0 * s.mdape).round(), s.coverage90))
            .collect();
        let expected = [
            ("value:low", 30, 0.0, 1.0),
            ("value:middle", 30, 0.0, 1.0),
            ("value:high", 30, 25.0, 0.0),
            ("area:a", 30, 0.0, 1.0),
            ("area:b", 30, 25.0, 0.0),
        ];
        assert_eq!(told, expected);
        assert!((segments[2].median_ratio - 1.25).abs() < 1e-12);
        assert!(super::segments(&sales, 31).is_empty());
        assert!(super::segments(&[], 1).is_empty());
    }

    #[test]
    fn the_areas_with_the_most_sales_are_reported_by_name() {
        let area = |i: u32| format!("area{i:02}");
        let sales: Vec<PricedSale> = (0..30_u32)
            .flat_map(|i| (0..=i).map(move |_| i))
            .map(|i| sale(100.0, 100.0, Some(&area(i))))
            .collect();
        let names: Vec<String> = segments(&sales, 1)
            .into_iter()
            .map(|segment| segment.segment)
            .filter(|name| name.starts_with("area:"))
            .collect();
        let expected: Vec<String> = (10..30).map(|i| format!("area:area{i:02}")).collect();
        assert_eq!(names, expected);
    }

    #[test]
    fn an_area_is_a_postal_code_or_a_square() {
        let at = |latitude, longitude| Facts {
            latitude: Some(latitude),
            longitude: Some(longitude),
            ..Facts::default()
        };
        assert_eq!(area(&at(41.65, -83.54)).as_deref(), Some("41.6,-83.6"));
        let coded = Facts { postal_code: Some("43606".into()), ..at(41.65, -83.54) };
        assert_eq!(area(&coded).as_deref(), Some("43606"));
        assert_eq!(area(&at(f64::NAN, 1.0)), None);
        assert_eq!(area(&Facts::default()), None);
    }
}
