//! A group's sales, sorted once, so that every measure of a resample takes a few passes.
//!
//! A resample is a count for each sale. Over values that are sorted already, counts give
//! medians by counting up to a rank, and shares and means by summing: nothing is sorted or
//! copied again.

use crate::evaluation::quantiles::quantile_sorted;
use crate::evaluation::vertical_equity::{group_count, group_ends, value_proxy};

use super::PriceInterval;

/// Percentage errors whose shares are measured: PPE5, PPE10 and PPE20.
const WITHIN: [f64; 3] = [0.05, 0.10, 0.20];
/// Below this spread of log values PRB has no slope to speak of.
const MIN_SPREAD: f64 = 1e-12;

/// An estimated sale of the group.
#[derive(Clone, Copy)]
pub(super) struct Priced<'a> {
    pub(super) estimate: f64,
    pub(super) price: f64,
    pub(super) intervals: &'a [PriceInterval],
}

impl Priced<'_> {
    pub(super) fn ratio(&self) -> f64 {
        self.estimate / self.price
    }

    fn percentage_error(&self) -> f64 {
        (self.estimate - self.price).abs() / self.price
    }
}

/// Every measure of a resample; NaN where one is not defined.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Values {
    pub(super) rmse: f64,
    pub(super) mae: f64,
    pub(super) mape: f64,
    pub(super) mdape: f64,
    pub(super) r2: f64,
    pub(super) rmsle: f64,
    pub(super) ppe: [f64; 3],
    pub(super) ratios: RatioValues,
    /// Coverage and mean interval score, by level.
    pub(super) levels: Vec<(f64, f64)>,
}

/// The ratio study's measures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct RatioValues {
    pub(super) median_ratio: f64,
    pub(super) cod: f64,
    pub(super) prd: f64,
    pub(super) prb: f64,
    pub(super) vertical_equity: f64,
}

/// The sorted sales of one group.
pub(super) struct Sample {
    /// By percentage error.
    errors: Vec<ErrorTerms>,
    /// How many sales have a percentage error up to each of [`WITHIN`].
    within: [usize; 3],
    /// By ratio; without the trimmed ones.
    ratios: Vec<RatioTerms>,
    /// Positions in `errors`, by value proxy; without the trimmed ones.
    by_value: Vec<u32>,
    /// Middle of the log values, which PRB's sums are taken around.
    middle: f64,
    levels: Vec<LevelTerms>,
}

struct ErrorTerms {
    share: f64,
    absolute: f64,
    log_square: f64,
    /// Price less the group's mean price.
    price: f64,
}

struct RatioTerms {
    /// Position in `errors`, where the count of a resample is.
    row: u32,
    /// Position in `by_value`.
    rank: u32,
    ratio: f64,
    estimate: f64,
    price: f64,
}

/// The sales that have an interval of one level.
struct LevelTerms {
    level: f64,
    rows: Vec<IntervalTerms>,
}

struct IntervalTerms {
    row: u32,
    inside: f64,
    score: f64,
}

impl Sample {
    /// Sorts a group's sales. Their order makes no difference: it is replaced by one of their
    /// own. Ratios further than `trim` interquartile ranges from the quartiles are left out of
    /// the ratio study. At least one sale and fewer than 2^32.
    pub(super) fn new(mut sales: Vec<Priced<'_>>, trim: Option<f64>) -> Self {
        sales.sort_by(canonical);
        let mean = sales.iter().map(|sale| sale.price).sum::<f64>() / sales.len() as f64;
        let errors: Vec<ErrorTerms> = sales
            .iter()
            .map(|sale| ErrorTerms {
                share: sale.percentage_error(),
                absolute: (sale.estimate - sale.price).abs(),
                log_square: (sale.estimate.ln_1p() - sale.price.ln_1p()).powi(2),
                price: sale.price - mean,
            })
            .collect();
        let within = WITHIN.map(|share| errors.partition_point(|terms| terms.share <= share));
        let mut sample = Self {
            errors,
            within,
            ratios: ratios(&sales, trim),
            by_value: Vec::new(),
            middle: 0.0,
            levels: levels(&sales),
        };
        sample.rank_by_value();
        sample
    }

    /// Number of estimated sales, trimmed ones included: the length of a resample's counts.
    pub(super) fn len(&self) -> usize {
        self.errors.len()
    }

    /// Number of sales whose ratio is left out of the ratio study.
    pub(super) fn trimmed(&self) -> usize {
        self.errors.len() - self.ratios.len()
    }

    /// Nominal levels and the number of sales with an interval of each, by level.
    pub(super) fn levels(&self) -> impl Iterator<Item = (f64, usize)> {
        self.levels.iter().map(|level| (level.level, level.rows.len()))
    }

    /// Estimates and prices in the ratio study.
    pub(super) fn studied(&self) -> (Vec<f64>, Vec<f64>) {
        self.ratios.iter().map(|terms| (terms.estimate, terms.price)).unzip()
    }

