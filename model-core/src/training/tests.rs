//! Training in a small market with a known price law, and the artifact it leaves.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::date::EventDate;
use crate::engine::PricingEngine;
use crate::estimate::{ModelRef, PriceEstimate, PriceOutcome};
use crate::listing::{Attribute, Sale};
use crate::model::{ArtifactError, PricingModel, digest};
use crate::monitoring::ChampionReference;
use crate::synthetic::{self, FIRST_DAY, Random, archive, law, listing, trained};

const DAYS: i32 = 400;
const AS_OF: EventDate = EventDate(FIRST_DAY.0 + 300);
const BOTH: [StrategyName; 2] = [StrategyName::ElasticNet, StrategyName::BoostedTrees];

static SALES: LazyLock<Vec<Sale>> = LazyLock::new(|| synthetic::sales(2, 1_600, DAYS));

/// A model of trees, its scale learned, too: every part of an artifact is there.
static TREES: LazyLock<PricingModel> = LazyLock::new(|| {
    let params =
        TrainingParams { holdout_share: 0.3, ..synthetic::params(&[StrategyName::BoostedTrees]) };
    let model = trained(&SALES, None, AS_OF, &params).model;
    assert!(model.scale.trees.is_some());
    model
});

/// What a model says of some homes, as text that other bits would change.
fn prices(model: &PricingModel) -> Result<Vec<PriceEstimate>, String> {
    let mut engine = PricingEngine::new(synthetic::params(&BOTH).market);
    let reference = ModelRef { version: "v1".into(), digest: String::new() };
    engine.install(model.clone().into(), reference).map_err(|error| error.to_string())?;
    SALES.iter().skip(900).for_each(|sale| engine.record_sale(sale.clone()));
    let date = FIRST_DAY.plus_days(DAYS - 20);
    Ok((0..5).map(|seed| engine.price(&listing(seed, date))).collect())
}

fn median_error(model: &PricingModel) -> f64 {
    let estimates = prices(model).unwrap();
    let mut errors: Vec<f64> = estimates
        .iter()
        .enumerate()
        .map(|(seed, estimate)| {
            let listing = listing(seed as u64, estimate.event_date);
            let PriceOutcome::Priced(price) = &estimate.outcome else {
                panic!("not priced: {estimate:?}")
            };
            (price.estimate / law(&listing.facts, listing.listed_on) - 1.0).abs()
        })
        .collect();
    errors.sort_by(f64::total_cmp);
    errors[errors.len() / 2]
}

#[test]
fn each_strategy_learns_the_law_alone_and_both_compete() {
    for strategies in [&BOTH[..1], &BOTH[1..], &BOTH[..]] {
        let training = trained(&SALES, None, AS_OF, &synthetic::params(strategies));
        assert!(training.gate.passed, "{}", training.gate.why);
        assert!(median_error(&training.model) < 0.06, "{strategies:?}");
        let metric = |name: &str| training.metrics[name];
        assert!(metric("mdape") < 0.06 && metric("ppe10") > 0.85, "{:?}", training.metrics);
        assert!((0.8..=1.0).contains(&metric("coverage90")), "{}", metric("coverage90"));
        assert_eq!(training.model.training_rows, 1_200);
        assert_eq!(training.model.trained_through, AS_OF.plus_days(-1));
        assert_eq!(training.model.metrics, training.metrics);
    }
}

#[test]
fn nothing_on_or_after_the_date_is_learned_from() {
    let params = synthetic::params(&BOTH[..1]);
    let past: Vec<Sale> = SALES.iter().filter(|sale| sale.closed_on < AS_OF).cloned().collect();
    let bytes = |sales: &[Sale]| trained(sales, None, AS_OF, &params).model.to_bytes().unwrap();
    assert_eq!(bytes(&SALES), bytes(&past));
}

