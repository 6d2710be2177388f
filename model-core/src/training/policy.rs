//! When a drift report asks for a new model.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::date::EventDate;
use crate::drift_report::DriftReport;
use crate::monitoring::RULES;

/// When to retrain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetrainPolicy {
    /// Days of event time between two trainings, whatever drifts; 1 to 3,650.
    pub cooldown_days: i32,
    /// Rules of the monitor that ask for a training when they fire.
    pub on: Vec<String>,
}

impl Default for RetrainPolicy {
    fn default() -> Self {
        let on = ["feature_drift", "estimate_drift", "level_drift", "accuracy", "coverage"];
        Self { cooldown_days: 90, on: on.map(str::to_owned).to_vec() }
    }
}

/// A setting of the policy that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InvalidPolicy {
    /// The cool-down is out of range.
    #[error("retrain.cooldown_days is {0}, expected 1 to 3650")]
    Cooldown(i32),
    /// The monitor has no such rule.
    #[error("retrain.on names {name:?}, the monitor's rules are {}", RULES.join(", "))]
    UnknownRule {
        /// The name.
        name: String,
    },
}

impl RetrainPolicy {
    /// Checks the policy.
    ///
    /// # Errors
    /// [`InvalidPolicy`] when the cool-down is out of range or a rule does not exist.
    pub fn check(&self) -> Result<(), InvalidPolicy> {
        if !(1..=3_650).contains(&self.cooldown_days) {
            return Err(InvalidPolicy::Cooldown(self.cooldown_days));
        }
        match self.on.iter().find(|on| !RULES.contains(&on.as_str())) {
            Some(unknown) => Err(InvalidPolicy::UnknownRule { name: unknown.clone() }),
            None => Ok(()),
        }
    }

    /// The rules in a report that ask for a training, given when the last one was; empty when
    /// none does or the cool-down is not over. A fault of the data is not to be learned.
    pub fn asks<'a>(
        &self,
        report: &'a DriftReport,
        last_training: Option<EventDate>,
    ) -> Vec<&'a str> {
        let cooling = last_training
            .is_some_and(|last| report.window.end.days_since(last) < self.cooldown_days);
        if cooling {
            return Vec::new();
        }
        let asked = |fired: &str| {
            let rule = fired.split(':').next().unwrap_or(fired);
            self.on.iter().any(|on| on == rule)
        };
        let learnable = report.fired.iter().filter(|fired| !report.data_faults.contains(fired));
        learnable.map(String::as_str).filter(|fired| asked(fired)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drift_report::{Verdict, Window};

    fn report(end: i32, fired: &[&str]) -> DriftReport {
        DriftReport {
            window: Window { start: EventDate(end - 30), end: EventDate(end) },
            model_version: "v1".into(),
            verdict: Verdict::Drift,
            fired: fired.iter().map(|rule| (*rule).to_owned()).collect(),
            ..DriftReport::default()
        }
    }

    #[test]
    fn a_fault_of_the_data_is_not_to_be_learned() {
        let policy = RetrainPolicy::default();
        let fired = ["feature_drift:wall", "feature_drift:LivingArea"];
        let data_faults = vec!["feature_drift:LivingArea".to_owned()];
        let report = DriftReport { data_faults, ..report(200, &fired) };
        assert_eq!(policy.asks(&report, None), ["feature_drift:wall"]);
    }

    #[test]
    fn a_fired_rule_asks_once_the_cool_down_is_over() {
        let policy = RetrainPolicy::default();
        let drifted = report(200, &["feature_drift:wall", "no_estimate_share:no_estimate_share"]);
        assert_eq!(policy.asks(&drifted, None), ["feature_drift:wall"]);
        assert_eq!(policy.asks(&drifted, Some(EventDate(111))), Vec::<&str>::new());
        assert_eq!(policy.asks(&drifted, Some(EventDate(110))), ["feature_drift:wall"]);
        assert!(policy.asks(&report(200, &[]), None).is_empty());
        assert_eq!(policy.check(), Ok(()));
        let misspelt = RetrainPolicy { on: vec!["feature_drfit".into()], ..policy.clone() };
        let error = misspelt.check().unwrap_err().to_string();
        assert!(error.contains("feature_drfit") && error.contains("feature_drift,"), "{error}");
        assert!(RetrainPolicy { cooldown_days: 0, ..policy }.check().is_err());
    }
}
