//! Vertical equity indicator: are dear homes estimated at the same level as cheap ones?
//!
//! Source: International Association of Assessing Officers, *Standard on Ratio Studies*,
//! exposure draft of May 2026, appendices D.2 and E. It is proposed guidance; the adopted
//! standard of 2013 knows PRD and PRB only.
//!
//! Of `n` sales with estimates `e`, prices `p` and median ratio `m`:
//!
//! 1. Homes are sorted by a value proxy, `0.5 p + 0.5 e / m`. Neither half alone will do: a
//!    home that happened to sell high stands among the dear ones when sorted by price, and its
//!    ratio is low *because* it sold high. Sorting by price so makes ratios fall, and sorting
//!    by estimate makes them rise, where there is no bias at all.
//! 2. They are cut into 2 groups (20 to 50 sales), 4 (51 to 500) or 10 (more), of sizes that
//!    differ by at most one (percentile definition R7 of the draft).
//! 3. The indicator is `100 (median ratio of the last group - that of the first) / m`, percent;
//!    below 0 dear homes are estimated lower. Within ±10 is accepted.
//! 4. Its significance is the gap between the 90 % intervals of those two medians, in percent
//!    of `m`; a value not above 0 says that they overlap. The draft rejects equity only when
//!    both the indicator and its significance exceed 10.
//!
//! The proxy is even-handed when estimates and prices scatter alike. Where nearly all the noise
//! is the estimates' (or the prices'), half of it is left in the proxy and tilts the indicator
//! up (down): by 7.5 points with ratios spread evenly over 0.8 to 1.2, prices exact.
//!
//! The draft speaks of the groups of highest and lowest median in step 4; these are taken to be
//! those of the two groups that step 3 compares.

use serde::{Deserialize, Serialize};

use super::{EvaluationError, Result, check_positive, pairs};
use crate::evaluation::quantiles::quantile_sorted;

/// Fewest sales that the indicator is defined for.
pub const MIN_SALES: usize = 20;
/// Standard normal quantile of the 90 % intervals, as the draft rounds it.
const Z_90: f64 = 1.645;

/// The indicator with the groups that it rests on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VerticalEquity {
    /// The indicator, percent; negative when dear homes are estimated lower than cheap ones.
    pub value: f64,
    /// Gap between the intervals of the first and the last group, percent of the median
    /// ratio; at most 0 when they overlap.
    pub significance: f64,
    /// The value groups, cheapest homes first.
    pub groups: Vec<ValueGroup>,
}

/// The homes of one value group.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ValueGroup {
    /// Number of sales.
    pub sales: u64,
    /// Median of the value proxy, currency units.
    pub median_proxy: f64,
    /// Median ratio.
    pub median_ratio: f64,
    /// Lower end of the median's 90 % interval: an order statistic.
    pub lower: f64,
    /// Upper end of the median's 90 % interval.
    pub upper: f64,
}

/// Computes the indicator; see the module for its definition.
///
/// # Errors
/// [`EvaluationError`] for empty or unequal input, values not above 0, or fewer than
/// [`MIN_SALES`] homes.
pub fn vertical_equity(estimates: &[f64], prices: &[f64]) -> Result<VerticalEquity> {
    const DEGENERATE: EvaluationError = EvaluationError::Degenerate("vertical_equity");
    check_positive(estimates, prices)?;
    let count = group_count(prices.len()).ok_or(DEGENERATE)?;
    let centre = super::median_ratio(estimates, prices)?;
    let mut homes: Vec<(f64, f64)> =
        pairs(estimates, prices).map(|(e, p)| (value_proxy(e, p, centre), e / p)).collect();
    homes.sort_unstable_by(by_both);

    let mut groups = Vec::with_capacity(count);
    let mut rest = homes.as_slice();
    let mut before = 0;
    for end in group_ends(homes.len(), count) {
        let (group, others) = rest.split_at_checked(end - before).ok_or(DEGENERATE)?;
        groups.push(ValueGroup::of(group).ok_or(DEGENERATE)?);
        (rest, before) = (others, end);
    }
    let (Some(first), Some(last)) = (groups.first(), groups.last()) else {
        return Err(DEGENERATE);
    };
    let (high, low) =
        if last.median_ratio >= first.median_ratio { (last, first) } else { (first, last) };
    Ok(VerticalEquity {
        value: 100.0 * (last.median_ratio - first.median_ratio) / centre,
        significance: 100.0 * (high.lower - low.upper) / centre,
        groups,
    })
}

