//! External facts: from settings to sources that the scorer asks.

use std::path::Path;

use anyhow::{Context, anyhow};
use platform_facts::{
    FactCache, FactKey, FactMetrics, FactTable, FactValue, HttpSource, PostgresSource, ReadTable,
    TableSource,
};
use producers::read_facts;
use producers::row::Cell;
use prometheus::Registry;
use scorer::{Enricher, FactsSource};

use crate::error::CliError;
use crate::settings::{FactsSettings, SourceSettings};

/// The sources that are configured, their metrics registered. Files are read now; nothing else
/// is asked before it is needed.
pub(crate) fn enricher(
    settings: &FactsSettings,
    registry: &Registry,
) -> Result<Enricher, CliError> {
    if settings.sources.is_empty() {
        return Ok(Enricher::default());
    }
    let metrics = FactMetrics::register(registry).map_err(CliError::failed)?;
    let sources = settings.sources.iter().map(|source| {
        let made = made(settings, source, &metrics);
        made.with_context(|| format!("facts.sources.{}", source.name)).map_err(CliError::Usage)
    });
    Ok(Enricher::new(sources.collect::<Result<_, CliError>>()?))
}

fn made(
    settings: &FactsSettings,
    source: &SourceSettings,
    metrics: &FactMetrics,
) -> Result<FactsSource, anyhow::Error> {
    let how = settings.cache(source);
    let told = |reason: String| anyhow!(reason);
    let cache = if let Some(postgres) = source.postgres().map_err(told)? {
        FactCache::new(how, PostgresSource::new(postgres)?, metrics)
    } else if let Some(http) = source.http().map_err(told)? {
        FactCache::new(how, HttpSource::new(http)?, metrics)
    } else if let Some(file) = &source.file {
        let read = reader(file.key_column.clone(), source.columns().map_err(told)?);
        let table = TableSource::open(file.path.clone(), read, file.max_table_bytes);
        FactCache::new(how, table.context("file")?, metrics)
    } else {
        return Err(anyhow!("expected one of the tables postgres, http and file"));
    };
    let facts = source.facts().map_err(told)?.into_iter().map(|(fact, _)| fact).collect();
    Ok(FactsSource { cache, key: source.key().map_err(told)?, facts })
}

fn reader(key_column: String, columns: Vec<String>) -> ReadTable {
    Box::new(move |path: &Path| {
        let rows = read_facts(path, &key_column, &columns).map_err(|error| error.to_string())?;
        let rows = rows
            .into_iter()
            .map(|(key, cells)| (FactKey::from(key), cells.into_iter().map(value).collect()));
        Ok(rows.collect::<FactTable>())
    })
}

/// A cell as a fact. A text stays one, even where it reads as a number: the settings say what
/// is to be taken as a number.
fn value(cell: Cell) -> Option<FactValue> {
    if cell.is_blank() {
        return None;
    }
    match cell {
        Cell::Integer(_) | Cell::Number(_) => cell.number().map(FactValue::Number),
        cell => cell.text().map(|text| FactValue::Text(text.into_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::FileTable;

    #[test]
    fn a_files_cells_become_facts_and_what_it_lacks_is_named() {
        let file = tempfile::Builder::new().suffix(".jsonl").tempfile().unwrap();
        let rows = "{\"id\": 17, \"zone\": \"A\", \"score\": 1.5}\n{\"id\": 18, \"zone\": \" \"}\n";
        std::fs::write(file.path(), rows).unwrap();
        let read = reader("id".into(), vec!["zone".into(), "score".into()]);
        let table = read(file.path()).unwrap();
        let text = FactValue::Text("A".into());
        assert_eq!(*table["17"], [Some(text), Some(FactValue::Number(1.5))]);
        assert_eq!(*table["18"], [None, None]);

        let mut source = SourceSettings { name: "zones".into(), ..SourceSettings::default() };
        source.fields.insert("LivingArea".into(), "area".into());
        let path = file.path().to_owned();
        source.file = Some(FileTable { path, key_column: "id".into(), ..FileTable::default() });
        let settings = FactsSettings { sources: vec![source], ..FactsSettings::default() };
        let error = enricher(&settings, &Registry::new()).err().unwrap().to_string();
        assert!(error.starts_with("facts.sources.zones: file: "), "{error}");
        assert!(error.contains("no column `area`"), "{error}");
    }
}
