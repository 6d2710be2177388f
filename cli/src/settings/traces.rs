//! Settings of traces.

use platform_telemetry::TraceConfig;
use serde::{Deserialize, Serialize};

use super::SettingsError;

/// Where spans go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TraceSettings {
    /// Base address of a collector that speaks OTLP over HTTP, such as
    /// `http://127.0.0.1:4318`. Empty: no spans, and `traceparent` goes from listing to price
    /// as it is.
    pub(crate) otlp_endpoint: String,
    /// Share of batches with a span of their own, 0 to 1. A record has one where its
    /// `traceparent` asks for it.
    pub(crate) batch_share: f64,
}

impl Default for TraceSettings {
    fn default() -> Self {
        Self { otlp_endpoint: String::new(), batch_share: 0.01 }
    }
}

impl TraceSettings {
    /// Checks every value.
    ///
    /// # Errors
    /// The first [`SettingsError`] found.
    pub(super) fn check(&self) -> Result<(), SettingsError> {
        let endpoint = self.otlp_endpoint.as_str();
        if !["http://", "https://"].iter().any(|scheme| endpoint.starts_with(scheme))
            && !endpoint.is_empty()
        {
            return Err(SettingsError::Value {
                setting: "traces.otlp_endpoint",
                value: format!("{endpoint:?}"),
                expected: "an address such as http://HOST:4318, or nothing",
            });
        }
        if (0.0..=1.0).contains(&self.batch_share) {
            return Ok(());
        }
        Err(SettingsError::Value {
            setting: "traces.batch_share",
            value: self.batch_share.to_string(),
            expected: "0 to 1",
        })
    }

    /// Where the spans of a service go; `None`: nowhere.
    pub(crate) fn config(&self, service: &str) -> Option<TraceConfig> {
        (!self.otlp_endpoint.is_empty()).then(|| TraceConfig {
            endpoint: self.otlp_endpoint.clone(),
            batch_share: self.batch_share,
            service: format!("homestream-{service}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_a_share() {
        for batch_share in [-0.1, 1.1, f64::NAN] {
            let settings = TraceSettings { batch_share, ..Default::default() };
            let error = settings.check().unwrap_err().to_string();
            assert!(error.contains("traces.batch_share"), "{error}");
        }
        assert!(TraceSettings::default().check().is_ok());
    }

    #[test]
    fn an_endpoint_that_is_no_address_is_told_before_anything_starts() {
        for endpoint in ["collector", "collector:4318", "ftp://collector"] {
            let settings =
                TraceSettings { otlp_endpoint: endpoint.to_owned(), ..Default::default() };
            let error = settings.check().unwrap_err().to_string();
            assert!(error.contains("traces.otlp_endpoint"), "{error}");
        }
    }

    #[test]
    fn without_an_endpoint_no_spans_are_sent() {
        assert_eq!(TraceSettings::default().config("scorer"), None);
        let otlp_endpoint = "http://127.0.0.1:4318".to_owned();
        let settings = TraceSettings { otlp_endpoint, ..Default::default() };
        assert_eq!(settings.config("scorer").unwrap().service, "homestream-scorer");
    }
}
