//! The reference follows the champion; an artifact that cannot be used changes nothing.

use model_core::date::EventDate;
use model_core::listing::{Facts, Sale};
use model_core::monitoring::MonitorParams;
use model_core::registry::{Lineage, RegistryAction};
use model_core::training::{StrategyName, TrainingArchive, TrainingParams, train};

use super::*;

fn artifact() -> Vec<u8> {
    let params = TrainingParams {
        strategies: vec![StrategyName::ElasticNet],
        min_sales: 200,
        ..TrainingParams::default()
    };
    let mut archive = TrainingArchive::new(params.market);
    for i in 0..220 {
        let area = 1_000.0 + f64::from(i * 37 % 900);
        let facts = Facts { living_area: Some(area), ..Facts::default() };
        let (key, price, closed_on) = (i.to_string(), 80.0 * area, EventDate(9_000 + i));
        archive.insert(Sale { key, closed_on, price, currency: "USD".into(), facts });
    }
    train(&mut archive, None, EventDate(9_300), &params).unwrap().model.to_bytes().unwrap()
}

fn event(version: &str, action: RegistryAction, digest: &str) -> RegistryEvent {
    let registered = action == RegistryAction::Registered;
    RegistryEvent {
        model: "homes".into(),
        version: version.into(),
        action,
        event_date: EventDate(9_300),
        who: "test".into(),
        why: "test".into(),
        digest: registered.then(|| digest.to_owned()),
        lineage: registered.then(Lineage::default),
        metrics: Default::default(),
    }
}

#[test]
fn the_reference_is_the_champions_and_stays_when_an_artifact_is_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let store = ModelStore::open(folder.path()).unwrap();
    let good = store.put(&artifact()).unwrap();
    let bad = store.put(b"not a model").unwrap();
    let mut follower = ReferenceFollower::new("homes".into(), store.clone());
    let mut monitor = Monitor::new(MonitorParams::default()).unwrap();
    let mut apply = |version: &str, action, digest: &str| {
        follower.apply(&event(version, action, digest), &mut monitor);
        follower.serving.clone()
    };
    use RegistryAction::{Promoted, Registered, RolledBack};
    assert_eq!(apply("v1", Promoted, ""), None, "not registered");
    assert_eq!(apply("v1", Registered, &good), None, "not promoted");
    assert_eq!(apply("v1", Promoted, "").as_deref(), Some("v1"));
    apply("v2", Registered, &bad);
    assert_eq!(apply("v2", Promoted, "").as_deref(), Some("v1"), "no model");
    apply("v3", Registered, &"ab".repeat(32));
    assert_eq!(apply("v3", Promoted, "").as_deref(), Some("v1"), "not stored");
    apply("v4", Registered, &good);
    assert_eq!(apply("v4", Promoted, "").as_deref(), Some("v4"));
    assert_eq!(apply("v1", RolledBack, "").as_deref(), Some("v1"));
    let other = RegistryEvent { model: "rents".into(), ..event("v4", Promoted, "") };
    follower.apply(&other, &mut monitor);
    assert_eq!(follower.serving.as_deref(), Some("v1"), "another model's event");
}
