//! Loads on their way: each key is in one at most, and whoever asks for it meanwhile waits for
//! that one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio::time::Instant;

use crate::entry::Entry;
use crate::metrics::LookupResult;
use crate::source::FactKey;

/// What a load brought: an entry a key, or why there is none.
pub(crate) enum Landing {
    /// One outcome for each key.
    Loaded(HashMap<FactKey, Option<Entry>>),
    /// No key was answered; `Error`, `Timeout` or `Open`.
    Failed(LookupResult),
}

impl Landing {
    /// The entry of a key, or how its look-up ended.
    pub(crate) fn of(&self, key: &FactKey) -> Result<Entry, LookupResult> {
        match self {
            Self::Loaded(entries) => entries.get(key).cloned().flatten().ok_or(LookupResult::Error),
            Self::Failed(result) => Err(*result),
        }
    }
}

/// A load on its way.
#[derive(Clone)]
pub(crate) struct Flight {
    pub(crate) started: Instant,
    landing: watch::Receiver<Option<Arc<Landing>>>,
}

impl Flight {
    /// What the load brought, if it ends by `deadline`.
    pub(crate) async fn landed(&mut self, deadline: Instant) -> Result<Arc<Landing>, LookupResult> {
        if let Some(landing) = &*self.landing.borrow() {
            return Ok(landing.clone());
        }
        if Instant::now() >= deadline {
            return Err(LookupResult::Timeout);
        }
        match tokio::time::timeout_at(deadline, self.landing.wait_for(Option::is_some)).await {
            Ok(Ok(landing)) => landing.clone().ok_or(LookupResult::Error),
            // The load's task died; its guard has counted that.
            Ok(Err(_)) => Err(LookupResult::Error),
            Err(_) => Err(LookupResult::Timeout),
        }
    }
}

/// Every key on its way.
#[derive(Default)]
pub(crate) struct Flights(Mutex<HashMap<FactKey, Flight>>);

impl Flights {
    /// The keys on their way; whoever holds this decides alone who loads what.
    pub(crate) fn lock(&self) -> MutexGuard<'_, HashMap<FactKey, Flight>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the keys of a load off, once it has landed or died.
    pub(crate) fn remove(&self, keys: &[FactKey]) {
        let mut flights = self.lock();
        for key in keys {
            flights.remove(key);
        }
    }
}

/// A flight that starts now, and the end at which it lands.
pub(crate) fn take_off(now: Instant) -> (Flight, watch::Sender<Option<Arc<Landing>>>) {
    let (sender, landing) = watch::channel(None);
    (Flight { started: now, landing }, sender)
}