    /// Every measure of the resample with these counts, of [`Sample::len`] sales.
    pub(super) fn measure(&self, counts: &[u32]) -> Values {
        let (mut n, mut square, mut absolute, mut share) = (0.0, 0.0, 0.0, 0.0);
        let (mut log_square, mut price, mut price_square) = (0.0, 0.0, 0.0);
        let total: u64 = counts.iter().map(|&count| u64::from(count)).sum();
        let mut middle = MedianScan::of(total);
        for (terms, &count) in self.errors.iter().zip(counts) {
            let weight = f64::from(count);
            n += weight;
            square += weight * terms.absolute * terms.absolute;
            absolute += weight * terms.absolute;
            share += weight * terms.share;
            log_square += weight * terms.log_square;
            price += weight * terms.price;
            price_square += weight * terms.price * terms.price;
            middle.push(terms.share, count);
        }
        let spread = price_square - price * price / n;
        let up_to =
            |end: usize| -> u64 { counts.iter().take(end).map(|&count| u64::from(count)).sum() };
        Values {
            rmse: (square / n).sqrt(),
            mae: absolute / n,
            mape: share / n,
            mdape: middle.median(),
            r2: if spread > 1e-9 * price_square { 1.0 - square / spread } else { f64::NAN },
            rmsle: (log_square / n).sqrt(),
            ppe: self.within.map(|end| up_to(end) as f64 / n),
            ratios: self.measure_ratios(counts),
            levels: self.levels.iter().map(|level| level.measure(counts)).collect(),
        }
    }

    fn measure_ratios(&self, counts: &[u32]) -> RatioValues {
        let count_of = |row: u32| counts.get(row as usize).copied().unwrap_or(0);
        let total: u64 = self.ratios.iter().map(|terms| u64::from(count_of(terms.row))).sum();
        let (mut ratio, mut estimate, mut price) = (0.0, 0.0, 0.0);
        let mut middle = MedianScan::of(total);
        let mut ends = self.end_groups(total, count_of);
        for terms in &self.ratios {
            let count = count_of(terms.row);
            let weight = f64::from(count);
            ratio += weight * terms.ratio;
            estimate += weight * terms.estimate;
            price += weight * terms.price;
            middle.push(terms.ratio, count);
            if let Some((first, last)) = &mut ends {
                first.push(terms.rank, terms.ratio, count);
                last.push(terms.rank, terms.ratio, count);
            }
        }
        let (n, centre) = (total as f64, middle.median());

        // PRB: ratios on log values, both around fixed middles, which a slope does not feel.
        let (mut deviation, mut x, mut xx, mut xy) = (0.0, 0.0, 0.0, 0.0);
        for terms in &self.ratios {
            let weight = f64::from(count_of(terms.row));
            if weight == 0.0 {
                continue;
            }
            deviation += weight * (terms.ratio - centre).abs();
            let value = value_proxy(terms.estimate, terms.price, centre).log2() - self.middle;
            x += weight * value;
            xx += weight * value * value;
            xy += weight * value * (terms.ratio - centre);
        }
        let spread = xx - x * x / n;
        let slope = (xy - x * (ratio - n * centre) / n) / spread;
        RatioValues {
            median_ratio: centre,
            cod: 100.0 * deviation / n / centre,
            prd: (ratio / n) / (estimate / price),
            prb: if total < 3 || spread < MIN_SPREAD { f64::NAN } else { slope / centre },
            vertical_equity: ends.map_or(f64::NAN, |(first, last)| {
                100.0 * (last.scan.median() - first.scan.median()) / centre
            }),
        }
    }

    /// The first and the last value group of a resample of `total` sales, in the order of the
    /// group's own value proxy.
    fn end_groups(
        &self,
        total: u64,
        count_of: impl Fn(u32) -> u32,
    ) -> Option<(EndGroup, EndGroup)> {
        let groups = group_count(total as usize)?;
        let first_end = group_ends(total as usize, groups).next()? as u64;
        let last_start = group_ends(total as usize, groups).nth(groups.checked_sub(2)?)? as u64;
        let ranked = || (0_u32..).zip(&self.by_value).map(|(rank, row)| (rank, count_of(*row)));
        let (rank, part) = boundary(ranked(), first_end)?;
        let first = EndGroup { rank, part, below: true, scan: MedianScan::of(first_end) };
        let backwards = (0..self.by_value.len() as u32).rev().zip(self.by_value.iter().rev());
        let backwards = backwards.map(|(rank, row)| (rank, count_of(*row)));
        let (rank, part) = boundary(backwards, total - last_start)?;
        let scan = MedianScan::of(total - last_start);
        Some((first, EndGroup { rank, part, below: false, scan }))
    }

    /// Fills `by_value`, the ranks and `middle` from the ratios.
    fn rank_by_value(&mut self) {
        let sorted: Vec<f64> = self.ratios.iter().map(|terms| terms.ratio).collect();
        let centre = quantile_sorted(&sorted, 0.5).unwrap_or(1.0);
        let mut values: Vec<(f64, usize)> = self
            .ratios
            .iter()
            .enumerate()
            .map(|(at, terms)| (value_proxy(terms.estimate, terms.price, centre), at))
            .collect();
        let logs: f64 = values.iter().map(|(value, _)| value.log2()).sum();
        self.middle = logs / values.len() as f64;
        // Positions rise with the ratio, so homes of one value stand by their ratios.
        values.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        for (rank, (_, at)) in (0_u32..).zip(values) {
            if let Some(terms) = self.ratios.get_mut(at) {
                terms.rank = rank;
                self.by_value.push(terms.row);
            }
        }
    }
}

