//! From a training's result to the events of the registry: plain functions.

use model_core::date::EventDate;
use model_core::model::PricingModel;
use model_core::registry::{Lineage, RegistryAction, RegistryEvent};
use model_core::training::Training;

/// What asked for a training.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// Identity: `bootstrap`, or the window id of a drift report.
    pub id: String,
    /// Event time of the request; sales before it are learned from.
    pub as_of: EventDate,
    /// The reason, in words.
    pub why: String,
}

/// Registered, Evaluated, then Promoted or Rejected: the log of one training.
pub fn registry_events(
    model_name: &str,
    version: &str,
    digest: &str,
    trigger: &Trigger,
    training: &Training,
) -> Vec<RegistryEvent> {
    let event = |action, why: &str| RegistryEvent {
        model: model_name.to_owned(),
        version: version.to_owned(),
        action,
        event_date: trigger.as_of,
        who: "trainer".to_owned(),
        why: why.to_owned(),
        digest: None,
        lineage: None,
        metrics: Default::default(),
    };
    let registered = RegistryEvent {
        digest: Some(digest.to_owned()),
        lineage: Some(lineage(&training.model, trigger)),
        ..event(RegistryAction::Registered, &trigger.why)
    };
    let evaluated = RegistryEvent {
        metrics: training.metrics.clone(),
        ..event(RegistryAction::Evaluated, &training.gate.why)
    };
    let decision =
        if training.gate.passed { RegistryAction::Promoted } else { RegistryAction::Rejected };
    vec![registered, evaluated, event(decision, &training.gate.why)]
}

/// The decision on a version whose trainer died before it could decide.
pub(crate) fn abandoned(
    model_name: &str,
    version: &str,
    registered_on: EventDate,
) -> RegistryEvent {
    RegistryEvent {
        model: model_name.to_owned(),
        version: version.to_owned(),
        action: RegistryAction::Rejected,
        event_date: registered_on,
        who: "trainer".to_owned(),
        why: "its trainer ended before it was decided".to_owned(),
        digest: None,
        lineage: None,
        metrics: Default::default(),
    }
}

fn lineage(model: &PricingModel, trigger: &Trigger) -> Lineage {
    Lineage {
        strategy: model.strategy.clone(),
        feature_spec_hash: model.spec.hash(),
        trained_from: model.trained_from,
        trained_through: model.trained_through,
        training_rows: model.training_rows,
        trigger: trigger.id.clone(),
    }
}

#[cfg(test)]
mod tests {
    use model_core::listing::{Facts, Sale};
    use model_core::registry::{Registry, VersionStatus};
    use model_core::training::{StrategyName, TrainingArchive, TrainingParams, train};

    use super::*;

    fn training() -> Training {
        let params = TrainingParams {
            strategies: vec![StrategyName::ElasticNet],
            min_sales: 200,
            ..TrainingParams::default()
        };
        let mut archive = TrainingArchive::new(params.market);
        for i in 0..220 {
            let area = 1_000.0 + f64::from(i * 37 % 900);
            let facts = Facts { living_area: Some(area), ..Facts::default() };
            let (key, price) = (i.to_string(), 80.0 * area);
            let closed_on = EventDate(9_000 + i);
            archive.insert(Sale { key, closed_on, price, currency: "USD".into(), facts });
        }
        train(&mut archive, None, EventDate(9_300), &params).unwrap()
    }

    fn trigger() -> Trigger {
        let why = "window 1995-06-01/1995-07-01: feature_drift:wall".into();
        Trigger { id: "1995-06-01/1995-07-01".into(), as_of: EventDate(9_300), why }
    }

    #[test]
    fn the_log_of_a_training_is_one_that_the_registry_accepts() {
        let mut training = training();
        for (passed, action, status) in [
            (true, RegistryAction::Promoted, VersionStatus::Promoted),
            (false, RegistryAction::Rejected, VersionStatus::Rejected),
        ] {
            training.gate.passed = passed;
            let events = registry_events("homes", "v2", "d1", &trigger(), &training);
            let actions: Vec<RegistryAction> = events.iter().map(|event| event.action).collect();
            assert_eq!(actions, [RegistryAction::Registered, RegistryAction::Evaluated, action]);
            assert!(events.iter().all(|event| event.event_date == EventDate(9_300)));
            let mut registry = Registry::default();
            events.iter().for_each(|event| registry.apply(event).unwrap());
            let version = registry.version("v2").unwrap();
            assert_eq!((version.status, version.digest.as_str()), (status, "d1"));
            assert_eq!(registry.champion(), passed.then_some("v2"));
            assert_eq!(version.metrics, training.metrics);
            assert!(registry.has_trigger("1995-06-01/1995-07-01"));
            assert_eq!(version.lineage.training_rows, training.model.training_rows);
            assert_eq!(version.lineage.feature_spec_hash, training.model.spec.hash());
            assert_eq!(events[0].why, trigger().why);
            assert_eq!(events[2].why, training.gate.why);
        }
    }
}
