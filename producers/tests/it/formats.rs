//! Every format, and every way in which a file can be broken.

use std::fs;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use model_core::date::EventDate;
use polars::prelude::{
    DataFrame, DataType, IntoColumn, NamedFrom, ParquetWriter, Series, TimeUnit,
};
use producers::error::{ReadError, SourceError};
use producers::row::{Cell, Place, Row};
use producers::source::{self, SourceConfig};
use tempfile::TempDir;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

const CSV: &str = "id,price,zip\n1,100,02134\n2,200,\n";

fn write(dir: &TempDir, name: &str, content: &[u8]) -> PathBuf {
    let path = dir.path().join(name);
    fs::write(&path, content).unwrap();
    path
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in members {
        writer.start_file(*name, SimpleFileOptions::default()).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn read(path: &Path) -> (Vec<String>, Vec<Result<Row, ReadError>>) {
    let mut source = source::open(&SourceConfig::file(path)).unwrap();
    let rows = std::iter::from_fn(|| source.next_row()).collect();
    (source.columns().to_vec(), rows)
}

fn good(path: &Path) -> (Vec<String>, Vec<Row>) {
    let (columns, rows) = read(path);
    (columns, rows.into_iter().map(Result::unwrap).collect())
}

/// The error text, the directory's name replaced.
fn refusal(dir: &TempDir, config: &SourceConfig) -> String {
    let error = source::open(config).err().expect("refused").to_string();
    error.replace(&format!("{}/", dir.path().display()), "").replace('\\', "/")
}

fn t(text: &str) -> Cell {
    Cell::Text(text.to_owned())
}

#[test]
fn csv_is_text_and_lines_are_counted() {
    let dir = TempDir::new().unwrap();
    let path = write(&dir, "a.csv", CSV.as_bytes());
    let (columns, rows) = good(&path);
    assert_eq!(columns, ["id", "price", "zip"]);
    assert_eq!(rows[0].cells, [t("1"), t("100"), t("02134")]);
    assert_eq!(rows[1].cells, [t("2"), t("200"), Cell::Missing]);
    assert_eq!((rows[1].place, rows[1].number), (Place::Line(3), 2));
}

#[test]
fn one_content_comes_out_of_every_packing() {
    let dir = TempDir::new().unwrap();
    let expected = good(&write(&dir, "a.csv", CSV.as_bytes()));
    let members: &[(&str, &[u8])] = &[("in/a.csv", CSV.as_bytes()), ("__MACOSX/a.csv", b"x")];
    let windows = format!("\u{feff}{}", CSV.replace('\n', "\r\n"));
    for (name, content) in [
        ("b.CSV", CSV.as_bytes().to_vec()),
        ("a.csv.gz", gzip(CSV.as_bytes())),
        ("a.zip", zip(members)),
        ("a.tsv", CSV.replace(',', "\t").into_bytes()),
        ("semicolons.csv", CSV.replace(',', ";").into_bytes()),
        ("two_members.csv.gz", [gzip(&CSV.as_bytes()[..20]), gzip(&CSV.as_bytes()[20..])].concat()),
        ("windows.csv", windows.into_bytes()),
    ] {
        let (columns, rows) = good(&write(&dir, name, &content));
        assert_eq!(columns, expected.0, "{name}");
        assert_eq!(rows, expected.1, "{name}");
    }
}

#[test]
fn bad_csv_rows_are_reported_and_the_rest_is_read() {
    let dir = TempDir::new().unwrap();
    let content = b"id,price\n1,100\n2\n3,\xff\n\"4\n\",400\n5,500,5\n6,600\n";
    let (_, rows) = read(&write(&dir, "a.csv", content));
    let texts: Vec<String> = rows
        .iter()
        .map(|row| match row {
            Ok(row) => format!("{} is row {}", row.place, row.number),
            Err(error) => error.to_string(),
        })
        .collect();
    assert_eq!(
        texts,
        [
            "line 2 is row 1",
            "line 3: 1 values where the header has 2",
            "line 4: column `price` is not UTF-8",
            "line 5 is row 4",
            "line 7: 3 values where the header has 2",
            "line 8 is row 6",
        ]
    );
}

#[test]
fn lines_are_right_with_any_line_ends_and_blank_lines() {
    let dir = TempDir::new().unwrap();
    let text = "id,note\n\n1,\"a\nb\"\n\n\n2,\"\"\n3";
    for (name, content) in [("a.csv", text.to_owned()), ("b.csv", text.replace('\n', "\r\n"))] {
        let (_, rows) = read(&write(&dir, name, content.as_bytes()));
        let [first, second, third] = rows.as_slice() else { panic!("three rows") };
        let (first, second) = (first.as_ref().unwrap(), second.as_ref().unwrap());
        assert_eq!((first.place, second.place), (Place::Line(3), Place::Line(7)), "{name}");
        assert_eq!(second.cells, [t("2"), Cell::Missing], "{name}");
        let error = third.as_ref().unwrap_err().to_string();
        assert_eq!(error, "line 8: 1 values where the header has 2", "{name}");
    }
}

#[test]
fn json_lines_keep_types_and_may_lack_keys() {
    let dir = TempDir::new().unwrap();
    let content = "\u{feff}{\"id\": 1, \"price\": 1.5, \"new\": true}\n\n\
        {\"id\": \"2\", \"media\": [1], \"price\": null}\r\n{\"id\": 3,\n[1]\n";
    for (name, bytes) in
        [("a.jsonl", content.as_bytes().to_vec()), ("a.ndjson.gz", gzip(content.as_bytes()))]
    {
        let (columns, rows) = read(&write(&dir, name, &bytes));
        assert_eq!(columns, ["id", "price", "new", "media"]);
        let first = rows[0].as_ref().unwrap();
        let cells = [Cell::Integer(1), Cell::Number(1.5), Cell::Bool(true), Cell::Missing];
        assert_eq!((first.place, first.cells.as_slice()), (Place::Line(1), cells.as_slice()));
        let second = rows[1].as_ref().unwrap();
        assert_eq!((second.place, second.number), (Place::Line(3), 2));
        assert_eq!(second.cells[..3], [t("2"), Cell::Missing, Cell::Missing]);
        assert!(matches!(second.cells[3], Cell::Unsupported(_)));
        let errors: Vec<String> =
            rows[2..].iter().map(|row| row.as_ref().unwrap_err().to_string()).collect();
        assert!(errors[0].starts_with("line 4: not a JSON object on one line ("), "{errors:?}");
        assert!(errors[1].starts_with("line 5: not a JSON object on one line ("), "{errors:?}");
    }
}

fn parquet_bytes() -> Vec<u8> {
    let text = ["a", "b"];
    let day = Series::new("day".into(), [9_000_i32, -1]).cast(&DataType::Date).unwrap();
    let time = Series::new("time".into(), [86_400_000_i64 * 9_000 + 5, -1]);
    let columns = [
        Series::new("text".into(), text),
        Series::new("nulls".into(), [Some("x"), None]),
        Series::new("float".into(), [1.5_f64, f64::NAN]),
        Series::new("float32".into(), [0.5_f32, 2.0]),
        Series::new("bool".into(), [true, false]),
        Series::new("i8".into(), [1_i32, -2]).cast(&DataType::Int8).unwrap(),
        Series::new("u16".into(), [1_i32, 2]).cast(&DataType::UInt16).unwrap(),
        Series::new("u64".into(), [1_u64, u64::MAX]),
        Series::new("decimal".into(), [12.25_f64, 3.0]).cast(&DataType::Decimal(10, 2)).unwrap(),
        day,
        time.cast(&DataType::Datetime(TimeUnit::Milliseconds, None)).unwrap(),
        Series::new("label".into(), text)
            .cast(&DataType::from_categories(polars::prelude::Categories::global()))
            .unwrap(),
    ];
    let columns = columns.into_iter().map(IntoColumn::into_column).collect();
    let mut frame = DataFrame::new(2, columns).unwrap();
    let mut bytes = Vec::new();
    ParquetWriter::new(&mut bytes).finish(&mut frame).unwrap();
    bytes
}

#[test]
fn parquet_types_become_cells() {
    let dir = TempDir::new().unwrap();
    let bytes = parquet_bytes();
    for (name, content) in [
        ("a.parquet", bytes.clone()),
        ("a.parquet.gz", gzip(&bytes)),
        ("a.zip", zip(&[("a.parquet", &bytes)])),
    ] {
        let (columns, rows) = good(&write(&dir, name, &content));
        assert_eq!(
            columns.join(" "),
            "text nulls float float32 bool i8 u16 u64 decimal day time label"
        );
        let date = |days| Cell::Date(EventDate(days));
        assert_eq!(rows[0].place, Place::Row(1));
        assert_eq!(
            rows[0].cells,
            [
                t("a"),
                t("x"),
                Cell::Number(1.5),
                Cell::Number(0.5),
                Cell::Bool(true),
                Cell::Integer(1),
                Cell::Integer(1),
                Cell::Integer(1),
                Cell::Number(12.25),
                date(9_000),
                date(9_000),
                t("a"),
            ]
        );
        assert_eq!(
            rows[1].cells,
            [
                t("b"),
                Cell::Missing,
                Cell::Missing,
                Cell::Number(2.0),
                Cell::Bool(false),
                Cell::Integer(-2),
                Cell::Integer(2),
                Cell::Number(18_446_744_073_709_551_615.0),
                Cell::Number(3.0),
                date(-1),
                date(-1),
                t("b"),
            ]
        );
    }
}

/// `odd_types.parquet` was written by polars 0.55 with its struct, array, time and time zone
/// features, which this crate does without: the columns are id (text), price (integer), utc
/// (time stamp with a time zone), a struct, a list, an array, a duration, a time and bytes.
#[test]
fn parquet_columns_that_no_field_can_hold_do_no_harm() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/odd_types.parquet");
    let (columns, rows) = good(&path);
    assert_eq!(columns.join(" "), "id price utc address photos pair span clock blob");
    assert_eq!(rows[0].cells[..3], [t("a"), Cell::Integer(100), Cell::Date(EventDate(9_000))]);
    assert_eq!(rows[1].cells[..3], [t("b"), Cell::Integer(200), Cell::Date(EventDate(-1))]);
    assert!(rows[0].cells[3..].iter().all(|cell| matches!(cell, Cell::Unsupported(_))));
}

#[test]
fn broken_files_are_refused_by_name() {
    let dir = TempDir::new().unwrap();
    let parquet = parquet_bytes();
    fs::create_dir(dir.path().join("folder.csv")).unwrap();
    let whole = gzip(CSV.as_bytes());
    let two: &[(&str, &[u8])] = &[("a.csv", CSV.as_bytes()), ("b.csv", b"x")];
    let formats = "the name must end in .csv, .tsv, .parquet, .jsonl or .ndjson, optionally with .gz after it, or in .zip";
    let files: Vec<(&str, Vec<u8>, String)> = vec![
        ("empty.csv", Vec::new(), "empty.csv is empty".into()),
        ("empty.csv.gz", gzip(b""), "empty.csv.gz is empty".into()),
        ("header.csv", b"id,price\n".to_vec(), "header.csv has a header but no rows".into()),
        ("a.xlsx", b"PK\x03\x04".to_vec(), format!("cannot tell the format of a.xlsx: {formats}")),
        ("none", b"x".to_vec(), format!("cannot tell the format of none: {formats}")),
        (
            "cut.csv.gz",
            whole[..whole.len() - 12].to_vec(),
            "cut.csv.gz is cut off: its gzip data end too early (an incomplete download?)".into(),
        ),
        (
            "plain.csv.gz",
            CSV.as_bytes().to_vec(),
            "plain.csv.gz should be gzip by its name, but holds other text".into(),
        ),
        ("packed.csv", whole, "packed.csv should be CSV by its name, but holds gzip".into()),
        ("p.csv", parquet.clone(), "p.csv should be CSV by its name, but holds Parquet".into()),
        (
            "c.parquet",
            CSV.as_bytes().to_vec(),
            "c.parquet should be Parquet by its name, but holds other text".into(),
        ),
        (
            "array.jsonl",
            b"[{}]".to_vec(),
            "array.jsonl should be JSON lines by its name, but holds a JSON array (write one object a line)".into(),
        ),
        (
            "wide.csv",
            b"\xff\xfei\0d\0".to_vec(),
            "wide.csv should be CSV by its name, but holds UTF-16 text (save it as UTF-8)".into(),
        ),
        (
            "twice.csv",
            b"id,price,id\n1,2,3\n".to_vec(),
            "twice.csv: column `id` stands twice in the header".into(),
        ),
        ("latin.csv", b"id,pr\xe9cio\n1,2\n".to_vec(), "latin.csv: the header is not UTF-8 (line 1)".into()),
        ("keys.jsonl", b"{}\n{\n".to_vec(), "keys.jsonl: no line is a JSON object with keys".into()),
        (
            "two.zip",
            zip(two),
            "two.zip: 2 files in the archive; choose one with `member`: a.csv, b.csv".into(),
        ),
        ("none.zip", zip(&[]), "none.zip: no files in the archive".into()),
        (
            "odd.zip",
            zip(&[("readme.txt", b"x")]),
            format!("cannot tell the format of odd.zip (readme.txt): {formats}"),
        ),
    ];
    for (name, content, expected) in files {
        let path = write(&dir, name, &content);
        assert_eq!(refusal(&dir, &SourceConfig::file(path)), expected);
    }
    let missing = SourceConfig::file(dir.path().join("missing.csv"));
    assert_eq!(refusal(&dir, &missing), "no such file: missing.csv");
    let folder = SourceConfig::file(dir.path().join("folder.csv"));
    assert_eq!(refusal(&dir, &folder), "folder.csv is a directory; name a file");
    for cut in [4, 12, parquet.len() / 2, parquet.len() - 1] {
        let path = write(&dir, "cut.parquet", &parquet[..cut]);
        let text = refusal(&dir, &SourceConfig::file(path));
        assert!(text.starts_with("cut.parquet: cannot read the Parquet data ("), "{text}");
    }
}

#[test]
fn damage_after_the_start_ends_the_reading_with_an_error() {
    let dir = TempDir::new().unwrap();
    let mut long = String::from("id,price\n");
    for i in 0..200_000 {
        long.push_str(&format!("{i},{}\n", i * 7919 % 100_003));
    }
    let whole = gzip(long.as_bytes());
    let path = write(&dir, "cut.csv.gz", &whole[..whole.len() / 2]);
    let (_, rows) = read(&path);
    assert!(rows.len() > 1_000);
    let (last, others) = rows.split_last().unwrap();
    assert!(others.iter().all(Result::is_ok));
    let last = last.as_ref().unwrap_err();
    assert!(matches!(last, ReadError::Source(SourceError::TruncatedGzip { .. })), "{last}");
}

#[test]
fn a_member_of_an_archive_can_be_named() {
    let dir = TempDir::new().unwrap();
    let two: &[(&str, &[u8])] = &[("a.csv", CSV.as_bytes()), ("b.csv", b"x\n1\n")];
    let path = write(&dir, "two.zip", &zip(two));
    let mut config = SourceConfig::file(&path);
    config.options.insert("member".into(), "b.csv".into());
    let source = source::open(&config).unwrap();
    assert_eq!(source.columns(), ["x"]);
    assert!(source.name().ends_with("two.zip (b.csv)"));
    config.options.insert("member".into(), "c.csv".into());
    let text = refusal(&dir, &config);
    assert_eq!(text, "two.zip: no member `c.csv` in the archive; did you mean `b.csv`?");
    let mut plain = SourceConfig::file(write(&dir, "a.csv", CSV.as_bytes()));
    plain.options.insert("member".into(), "a.csv".into());
    let text = refusal(&dir, &plain);
    assert_eq!(text, "options of source `file`: `member` is given, but a.csv is not a .zip");
}

#[test]
fn the_factory_names_what_it_does_not_know() {
    let dir = TempDir::new().unwrap();
    let config: SourceConfig = toml::from_str("source = \"fiel\"\npath = \"a.csv\"").unwrap();
    let text = refusal(&dir, &config);
    assert_eq!(text, "unknown source `fiel`; did you mean `file`?; known: file");
    let config: SourceConfig = toml::from_str("source = \"file\"\npth = \"a.csv\"").unwrap();
    let text = refusal(&dir, &config);
    assert!(text.starts_with("options of source `file`: unknown field `pth`"), "{text}");
}
