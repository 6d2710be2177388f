//! Settings of silences and inhibition, by Alertmanager's names.

use notifier::parse_time;
use notifier::state::{Inhibition, Labelling, Matcher, Silence};
use serde::{Deserialize, Serialize};

use super::sink::known;

/// Alerts that make others pointless while they fire.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct InhibitionSettings {
    /// The alerts that inhibit.
    pub(crate) source_matchers: Vec<String>,
    /// The alerts that are inhibited.
    pub(crate) target_matchers: Vec<String>,
    /// Labels that both must have alike.
    #[serde(default)]
    pub(crate) equal: Vec<String>,
}

/// Alerts that are kept quiet for a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SilenceSettings {
    /// The alerts: all of these must match.
    pub(crate) matchers: Vec<String>,
    /// From when on, such as `2026-11-23T08:00:00Z`.
    pub(crate) from: String,
    /// Until when.
    pub(crate) until: String,
    /// Who decided it.
    pub(crate) who: String,
    /// Why.
    pub(crate) why: String,
}

impl InhibitionSettings {
    pub(super) fn inhibition(&self, labelling: &Labelling) -> Result<Inhibition, String> {
        let equal: Vec<String> =
            self.equal.iter().map(|name| Labelling::canonical(name).to_owned()).collect();
        known("equal", &equal, labelling)?;
        Ok(Inhibition {
            source: matchers("source_matchers", &self.source_matchers, labelling)?,
            target: matchers("target_matchers", &self.target_matchers, labelling)?,
            equal,
        })
    }
}

impl SilenceSettings {
    pub(super) fn silence(&self, labelling: &Labelling) -> Result<Silence, String> {
        let time = |setting: &str, text: &str| {
            parse_time(text).ok_or_else(|| {
                format!("{setting} is {text:?}, expected a time such as \"2026-11-23T08:00:00Z\"")
            })
        };
        let (from, until) = (time("from", &self.from)?, time("until", &self.until)?);
        if until <= from {
            return Err("until is not after from".into());
        }
        for (setting, text) in [("who", &self.who), ("why", &self.why)] {
            if text.trim().is_empty() {
                return Err(format!("{setting} is empty: others must be able to ask"));
            }
        }
        Ok(Silence {
            matchers: matchers("matchers", &self.matchers, labelling)?,
            from,
            until,
            who: self.who.clone(),
            why: self.why.clone(),
        })
    }
}

/// Without a matcher every alert would be meant, which nobody wants unsaid.
fn matchers(
    setting: &str,
    texts: &[String],
    labelling: &Labelling,
) -> Result<Vec<Matcher>, String> {
    if texts.is_empty() {
        return Err(format!("{setting} is empty, expected some such as rule=\"silence\""));
    }
    let parsed: Vec<Matcher> = texts
        .iter()
        .map(|text| Matcher::parse(text).map_err(|error| format!("{setting}: {error}")))
        .collect::<Result<_, _>>()?;
    let names: Vec<String> = parsed.iter().map(|matcher| matcher.label().to_owned()).collect();
    known(setting, &names, labelling)?;
    Ok(parsed)
}
