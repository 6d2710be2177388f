//! A file of facts by key: the columns that are asked for, nothing interpreted.

use std::collections::HashMap;
use std::path::Path;

use crate::error::{ReadError, SourceError};
use crate::row::{Cell, Row};
use crate::source::{self, Source, SourceConfig};
use crate::suggest;

/// The asked-for cells of each row, by the row's key.
pub type FactRows = HashMap<String, Vec<Cell>>;

/// Reads every row of a file (CSV, Parquet, JSON lines; see [`source::FileOptions`]). Rows
/// without a key are left out; of several rows under one key the last counts.
///
/// # Errors
/// When the file cannot be read, lacks a column, or has a row that is damaged.
pub fn read_facts(path: &Path, key: &str, columns: &[String]) -> Result<FactRows, ReadError> {
    let mut rows = source::open(&SourceConfig::file(path))?;
    let key_at = find(&*rows, path, key)?;
    let wanted: Vec<usize> = columns
        .iter()
        .map(|column| find(&*rows, path, column))
        .collect::<Result<_, SourceError>>()?;
    let mut facts = FactRows::new();
    while let Some(row) = rows.next_row() {
        let Row { mut cells, .. } = row?;
        let mut take = |at: &usize| cells.get_mut(*at).map_or(Cell::Missing, |cell| cell.clone());
        let values = wanted.iter().map(&mut take).collect();
        if let Some(key) = take(&key_at).text().filter(|key| !key.is_empty()) {
            facts.insert(key.into_owned(), values);
        }
    }
    Ok(facts)
}

fn find(rows: &dyn Source, path: &Path, column: &str) -> Result<usize, SourceError> {
    rows.columns().iter().position(|name| name == column).ok_or_else(|| {
        let hint = suggest::hint(column, rows.columns().iter().map(String::as_str));
        SourceError::Malformed {
            path: path.to_owned(),
            reason: format!("there is no column `{column}`{hint}"),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::Builder::new().suffix(".csv").tempfile().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn the_asked_for_cells_are_found_by_key() {
        let file = file("zone,parcel,other,depth\nA, 17 ,x,1.5\n,18,y,\nC,,z,3\nD,17,x,2\n");
        let columns = ["depth".to_owned(), "zone".to_owned()];
        let facts = read_facts(file.path(), "parcel", &columns).unwrap();
        assert_eq!(facts.len(), 2);
        let texts = |key: &str| -> Vec<Option<String>> {
            facts[key].iter().map(|cell| cell.text().map(|t| t.into_owned())).collect()
        };
        assert_eq!(texts("17"), [Some("2".into()), Some("D".into())], "the last row counts");
        assert!(facts["18"].iter().all(Cell::is_blank));
    }

    #[test]
    fn a_column_that_is_not_there_is_named_with_the_nearest() {
        let file = file("zone,parcel\nA,17\n");
        let told = |key: &str, column: &str| {
            read_facts(file.path(), key, &[column.to_owned()]).unwrap_err().to_string()
        };
        assert!(told("parcel", "zones").contains("no column `zones`; did you mean `zone`?"));
        assert!(told("parcle", "zone").contains("no column `parcle`"));
    }
}
