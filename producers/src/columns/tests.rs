use std::io::Write;
use std::path::PathBuf;

use polars::prelude::{Column, DataFrame, ParquetWriter};

use super::*;

fn written(folder: &tempfile::TempDir, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::File::create(&path).unwrap().write_all(text.as_bytes()).unwrap();
    path
}

const CSV: &str = "area,beds,wall,sold,empty\n12.5,2,brick,1996-01-02,\nNA,3,,1996-01-03,\n\
                   inf,4,007,1996-01-04,\n";

#[test]
fn a_csv_file_is_read_by_its_columns() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = ColumnFile::open(&written(&folder, "a.csv", CSV)).unwrap();
    let types: Vec<ColumnType> = file.columns().iter().map(|(_, kind)| *kind).collect();
    assert_eq!(
        types,
        [
            ColumnType::Number { whole: false },
            ColumnType::Number { whole: true },
            ColumnType::Label,
            ColumnType::Date,
            ColumnType::Nothing
        ]
    );
    let wanted = [("area", false), ("beds", true), ("wall", true)];
    let wanted = wanted.map(|(name, as_labels)| (name.to_owned(), as_labels));
    file.prepare(&BTreeMap::from(wanted)).unwrap();
    let ColumnValues::Numbers(area) = file.take("area", false).unwrap() else { panic!() };
    assert_eq!((area[0], area[1].is_nan(), area[2]), (12.5, true, f64::INFINITY));
    let labels = |counts: &[(&str, u64)], missing| ColumnValues::Labels {
        counts: counts.iter().map(|(label, count)| ((*label).to_owned(), *count)).collect(),
        missing,
    };
    assert_eq!(file.take("wall", true).unwrap(), labels(&[("007", 1), ("brick", 1)], 1));
    assert_eq!(file.take("beds", true).unwrap(), labels(&[("2", 1), ("3", 1), ("4", 1)], 0));
    assert!(file.take("sold", false).unwrap_err().to_string().contains("no column `sold`"));
}

#[test]
fn a_parquet_file_is_read_by_its_columns() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    let mut frame = DataFrame::new(
        3,
        vec![
            Column::new("area".into(), [Some(12.5), None, Some(f64::INFINITY)]),
            Column::new("beds".into(), [2_i64, 3, 4]),
            Column::new("wall".into(), [Some("brick"), None, Some("007")]),
            Column::new("pool".into(), [true, false, true]),
        ],
    )
    .unwrap();
    ParquetWriter::new(std::fs::File::create(&path).unwrap()).finish(&mut frame).unwrap();
    let mut file = ColumnFile::open(&path).unwrap();
    assert_eq!(file.column("beds"), Some(ColumnType::Number { whole: true }));
    assert_eq!(file.column("wall"), Some(ColumnType::Label));
    let ColumnValues::Numbers(area) = file.take("area", false).unwrap() else { panic!() };
    assert_eq!((area[0], area[1].is_nan(), area[2]), (12.5, true, f64::INFINITY));
    assert_eq!(file.take("beds", false).unwrap(), ColumnValues::Numbers(vec![2.0, 3.0, 4.0]));
    let ColumnValues::Labels { counts, missing } = file.take("wall", true).unwrap() else {
        panic!()
    };
    assert_eq!((counts.len(), missing), (2, 1));
    let ColumnValues::Labels { counts, .. } = file.take("pool", true).unwrap() else { panic!() };
    assert_eq!(counts, BTreeMap::from([("false".to_owned(), 1), ("true".to_owned(), 2)]));
}

#[test]
fn a_key_is_no_category() {
    let folder = tempfile::tempdir().unwrap();
    let keys: String = (0..=MAX_LABELS).map(|i| format!("k{i}\n")).collect();
    let mut file = ColumnFile::open(&written(&folder, "a.csv", &format!("key\n{keys}"))).unwrap();
    file.prepare(&BTreeMap::from([("key".to_owned(), true)])).unwrap();
    assert_eq!(file.take("key", true).unwrap(), ColumnValues::TooManyLabels);
}

#[test]
fn what_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let error = |path: &Path| ColumnFile::open(path).err().unwrap().to_string();
    assert!(error(Path::new("/no/such.csv")).contains("no such file: /no/such.csv"));
    let damaged = written(&folder, "a.parquet", "PAR1 and nothing else");
    assert!(error(&damaged).contains("cannot read the Parquet data"), "{}", error(&damaged));
    let ragged = written(&folder, "a.csv", "a,b\n1,2\n3\n");
    assert!(error(&ragged).contains("line 3"), "{}", error(&ragged));
}
