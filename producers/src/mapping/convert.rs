//! From cells to values. Each function says in words what it expected when it fails.

use std::fmt::Write;

use chrono::format::{Item, StrftimeItems};
use chrono::{DateTime, NaiveDate};
use model_core::date::EventDate;

use super::spec::MissingCode;
use crate::row::Cell;

/// What was expected.
pub(super) type Expected = String;

/// True when the value means "not known".
pub(super) fn is_missing(cell: &Cell, codes: &[MissingCode]) -> bool {
    cell.is_blank()
        || codes.iter().any(|code| match code {
            MissingCode::Text(code) => cell.text().is_some_and(|text| text == code.as_str()),
            MissingCode::Number(code) => cell.number() == Some(*code),
        })
}

/// A finite number.
pub(super) fn number(cell: &Cell) -> Result<f64, Expected> {
    cell.number().filter(|value| value.is_finite()).ok_or_else(|| "a number".to_owned())
}

/// A positive number.
pub(super) fn price(cell: &Cell) -> Result<f64, Expected> {
    let expected = || "a price above 0".to_owned();
    let value = cell.number().ok_or_else(expected)?;
    if value.is_finite() && value > 0.0 { Ok(value) } else { Err(expected()) }
}

/// A whole number; `2.0` is one.
pub(super) fn integer(cell: &Cell) -> Result<i32, Expected> {
    let expected = || "a whole number".to_owned();
    let value = cell.number().ok_or_else(expected)?;
    let fits = value.fract() == 0.0 && value.abs() <= f64::from(i32::MAX);
    if fits { Ok(value as i32) } else { Err(expected()) }
}

/// Trimmed text of any value.
pub(super) fn text(cell: &Cell) -> Result<String, Expected> {
    cell.text().map(std::borrow::Cow::into_owned).ok_or_else(|| "a text or a number".to_owned())
}

/// A date in one cell.
pub(super) fn date(cell: &Cell, format: Option<&str>) -> Result<EventDate, Expected> {
    if let Cell::Date(date) = cell {
        return Ok(*date);
    }
    let expected = || match format {
        Some(format) => format!("a date like {} ({format})", example(format)),
        None => "a date like 2014-10-13 (set `format` for another form)".to_owned(),
    };
    let text = cell.text().ok_or_else(expected)?;
    let parsed = match format {
        Some(format) => NaiveDate::parse_from_str(&text, format).ok().map(EventDate::from),
        None => iso_date(&text),
    };
    parsed.ok_or_else(expected)
}

/// `YYYY-MM-DD`, alone or before a `T` or a blank.
fn iso_date(text: &str) -> Option<EventDate> {
    let (date, rest) = text.split_at_checked(10)?;
    if !(rest.is_empty() || rest.starts_with(['T', ' '])) {
        return None;
    }
    let digits = date.bytes().enumerate().all(|(i, b)| match i {
        4 | 7 => b == b'-',
        _ => b.is_ascii_digit(),
    });
    if digits { EventDate::parse_iso(date) } else { None }
}

/// A strftime format must be well formed and give a whole date.
pub(super) fn check_format(format: &str) -> Result<(), String> {
    if StrftimeItems::new(format).any(|item| matches!(item, Item::Error)) {
        return Err(format!("`{format}` is not a date format (example: %m/%d/%Y)"));
    }
    match NaiveDate::parse_from_str(&example(format), format) {
        Ok(_) => Ok(()),
        Err(_) => Err(format!(
            "`{format}` does not give a whole date (year, month and day); dates without a day need `year` and `month` columns"
        )),
    }
}

/// 2014-10-13 in a format.
fn example(format: &str) -> String {
    const OCTOBER_13_2014: i64 = 1_413_158_400;
    let mut text = String::new();
    let day = DateTime::from_timestamp(OCTOBER_13_2014, 0).unwrap_or_default();
    // Writing fails for formats that are no date at all; the text is then cut short.
    let _ = write!(text, "{}", day.format(format));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn t(text: &str) -> Cell {
        Cell::Text(text.to_owned())
    }

    #[test]
    fn numbers_are_finite_and_not_guessed() {
        assert_eq!(number(&t(" 12.5 ")), Ok(12.5));
        assert_eq!(number(&Cell::Bool(true)), Ok(1.0));
        for bad in [t("abc"), t("NaN"), t("inf"), t("1,200"), Cell::Number(f64::INFINITY)] {
            assert_eq!(number(&bad), Err("a number".to_owned()), "{bad}");
        }
        assert_eq!(integer(&t("2.0")), Ok(2));
        assert_eq!(integer(&t("2.5")), Err("a whole number".to_owned()));
        assert_eq!(integer(&t("3e9")), Err("a whole number".to_owned()));
        assert!(price(&t("0")).is_err() && price(&t("-1")).is_err() && price(&t("1")).is_ok());
    }

    #[test]
    fn labels_keep_leading_zeros_and_whole_numbers_have_no_point() {
        assert_eq!(text(&t("02134 ")), Ok("02134".to_owned()));
        assert_eq!(text(&Cell::Number(98_001.0)), Ok("98001".to_owned()));
        assert_eq!(text(&Cell::Integer(98_001)), Ok("98001".to_owned()));
        assert!(text(&Cell::Unsupported("a list")).is_err());
    }

    #[test]
    fn dates_follow_their_format() {
        let day = EventDate::parse_iso("2014-10-13").unwrap();
        assert_eq!(date(&t("2014-10-13"), None), Ok(day));
        assert_eq!(date(&t("2014-10-13T08:00:00Z"), None), Ok(day));
        assert_eq!(date(&t("20141013T000000"), Some("%Y%m%dT%H%M%S")), Ok(day));
        assert_eq!(date(&Cell::Integer(20_141_013), Some("%Y%m%d")), Ok(day));
        assert_eq!(date(&t("10/13/2014"), Some("%m/%d/%Y")), Ok(day));
        assert_eq!(date(&Cell::Date(day), Some("%m/%d/%Y")), Ok(day));
        for bad in ["2014-13-01", "14-1-1", "2014-10-13x", "2014-1-013", "é2014-10-13"] {
            assert!(date(&t(bad), None).unwrap_err().contains("2014-10-13"), "{bad}");
        }
        let expected = date(&t("2014"), Some("%m/%d/%Y")).unwrap_err();
        assert_eq!(expected, "a date like 10/13/2014 (%m/%d/%Y)");
    }

    #[test]
    fn formats_must_give_a_whole_date() {
        assert_eq!(check_format("%d.%m.%y"), Ok(()));
        assert_eq!(check_format("%Y-%m-%d %H:%M:%S%z"), Ok(()));
        assert!(check_format("%Y-%m").unwrap_err().contains("whole date"));
        assert!(check_format("%Q").unwrap_err().contains("not a date format"));
    }

    #[test]
    fn missing_codes_match_text_or_every_way_of_writing_a_number() {
        let codes = [MissingCode::Number(0.0), MissingCode::Text("NA".to_owned())];
        for missing in [t("0"), t("0.0"), t(" NA"), t(""), Cell::Missing, Cell::Integer(0)] {
            assert!(is_missing(&missing, &codes), "{missing}");
        }
        for known in [t("None"), t("na"), t("1"), Cell::Unsupported("a list")] {
            assert!(!is_missing(&known, &codes), "{known}");
        }
    }
}