impl ValueGroup {
    /// Of `(proxy, ratio)` sorted by proxy; `None` for no homes.
    fn of(homes: &[(f64, f64)]) -> Option<Self> {
        let proxies: Vec<f64> = homes.iter().map(|(proxy, _)| *proxy).collect();
        let mut ratios: Vec<f64> = homes.iter().map(|(_, ratio)| *ratio).collect();
        ratios.sort_unstable_by(f64::total_cmp);
        let (lower, upper) = median_interval(&ratios)?;
        Some(Self {
            sales: homes.len() as u64,
            median_proxy: quantile_sorted(&proxies, 0.5)?,
            median_ratio: quantile_sorted(&ratios, 0.5)?,
            lower,
            upper,
        })
    }
}

/// Half price, half estimate at the price's level: `0.5 price + 0.5 estimate / median_ratio`,
/// currency units.
pub fn value_proxy(estimate: f64, price: f64, median_ratio: f64) -> f64 {
    0.5 * price + 0.5 * estimate / median_ratio
}

/// How many value groups `n` sales are cut into; `None` for too few.
pub(super) fn group_count(n: usize) -> Option<usize> {
    match n {
        ..MIN_SALES => None,
        MIN_SALES..=50 => Some(2),
        51..=500 => Some(4),
        _ => Some(10),
    }
}

/// How many of `n` sorted sales lie in the first group, in the first two, and so on to `n`
/// (R7: the percentile rank `i / count` is at position `1 + (n - 1) i / count`).
pub(super) fn group_ends(n: usize, count: usize) -> impl Iterator<Item = usize> {
    (1..=count).map(move |i| if n == 0 { 0 } else { (n - 1) * i / count + 1 })
}

/// The 90 % interval of the median of sorted values, by order statistics (appendix D.2):
/// `1.645 sqrt(n) / 2`, plus a half for even `n`, rounded up, is counted down and up from the
/// median. `None` for no values.
fn median_interval(sorted: &[f64]) -> Option<(f64, f64)> {
    let n = sorted.len();
    let last = n.checked_sub(1)?;
    let half = if n.is_multiple_of(2) { 0.5 } else { 0.0 };
    let reach = (Z_90 * (n as f64).sqrt() / 2.0 + half).ceil() as usize;
    // Zero-based: an odd n counts from its middle, an even one from the far one of its two.
    let lower = *sorted.get((n / 2).saturating_sub(reach))?;
    let upper = *sorted.get(((n - 1) / 2 + reach).min(last))?;
    Some((lower, upper))
}

