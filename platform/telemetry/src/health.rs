//! Whether a process is ready, part by part.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

/// Readiness of the named parts of a process. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct ServiceHealth {
    parts: Arc<Mutex<BTreeMap<&'static str, bool>>>,
}

impl ServiceHealth {
    /// Names a part that the process waits for.
    pub fn expect(&self, part: &'static str) {
        self.lock().entry(part).or_insert(false);
    }

    /// Says that a part is ready.
    pub fn set_ready(&self, part: &'static str) {
        self.lock().insert(part, true);
    }

    /// Says that a part is not ready any more.
    pub fn set_not_ready(&self, part: &'static str) {
        self.lock().insert(part, false);
    }

    /// The parts that are not ready, in order of name.
    pub fn waiting_for(&self) -> Vec<&'static str> {
        self.lock().iter().filter(|(_, ready)| !**ready).map(|(part, _)| *part).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, bool>> {
        match self.parts.lock() {
            Ok(parts) => parts,
            Err(poisoned) => poisoned.into_inner(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_waited_for_until_they_are_ready() {
        let health = ServiceHealth::default();
        assert!(health.waiting_for().is_empty());
        health.expect("market_index");
        health.expect("listings");
        health.set_ready("market_index");
        health.expect("market_index");
        assert_eq!(health.waiting_for(), ["listings"]);
        health.set_ready("listings");
        health.set_not_ready("market_index");
        assert_eq!(health.waiting_for(), ["market_index"]);
    }
}