#[test]
fn training_twice_gives_the_same_bytes_whatever_order_sales_came_in() {
    let params = synthetic::params(&BOTH);
    let mut shuffled = SALES.clone();
    Random(3).shuffle(&mut shuffled);
    let bytes = |sales: &[Sale]| trained(sales, None, AS_OF, &params).model.to_bytes().unwrap();
    let first = bytes(&SALES);
    assert_eq!(digest(&first), digest(&bytes(&SALES)));
    assert_eq!(digest(&first), digest(&bytes(&shuffled)));
}

#[test]
fn too_few_sales_are_told_with_their_number() {
    let params = synthetic::params(&BOTH);
    let day = FIRST_DAY.plus_days(49);
    let error = train(&mut archive(&SALES, &params), None, day, &params).err().unwrap();
    assert!(matches!(error, TrainingError::TooFewSales { found: 196, needed: 200, .. }));
    assert!(error.to_string().contains("training.min_sales is 200"), "{error}");
}

#[test]
fn sales_of_one_day_are_an_error_and_no_panic() {
    let params = synthetic::params(&BOTH);
    let mut sales = SALES[..300].to_vec();
    sales.iter_mut().for_each(|sale| sale.closed_on = FIRST_DAY);
    let result = train(&mut archive(&sales, &params), None, AS_OF, &params);
    assert!(matches!(result.err().unwrap(), TrainingError::Fit { .. }));
}

#[test]
fn a_challenger_no_better_than_the_champion_is_rejected_and_left_as_compared() {
    let params = synthetic::params(&BOTH);
    let champion = trained(&SALES, None, AS_OF, &params).model;
    let again = trained(&SALES, Some(&champion), AS_OF, &params);
    assert!(!again.gate.passed, "{}", again.gate.why);
    assert!(again.gate.why.contains("is not below"), "{}", again.gate.why);
    assert!(again.metrics.contains_key("champion_mdape"));
    assert!(again.model.trained_through < champion.trained_through);
}

#[test]
fn a_challenger_that_knows_the_new_market_passes_the_gate() {
    // Brick loses its premium, and more, after the champion has learned.
    let mut sales = SALES.clone();
    let brick = Attribute::Text("brick".into());
    for sale in sales.iter_mut().filter(|sale| sale.closed_on >= FIRST_DAY.plus_days(200)) {
        if sale.facts.attributes.get("wall") == Some(&brick) {
            sale.price *= 0.6;
        }
    }
    let params = synthetic::params(&BOTH[..1]);
    let champion = trained(&sales, None, FIRST_DAY.plus_days(200), &params).model;
    let end = FIRST_DAY.plus_days(DAYS);
    let training = trained(&sales, Some(&champion), end, &params);
    assert!(training.gate.passed, "{}", training.gate.why);
    assert!(training.gate.why.contains("is below"), "{}", training.gate.why);
    let error = |whose: &str| training.metrics[&format!("{whose}_mean_absolute_log_error")];
    assert!(error("champion") > error("compared"), "{:?}", training.metrics);
    let demanding = TrainingParams { min_improvement: 0.5, ..params };
    let why = trained(&sales, Some(&training.model), end, &demanding).gate.why;
    assert!(why.contains("min_improvement 0.5"), "{why}");
}

#[test]
fn homes_with_facts_missing_are_learned_from_and_priced() {
    let mut random = Random(9);
    let mut sales = SALES.clone();
    for sale in &mut sales {
        let facts = &mut sale.facts;
        for lost in [&mut facts.lot_size, &mut facts.stories] {
            if random.below(3) == 0 {
                *lost = None;
            }
        }
        if random.below(3) == 0 {
            facts.year_built = None;
        }
        if random.below(4) == 0 {
            facts.attributes.clear();
        }
        if random.below(5) == 0 {
            // Neither place nor size: such a home is no comparable for anybody.
            (facts.latitude, facts.longitude, facts.living_area) = (None, None, None);
        }
    }
    for strategy in BOTH {
        let training = trained(&sales, None, AS_OF, &synthetic::params(&[strategy]));
        let domain = &training.model.spec.domain;
        assert_eq!((domain.living_area, domain.latitude), (None, None), "no longer required");
        assert!(training.metrics["mdape"] < 0.15, "{strategy:?} {:?}", training.metrics);
        assert!(median_error(&training.model) < 0.1, "{strategy:?}");
        let bytes = training.model.to_bytes().unwrap();
        assert_eq!(PricingModel::from_bytes(&bytes).unwrap().to_bytes().unwrap(), bytes);
    }
}