fn by_both(a: &(f64, f64), b: &(f64, f64)) -> std::cmp::Ordering {
    a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The worked example of the draft (section 6.1, table 1): estimate and price of 54 sales.
    const WORKED: [(f64, f64); 54] = [
        (240_000.0, 690_000.0),
        (144_000.0, 296_250.0),
        (392_000.0, 787_500.0),
        (199_200.0, 372_000.0),
        (340_800.0, 574_500.0),
        (472_000.0, 795_000.0),
        (336_000.0, 559_500.0),
        (284_800.0, 465_000.0),
        (436_000.0, 693_600.0),
        (191_200.0, 298_500.0),
        (225_000.0, 350_000.0),
        (194_000.0, 295_000.0),
        (481_600.0, 732_000.0),
        (338_400.0, 495_000.0),
        (164_800.0, 237_000.0),
        (252_800.0, 352_500.0),
        (945_000.0, 1_289_000.0),
        (280_000.0, 379_000.0),
        (407_000.0, 540_000.0),
        (423_000.0, 560_000.0),
        (306_800.0, 390_000.0),
        (236_800.0, 300_000.0),
        (361_000.0, 450_000.0),
        (290_400.0, 345_000.0),
        (235_200.0, 277_500.0),
        (415_000.0, 485_000.0),
        (381_000.0, 442_000.0),
        (380_000.0, 435_000.0),
        (875_000.0, 998_000.0),
        (680_000.0, 772_500.0),
        (329_000.0, 365_000.0),
        (457_000.0, 487_000.0),
        (516_000.0, 547_500.0),
        (295_200.0, 300_000.0),
        (580_000.0, 580_000.0),
        (840_000.0, 840_000.0),
        (640_000.0, 622_500.0),
        (660_000.0, 637_500.0),
        (354_000.0, 340_000.0),
        (800_000.0, 750_000.0),
        (390_000.0, 352_500.0),
        (800_000.0, 705_000.0),
        (469_000.0, 410_000.0),
        (1_000_000.0, 859_500.0),
        (920_000.0, 787_500.0),
        (527_000.0, 440_000.0),
        (800_000.0, 648_000.0),
        (786_000.0, 630_000.0),
        (496_000.0, 388_500.0),
        (1_000_000.0, 765_000.0),
        (320_000.0, 243_750.0),
        (960_000.0, 720_000.0),
        (952_000.0, 705_000.0),
        (327_200.0, 240_000.0),
    ];

    #[test]
    fn gives_the_figures_of_the_worked_example() {
        let (estimates, prices): (Vec<f64>, Vec<f64>) = WORKED.into_iter().unzip();
        let found = vertical_equity(&estimates, &prices).unwrap();
        let near = |a: f64, b: f64, within: f64| assert!((a - b).abs() <= within, "{a} {b}");
        near(found.value, 48.53, 0.01);
        near(found.significance, 17.57, 0.01);
        let sizes: Vec<u64> = found.groups.iter().map(|group| group.sales).collect();
        assert_eq!(sizes, [14, 13, 13, 14]);
        let (first, last) = (found.groups[0], found.groups[3]);
        for (group, median, lower, upper) in
            [(first, 0.7280, 0.6429, 0.8476), (last, 1.1491, 1.0, 1.2476)]
        {
            near(group.median_ratio, median, 5e-5);
            near(group.lower, lower, 5e-5);
            near(group.upper, upper, 5e-5);
        }
    }

    #[test]
    fn groups_follow_the_number_of_sales() {
        let counts = [19, 20, 50, 51, 500, 501].map(group_count);
        assert_eq!(counts, [None, Some(2), Some(2), Some(4), Some(4), Some(10)]);
        assert_eq!(group_ends(54, 4).collect::<Vec<_>>(), [14, 27, 40, 54]);
        assert_eq!(group_ends(20, 2).collect::<Vec<_>>(), [10, 20]);
    }

    #[test]
    fn the_interval_of_a_median_counts_outwards_from_it() {
        let values: Vec<f64> = (1..=14).map(f64::from).collect();
        // 1.645 sqrt(14) / 2 + 0.5 = 3.6: four down from 8, four up from 7.
        assert_eq!(median_interval(&values), Some((4.0, 11.0)));
        // 1.645 sqrt(13) / 2 = 2.97: three down and up from 7.
        assert_eq!(median_interval(&values[..13]), Some((4.0, 10.0)));
        assert_eq!(median_interval(&values[..2]), Some((1.0, 2.0)));
        assert_eq!(median_interval(&[]), None);
    }

    #[test]
    fn a_level_that_falls_with_value_is_negative() {
        let prices: Vec<f64> = (0..100).map(|i| 1e5 + 1e3 * f64::from(i)).collect();
        let estimates: Vec<f64> = (0..100).map(|i| 1.2 - 0.004 * f64::from(i)).collect();
        let estimates: Vec<f64> = estimates.iter().zip(&prices).map(|(r, p)| r * p).collect();
        let found = vertical_equity(&estimates, &prices).unwrap();
        // Medians 1.152 of homes 0 to 24 and 0.852 of 75 to 99 (R7: 25 each), over 1.002.
        assert!((found.value + 100.0 * 0.3 / 1.002).abs() < 1e-9, "{}", found.value);
        assert!(found.significance > 10.0);
        let few = vertical_equity(&prices[..19], &prices[..19]);
        assert_eq!(few, Err(EvaluationError::Degenerate("vertical_equity")));
    }

    proptest! {
        /// Neither the level of the estimates nor the order of the homes matters.
        #[test]
        fn is_free_of_level_and_order(
            homes in prop::collection::vec((1e5..1e6_f64, 0.5..2.0_f64), 20..80),
            factor in 0.5..2.0_f64,
        ) {
            let prices: Vec<f64> = homes.iter().map(|(price, _)| *price).collect();
            let estimates: Vec<f64> = homes.iter().map(|(price, ratio)| price * ratio).collect();
            let of = vertical_equity(&estimates, &prices).unwrap();
            let scaled: Vec<f64> = estimates.iter().rev().map(|e| e * factor).collect();
            let reversed: Vec<f64> = prices.iter().rev().copied().collect();
            let again = vertical_equity(&scaled, &reversed).unwrap();
            prop_assert!((of.value - again.value).abs() < 1e-6);
            prop_assert!((of.significance - again.significance).abs() < 1e-6);
            prop_assert_eq!(of.groups.iter().map(|g| g.sales).sum::<u64>(), homes.len() as u64);
        }
    }
}
