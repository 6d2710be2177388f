use super::*;

/// Sales of Lucas County, 1993-01 to 1998-09.
const LUCAS_MONTHS: [u64; 69] = [
    144, 136, 199, 245, 262, 371, 359, 337, 321, 285, 316, 285, 194, 172, 268, 317, 384, 417, 351,
    373, 341, 323, 275, 304, 190, 191, 288, 299, 392, 443, 412, 469, 394, 407, 347, 298, 232, 249,
    320, 474, 494, 453, 512, 452, 460, 448, 368, 376, 268, 264, 351, 457, 511, 487, 493, 493, 450,
    461, 348, 449, 288, 258, 443, 511, 524, 634, 564, 561, 512,
];
/// Weeks from 1993-01-04 on.
const LUCAS_WEEKS: [u64; 300] = [
    34, 46, 21, 43, 44, 26, 26, 40, 39, 39, 46, 38, 58, 51, 39, 66, 68, 58, 65, 72, 67, 67, 66, 82,
    83, 115, 62, 74, 84, 97, 96, 61, 64, 79, 98, 51, 68, 70, 92, 74, 57, 70, 63, 88, 72, 71, 36,
    95, 52, 76, 58, 53, 52, 56, 33, 40, 43, 37, 41, 49, 56, 49, 65, 45, 91, 69, 57, 74, 94, 75, 84,
    86, 101, 112, 90, 95, 79, 128, 67, 74, 87, 74, 74, 59, 92, 67, 125, 46, 86, 79, 86, 67, 94, 73,
    69, 86, 47, 60, 40, 104, 64, 68, 75, 55, 54, 45, 33, 32, 63, 33, 48, 49, 74, 45, 51, 69, 73,
    60, 46, 83, 110, 91, 64, 87, 94, 108, 76, 99, 96, 120, 102, 88, 86, 103, 131, 84, 94, 93, 149,
    69, 83, 93, 100, 108, 67, 87, 86, 128, 56, 87, 55, 99, 71, 58, 80, 70, 49, 46, 53, 46, 64, 36,
    56, 66, 90, 79, 57, 72, 87, 124, 90, 76, 112, 159, 72, 107, 115, 113, 137, 95, 116, 105, 117,
    78, 121, 104, 154, 88, 85, 94, 123, 118, 98, 104, 109, 119, 74, 87, 97, 153, 97, 58, 89, 73,
    110, 68, 79, 76, 63, 64, 71, 53, 60, 65, 44, 67, 88, 69, 70, 91, 92, 116, 73, 91, 113, 182, 95,
    94, 106, 127, 141, 82, 110, 116, 141, 82, 97, 119, 137, 102, 85, 131, 130, 117, 86, 103, 88,
    150, 78, 79, 93, 117, 126, 62, 94, 66, 117, 85, 105, 80, 78, 62, 61, 69, 80, 79, 48, 57, 74,
    132, 74, 90, 96, 151, 101, 109, 107, 126, 135, 123, 133, 101, 189, 122, 113, 138, 161, 115,
    117, 110, 133, 159, 111, 118, 133, 186, 72, 104, 108, 134,
];
const KING_MONTHS: [u64; 12] =
    [1768, 2180, 2211, 1940, 1774, 1878, 1411, 1471, 978, 1250, 1875, 2231];

const NONE: [usize; 0] = [];

fn judge(windows: &[Window], counts: &[u64]) -> Vec<Option<HealthFinding>> {
    let mut history = VolumeHistory::default();
    let close = |(window, count): (&Window, &u64)| {
        history.close("county", *window, *count, &VolumeParams::default())
    };
    windows.iter().zip(counts).map(close).collect()
}

fn fired(findings: &[Option<HealthFinding>]) -> Vec<usize> {
    let fires = |index: &usize| {
        findings[*index].as_ref().is_some_and(|finding| finding.verdict == Verdict::Drift)
    };
    (0..findings.len()).filter(fires).collect()
}

#[test]
fn real_markets_are_ordinary() {
    let months = windows(WindowKind::Month, "1993-01-01", LUCAS_MONTHS.len());
    let findings = judge(&months, &LUCAS_MONTHS);
    assert_eq!(fired(&findings), NONE);
    assert!(findings.iter().flatten().count() >= 60);
    let weeks = windows(WindowKind::Week, "1993-01-04", LUCAS_WEEKS.len());
    assert_eq!(fired(&judge(&weeks, &LUCAS_WEEKS)), NONE);
    let months = windows(WindowKind::Month, "2014-05-01", KING_MONTHS.len());
    assert_eq!(fired(&judge(&months, &KING_MONTHS)), NONE);
}

/// Halves the counts from each window on and lists where the first is not found.
fn missed(windows: &[Window], counts: &[u64], from: usize) -> Vec<usize> {
    let missed = |start: &usize| {
        let mut counts = counts[..=*start].to_vec();
        counts[*start] /= 2;
        fired(&judge(windows, &counts)) != [*start]
    };
    (from..counts.len()).filter(missed).collect()
}