#[test]
fn an_artifact_comes_back_as_it_was_and_prices_alike() {
    let bytes = TREES.to_bytes().unwrap();
    let read = PricingModel::from_bytes(&bytes).unwrap();
    assert_eq!(read.to_bytes().unwrap(), bytes);
    assert_eq!(read.spec.hash(), TREES.spec.hash());
    assert_eq!(format!("{:?}", prices(&read)), format!("{:?}", prices(&TREES)));
}

#[test]
fn other_files_and_other_formats_are_told_apart() {
    let bytes = TREES.to_bytes().unwrap();
    let error = |bytes: &[u8]| PricingModel::from_bytes(bytes).unwrap_err();
    assert!(matches!(error(b""), ArtifactError::Marker));
    assert!(matches!(error(b"HSMODEL"), ArtifactError::Marker));
    assert!(matches!(error(&bytes[..9]), ArtifactError::Marker));
    assert!(matches!(error(b"PK\x03\x04 something else"), ArtifactError::Marker));
    let mut newer = bytes.clone();
    newer[8] = 9;
    assert!(matches!(error(&newer), ArtifactError::Format { found: 9 }));
    let mut longer = bytes;
    longer.push(0);
    assert!(matches!(error(&longer), ArtifactError::Trailing(1)));
}

#[test]
fn a_reference_that_does_not_fit_is_refused() {
    let mut model = TREES.clone();
    model.profile.columns[0].counts[0] += 1;
    let error = PricingModel::from_bytes(&model.to_bytes().unwrap()).unwrap_err();
    assert!(matches!(error, ArtifactError::Profile(_)), "{error}");
    assert!(error.to_string().contains("does not count every home once"), "{error}");
}

/// A damaged artifact is refused or prices without a panic; it may even be told to a monitor.
fn survives(bytes: &[u8]) {
    let Ok(model) = PricingModel::from_bytes(bytes) else { return };
    let _ = prices(&model);
    let mut monitor = crate::monitoring::Monitor::new(Default::default()).unwrap();
    monitor.champion("v1", ChampionReference::of(&model), AS_OF);
    for estimate in prices(&TREES).unwrap() {
        monitor.observe_estimate(&estimate);
    }
    monitor.advance(AS_OF.plus_days(200));
}

static BYTES: LazyLock<Vec<u8>> = LazyLock::new(|| TREES.to_bytes().unwrap());

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn a_truncated_artifact_is_refused(share in 0.0..1.0_f64) {
        let end = (share * BYTES.len() as f64) as usize;
        prop_assert!(PricingModel::from_bytes(&BYTES[..end]).is_err());
    }

    #[test]
    fn a_damaged_artifact_never_panics(
        flips in prop::collection::vec((any::<prop::sample::Index>(), 0..8_u8), 1..4),
    ) {
        let mut bytes = BYTES.clone();
        for (place, bit) in flips {
            let place = place.index(bytes.len());
            bytes[place] ^= 1 << bit;
        }
        survives(&bytes);
    }

    /// Most of an artifact are trees; its spec and parameters, which lead it, deserve more.
    #[test]
    fn a_damaged_spec_never_panics(place in 10..600_usize, value: u8) {
        let mut bytes = BYTES.clone();
        bytes[place] = value;
        survives(&bytes);
    }
}