impl LevelTerms {
    /// Coverage and mean interval score; NaN when none of the level's sales is in the resample.
    fn measure(&self, counts: &[u32]) -> (f64, f64) {
        let (mut n, mut inside, mut score) = (0.0, 0.0, 0.0);
        for terms in &self.rows {
            let weight = counts.get(terms.row as usize).copied().map_or(0.0, f64::from);
            n += weight;
            inside += weight * terms.inside;
            score += weight * terms.score;
        }
        (inside / n, score / n)
    }
}

/// The median of counted values that come sorted.
struct MedianScan {
    /// One-based ranks of the two middle values, which are one of an odd number.
    ranks: (u64, u64),
    seen: u64,
    middles: (f64, f64),
}

impl MedianScan {
    fn of(total: u64) -> Self {
        Self { ranks: (total.div_ceil(2), total / 2 + 1), seen: 0, middles: (f64::NAN, f64::NAN) }
    }

    fn push(&mut self, value: f64, count: u32) {
        let until = self.seen + u64::from(count);
        if self.seen < self.ranks.0 && self.ranks.0 <= until {
            self.middles.0 = value;
        }
        if self.seen < self.ranks.1 && self.ranks.1 <= until {
            self.middles.1 = value;
        }
        self.seen = until;
    }

    fn median(&self) -> f64 {
        let (low, high) = self.middles;
        low + 0.5 * (high - low)
    }
}

/// The first or the last value group: the homes on one side of a rank, and `part` of the counts
/// of the home at it.
struct EndGroup {
    rank: u32,
    part: u32,
    below: bool,
    scan: MedianScan,
}

impl EndGroup {
    fn push(&mut self, rank: u32, ratio: f64, count: u32) {
        if rank == self.rank {
            self.scan.push(ratio, self.part);
        } else if (rank < self.rank) == self.below {
            self.scan.push(ratio, count);
        }
    }
}

/// Where the first `wanted` counted homes end: the rank of the last of them and how many of its
/// counts are among them. `None` when there are fewer.
fn boundary(ranked: impl Iterator<Item = (u32, u32)>, wanted: u64) -> Option<(u32, u32)> {
    let mut seen = 0;
    for (rank, count) in ranked {
        if seen + u64::from(count) >= wanted {
            return Some((rank, (wanted - seen) as u32));
        }
        seen += u64::from(count);
    }
    None
}

/// Ratios within reach of the quartiles, sorted; ranks are yet to be filled in.
fn ratios(sales: &[Priced<'_>], trim: Option<f64>) -> Vec<RatioTerms> {
    let mut terms: Vec<RatioTerms> = (0_u32..)
        .zip(sales)
        .map(|(row, sale)| RatioTerms {
            row,
            rank: 0,
            ratio: sale.ratio(),
            estimate: sale.estimate,
            price: sale.price,
        })
        .collect();
    terms.sort_by(|a, b| a.ratio.total_cmp(&b.ratio));
    if let Some(factor) = trim {
        let sorted: Vec<f64> = terms.iter().map(|terms| terms.ratio).collect();
        if let (Some(low), Some(high)) =
            (quantile_sorted(&sorted, 0.25), quantile_sorted(&sorted, 0.75))
        {
            let reach = factor * (high - low);
            terms.retain(|terms| (low - reach..=high + reach).contains(&terms.ratio));
        }
    }
    terms
}

fn levels(sales: &[Priced<'_>]) -> Vec<LevelTerms> {
    let mut levels: Vec<LevelTerms> = Vec::new();
    for (row, sale) in (0_u32..).zip(sales) {
        for interval in sale.intervals {
            let terms = IntervalTerms {
                row,
                inside: f64::from(interval.lower <= sale.price && sale.price <= interval.upper),
                score: interval.score(sale.price),
            };
            match levels.iter_mut().find(|known| known.level == interval.level) {
                Some(known) => known.rows.push(terms),
                None => levels.push(LevelTerms { level: interval.level, rows: vec![terms] }),
            }
        }
    }
    levels.sort_by(|a, b| a.level.total_cmp(&b.level));
    levels
}

/// An order in which only sales that nothing tells apart are equal.
fn canonical(a: &Priced<'_>, b: &Priced<'_>) -> std::cmp::Ordering {
    let ends = |sale: &Priced<'_>| -> Vec<[u64; 3]> {
        let bits = |i: &PriceInterval| [i.level, i.lower, i.upper].map(f64::to_bits);
        sale.intervals.iter().map(bits).collect()
    };
    a.percentage_error()
        .total_cmp(&b.percentage_error())
        .then(a.price.total_cmp(&b.price))
        .then(a.estimate.total_cmp(&b.estimate))
        .then_with(|| ends(a).cmp(&ends(b)))
}