#[test]
fn half_of_a_real_market_is_found_in_the_first_window() {
    let months = windows(WindowKind::Month, "1993-01-01", LUCAS_MONTHS.len());
    assert_eq!(missed(&months, &LUCAS_MONTHS, 15), NONE);
}

/// A market with seasons, trend and a spread of its own; counts of so many windows.
fn market(
    chance: &mut Chance,
    windows: &[Window],
    mean: f64,
    season: f64,
    spread: f64,
) -> Vec<u64> {
    let count = |window: &Window| {
        let years = f64::from(window.start.0) / 365.25;
        let level = mean * f64::from(window.end.days_since(window.start)) / 30.0;
        let seasonal = 1.0 + season * (std::f64::consts::TAU * years).sin();
        let trend = (0.05 * (years - 20.0)).exp();
        let own = (spread * chance.normal() - 0.5 * spread * spread).exp();
        chance.poisson(level * seasonal * trend * own)
    };
    windows.iter().map(count).collect()
}

#[test]
fn chance_fires_in_at_most_one_window_of_a_hundred() {
    let mut chance = Chance::new(2);
    for (kind, count) in
        [(WindowKind::Month, 72), (WindowKind::Week, 300), (WindowKind::Days(1), 900)]
    {
        let windows = windows(kind, "1990-01-01", count);
        for (mean, season, spread) in [(60.0, 0.0, 0.0), (300.0, 0.3, 0.1), (3_000.0, 0.3, 0.12)] {
            let (mut judged, mut false_alarms) = (0, 0);
            for _ in 0..6_000 / count {
                let findings =
                    judge(&windows, &market(&mut chance, &windows, mean, season, spread));
                judged += findings.iter().flatten().count();
                false_alarms += fired(&findings).len();
            }
            let rate = false_alarms as f64 / judged.max(1) as f64;
            assert!(rate <= 0.01, "{kind:?}, {mean}: {false_alarms} of {judged} windows");
        }
    }
}

#[test]
fn half_is_found_in_the_first_window_and_then_becomes_the_level() {
    let mut chance = Chance::new(3);
    let windows = windows(WindowKind::Month, "1990-01-01", 72);
    let (mut found, mut echoes) = (0, 0);
    for seed in 0..100 {
        let start = 30 + seed % 12;
        let mut counts = market(&mut chance, &windows, 400.0, 0.3, 0.08);
        counts[start..].iter_mut().for_each(|count| *count /= 2);
        let fired = fired(&judge(&windows, &counts));
        found += usize::from(fired.contains(&start));
        echoes += fired.iter().filter(|&&index| index > start + 3).count();
    }
    assert!(found >= 97, "{found} of 100");
    assert!(echoes <= 20, "{echoes} of some 3,000 later windows");
}

#[test]
fn says_what_it_counted() {
    let windows = windows(WindowKind::Days(30), "2020-01-01", 7);
    let findings = judge(&windows, &[400, 380, 420, 390, 410, 400, 120]);
    assert_eq!(findings[..4], [None, None, None, None]);
    let finding = findings[6].clone().unwrap();
    assert_eq!((finding.rule, finding.verdict), ("volume", Verdict::Drift));
    assert_eq!(finding.value, 120.0);
    let start = "county: 120 listings, 30 % of the 400 expected from the windows before (alert up \
                 to 280); by chance ";
    assert!(finding.detail.starts_with(start), "{}", finding.detail);
    let findings = judge(&windows, &[400, 380, 420, 390, 410, 400, 1_600]);
    let finding = findings[6].clone().unwrap();
    assert_eq!((finding.verdict, finding.threshold), (Verdict::Drift, 640.0));
    assert!(finding.detail.contains("(alert from 640)"), "{}", finding.detail);
}

#[test]
fn too_few_listings_are_not_judged() {
    let months = windows(WindowKind::Month, "2020-01-01", 12);
    let findings = judge(&months, &[12, 15, 9, 14, 11, 16, 13, 0, 0, 12, 10, 15]);
    assert_eq!(findings.iter().flatten().count(), 0);
}

#[test]
fn a_source_that_dies_is_found_and_stays_unjudged() {
    let months = windows(WindowKind::Month, "2020-01-01", 40);
    let mut chance = Chance::new(4);
    let mut counts = market(&mut chance, &months, 400.0, 0.2, 0.05);
    counts[25..].fill(0);
    let findings = judge(&months, &counts);
    assert_eq!(fired(&findings), [25, 26, 27]);
    // Nothing says that it is well again.
    assert!(findings[28..].iter().all(Option::is_none));
}

#[test]
fn memory_is_bounded_and_order_is_kept() {
    let params = VolumeParams { max_windows: 8, ..VolumeParams::default() };
    let mut history = VolumeHistory::default();
    let days = windows(WindowKind::Days(1), "2020-01-01", 100);
    for window in &days {
        history.close("county", *window, 100, &params);
    }
    let state = serde_json::to_value(&history).unwrap();
    assert_eq!(state["windows"].as_array().map(Vec::len), Some(8));
    let before = history.clone();
    assert_eq!(history.close("county", days[50], 100, &params), None);
    assert_eq!(history, before);
}
