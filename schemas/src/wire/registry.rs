//! `RegistryEvent`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use model_core::date::EventDate;
use model_core::registry::{Lineage, RegistryAction, RegistryEvent};
use serde::{Deserialize, Serialize};

use super::{Wire, from_long, to_long};
use crate::error::{DecodeError, EncodeError};
use crate::ids::registry_event_id;
use crate::kind::RecordKind;

const KIND: RecordKind = RecordKind::RegistryEvent;

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ActionWire {
    Registered,
    Evaluated,
    Promoted,
    Rejected,
    RolledBack,
    Archived,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "Lineage")]
struct LineageWire<'a> {
    strategy: Cow<'a, str>,
    feature_spec_hash: Cow<'a, str>,
    trained_from: i32,
    trained_through: i32,
    training_rows: i64,
    trigger: Cow<'a, str>,
}

/// A registry event on the wire.
#[derive(Serialize, Deserialize)]
#[serde(rename = "RegistryEvent")]
pub(crate) struct RegistryEventWire<'a> {
    event_id: String,
    model: Cow<'a, str>,
    version: Cow<'a, str>,
    action: ActionWire,
    event_date: i32,
    who: Cow<'a, str>,
    why: Cow<'a, str>,
    digest: Option<Cow<'a, str>>,
    lineage: Option<LineageWire<'a>>,
    metrics: Cow<'a, BTreeMap<String, f64>>,
}

impl Wire for RegistryEventWire<'static> {
    const KIND: RecordKind = KIND;
}

impl<'a> TryFrom<&'a RegistryEvent> for RegistryEventWire<'a> {
    type Error = EncodeError;

    fn try_from(event: &'a RegistryEvent) -> Result<Self, EncodeError> {
        Ok(Self {
            event_id: registry_event_id(event),
            model: Cow::Borrowed(&event.model),
            version: Cow::Borrowed(&event.version),
            action: event.action.into(),
            event_date: event.event_date.0,
            who: Cow::Borrowed(&event.who),
            why: Cow::Borrowed(&event.why),
            digest: event.digest.as_deref().map(Cow::Borrowed),
            lineage: event.lineage.as_ref().map(LineageWire::try_from).transpose()?,
            metrics: Cow::Borrowed(&event.metrics),
        })
    }
}

impl TryFrom<RegistryEventWire<'_>> for RegistryEvent {
    type Error = DecodeError;

    fn try_from(wire: RegistryEventWire<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            model: wire.model.into_owned(),
            version: wire.version.into_owned(),
            action: wire.action.into(),
            event_date: EventDate(wire.event_date),
            who: wire.who.into_owned(),
            why: wire.why.into_owned(),
            digest: wire.digest.map(Cow::into_owned),
            lineage: wire.lineage.map(Lineage::try_from).transpose()?,
            metrics: wire.metrics.into_owned(),
        })
    }
}

impl<'a> TryFrom<&'a Lineage> for LineageWire<'a> {
    type Error = EncodeError;

    fn try_from(lineage: &'a Lineage) -> Result<Self, EncodeError> {
        Ok(Self {
            strategy: Cow::Borrowed(&lineage.strategy),
            feature_spec_hash: Cow::Borrowed(&lineage.feature_spec_hash),
            trained_from: lineage.trained_from.0,
            trained_through: lineage.trained_through.0,
            training_rows: to_long(KIND, "lineage.training_rows", lineage.training_rows)?,
            trigger: Cow::Borrowed(&lineage.trigger),
        })
    }
}

impl TryFrom<LineageWire<'_>> for Lineage {
    type Error = DecodeError;

    fn try_from(wire: LineageWire<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            strategy: wire.strategy.into_owned(),
            feature_spec_hash: wire.feature_spec_hash.into_owned(),
            trained_from: EventDate(wire.trained_from),
            trained_through: EventDate(wire.trained_through),
            training_rows: from_long("lineage.training_rows", wire.training_rows)?,
            trigger: wire.trigger.into_owned(),
        })
    }
}

impl From<RegistryAction> for ActionWire {
    fn from(action: RegistryAction) -> Self {
        match action {
            RegistryAction::Registered => Self::Registered,
            RegistryAction::Evaluated => Self::Evaluated,
            RegistryAction::Promoted => Self::Promoted,
            RegistryAction::Rejected => Self::Rejected,
            RegistryAction::RolledBack => Self::RolledBack,
            RegistryAction::Archived => Self::Archived,
        }
    }
}

impl From<ActionWire> for RegistryAction {
    fn from(wire: ActionWire) -> Self {
        match wire {
            ActionWire::Registered => Self::Registered,
            ActionWire::Evaluated => Self::Evaluated,
            ActionWire::Promoted => Self::Promoted,
            ActionWire::Rejected => Self::Rejected,
            ActionWire::RolledBack => Self::RolledBack,
            ActionWire::Archived => Self::Archived,
        }
    }
}
