use proptest::prelude::*;

use super::*;

fn close(
    history: &mut ShareHistory,
    rule: ShareRule,
    count: u64,
    total: u64,
) -> Option<HealthFinding> {
    history.close(rule, "mls", Counted { count, total }, &SharesParams::default())
}

fn verdict_of(finding: Option<HealthFinding>) -> Option<Verdict> {
    finding.map(|finding| finding.verdict)
}

#[test]
fn a_share_fires_above_its_baseline_and_its_threshold() {
    let rule = ShareRule::Duplicates;
    let mut history = ShareHistory::default();
    for _ in 0..6 {
        assert_eq!(verdict_of(close(&mut history, rule, 10, 1_000)), Some(Verdict::Ok));
    }
    // Three times as many, but few: a warning, and an example for later windows.
    assert_eq!(verdict_of(close(&mut history, rule, 35, 1_000)), Some(Verdict::Warning));
    let finding = close(&mut history, rule, 300, 1_000).unwrap();
    assert_eq!((finding.rule, finding.verdict), ("duplicates", Verdict::Drift));
    assert_eq!((finding.value, finding.threshold), (0.3, 0.05));
    assert_eq!(
        finding.detail,
        "mls: 300 of 1000 listings (30.0 %) had been received before; 1.4 % before (alert from \
         5.0 %); by chance less than 1 in 1,000,000",
    );
    // What stays broken is not learned.
    for _ in 0..20 {
        assert_eq!(verdict_of(close(&mut history, rule, 300, 1_000)), Some(Verdict::Drift));
    }
    assert_eq!(verdict_of(close(&mut history, rule, 10, 1_000)), Some(Verdict::Ok));
}

#[test]
fn without_a_baseline_the_threshold_is_what_chance_is_judged_by() {
    let first = |count, total| {
        verdict_of(close(&mut ShareHistory::default(), ShareRule::NoEstimate, count, total))
    };
    assert_eq!(first(6, 20), Some(Verdict::Drift));
    assert_eq!(first(2, 20), Some(Verdict::Ok), "chance explains 2 of 20 at 5 %");
    assert_eq!(first(19, 19), None, "too few");
    assert_eq!(first(0, 0), None);
    // More than all is all.
    let finding = close(&mut ShareHistory::default(), ShareRule::Lag, 50, 20).unwrap();
    assert_eq!(finding.value, 1.0);
}

#[test]
fn every_rule_finds_a_share_of_a_third_in_the_first_window() {
    let mut chance = Chance::new(5);
    for rule in ShareRule::ALL {
        for _ in 0..200 {
            let mut history = ShareHistory::default();
            let total = 20 + u64::from(chance.0.below(400));
            for _ in 0..6 {
                close(&mut history, rule, chance.binomial(total, 0.004), total);
            }
            let third = total.div_ceil(3);
            let finding = close(&mut history, rule, third, total);
            assert_eq!(verdict_of(finding), Some(Verdict::Drift), "{rule:?} of {total}");
        }
    }
}

#[test]
fn chance_fires_in_at_most_one_window_of_a_thousand() {
    let mut chance = Chance::new(6);
    let rule = ShareRule::Duplicates;
    // Around the threshold it alone would fire in every other window.
    for (share, total) in [(0.01, 50), (0.04, 60), (0.05, 200), (0.05, 1_000)] {
        let (mut judged, mut false_alarms) = (0, 0);
        for _ in 0..400 {
            let mut history = ShareHistory::default();
            for _ in 0..20 {
                let finding = close(&mut history, rule, chance.binomial(total, share), total);
                judged += 1;
                false_alarms += u32::from(verdict_of(finding) == Some(Verdict::Drift));
            }
        }
        // 8,000 windows: 8 expected at most, 18 within three standard deviations.
        assert!(false_alarms <= 18, "{share}, {total}: {false_alarms} of {judged}");
    }
}

proptest! {
    #[test]
    fn larger_shares_are_never_less_of_a_finding(
        before in prop::collection::vec((0..200_u64, 200..2_000_u64), 0..6),
        total in 20..3_000_u64,
        counts in (0..3_000_u64, 0..3_000_u64),
    ) {
        let mut history = ShareHistory::default();
        for (count, total) in before {
            close(&mut history, ShareRule::Degraded, count / 10, total);
        }
        let (less, more) = (counts.0.min(counts.1).min(total), counts.0.max(counts.1).min(total));
        let judge = |count| close(&mut history.clone(), ShareRule::Degraded, count, total).unwrap();
        let (less, more) = (judge(less), judge(more));
        prop_assert!(more.p_value <= less.p_value * (1.0 + 1e-9) + 1e-300);
        prop_assert!((0.0..=1.0).contains(&more.p_value) && (0.0..=1.0).contains(&less.p_value));
        prop_assert!(more.verdict >= less.verdict);
    }
}
