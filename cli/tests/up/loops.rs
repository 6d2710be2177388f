//! The loop end to end: what is priced, what is learned, and that it is the same every time.

use serde_json::Value;

use crate::support::{Place, number};

/// Every reason code that a dead letter may have: bounded, as labels must be.
const CODES: [&str; 8] = [
    "empty",
    "truncated",
    "malformed",
    "trailing_bytes",
    "unknown_framing",
    "unknown_schema",
    "schema_registry_not_configured",
    "too_large",
];
const INVALID: [&str; 5] =
    ["missing_field", "not_finite", "out_of_range", "future_date", "too_long"];

fn share(report: &Value, key: &str) -> f64 {
    report[key].as_f64().unwrap_or_else(|| panic!("{key} is {}", report[key]))
}

#[test]
fn the_loop_prices_watches_and_learns_and_does_it_again_bit_for_bit() {
    let place = Place::with_every(5);
    let (first, second) = std::thread::scope(|scope| {
        let again = scope.spawn(|| place.up("again", &["--speed", "max"]));
        (place.up("first", &["--speed", "max"]), again.join().unwrap())
    });
    assert!(number(&first, "listings_produced") > 3_000);
    assert_eq!((number(&first, "dead_letters"), number(&first, "garbage_produced")), (0, 0));
    assert!(share(&first, "mdape") < 0.16, "{}", first["mdape"]);
    assert!((0.80..=0.95).contains(&share(&first, "coverage90")), "{}", first["coverage90"]);
    assert!(number(&first, "drift_promotions") >= 1);
    assert!(number(&first, "swaps") >= number(&first, "promotions"));
    let wall = |alert: &Value| alert["feature"] == "wall" && alert["state"] == "firing";
    assert!(first["alerts_list"].as_array().unwrap().iter().any(wall), "the break of 1996");
    for key in ["prices_sha256", "champion", "champion_digest", "alerts_list", "mdape"] {
        assert_eq!(first[key], second[key], "{key}");
    }
}

#[test]
fn garbage_is_told_apart_and_changes_no_price() {
    let place = Place::with_every(15);
    let live = ["--speed", "max", "--history", "0.6"];
    let clean = place.up("clean", &live);
    let with = place.up("garbage", &[&live[..], &["--garbage", "5%"]].concat());
    let garbage = number(&with, "garbage_produced");
    assert!(garbage >= 30, "{garbage}");
    assert_eq!(number(&with, "listings_produced") - garbage, number(&clean, "listings_produced"));
    let refused = number(&with, "dead_letters") + number(&with, "no_estimate");
    assert_eq!(refused, garbage + number(&clean, "no_estimate"));
    assert!(number(&with, "dead_letters") > 0);
    for (code, _) in with["dead_letter_reasons"].as_object().unwrap() {
        let known = CODES.iter().chain(&INVALID).any(|known| known == code);
        assert!(known || code == "wrong_record" || code == "key_mismatch", "{code}");
    }
    for key in ["prices_sha256", "champion_digest", "alerts_list"] {
        assert_eq!(with[key], clean[key], "{key}");
    }
}

#[test]
fn speed_changes_nothing_but_time() {
    let place = Place::with_every(10);
    let live = ["--history", "0.85", "--speed"];
    let fast = place.up("fast", &[&live[..], &["max"]].concat());
    let paced = place.up("paced", &[&live[..], &["100000"]].concat());
    for key in ["prices_sha256", "champion_digest", "alerts_list", "listings_produced"] {
        assert_eq!(paced[key], fast[key], "{key}");
    }
}

#[test]
fn prices_are_written_line_by_line_for_who_asks() {
    let place = Place::with_every(15);
    let arguments = ["--speed", "max", "--history", "0.9", "--prices", "prices.jsonl"];
    let report = place.up("prices", &arguments);
    let text = std::fs::read_to_string(place.path("prices.jsonl")).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len() as u64, number(&report, "listings_produced"));
    let dates: Vec<&str> = lines.iter().map(|line| line["event_date"].as_str().unwrap()).collect();
    assert!(dates.is_sorted());
    let priced = lines.iter().filter(|line| line["estimate"].is_number());
    assert_eq!(priced.count() as u64, number(&report, "prices_published"));
}
