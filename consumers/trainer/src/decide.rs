//! From a training's result to the events of the registry: plain functions.

use model_core::date::EventDate;
use model_core::model::PricingModel;
use model_core::registry::{Lineage, RegistryAction, RegistryEvent};
use model_core::training::Training;

/// What asked for a training.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trigger {
    /// Identity: `bootstrap`, or the window id of a drift report.
    pub(crate) id: String,
    /// Event time of the request; sales before it are learned from.
    pub(crate) as_of: EventDate,
    /// The reason, in words.
    pub(crate) why: String,
}

/// Registered, Evaluated, then Promoted or Rejected: the log of one training.
pub(crate) fn registry_events(
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
