//! ADWIN: adaptive windowing.

use serde::{Deserialize, Serialize};

use super::{Detection, Detector, Direction, Unusable, usable};
use crate::monitoring::{InvalidSetting, check_setting as check};

/// Rows that a new window has room for: more numbers than any stream brings soon.
const ROOM: usize = 24;

/// Settings of [`Adwin`]; the defaults are River's.
///
/// | setting | default | range | why |
/// |---|---|---|---|
/// | `delta` | 0.002 | above 0, below 1 | bounds the chance of a false detection |
/// | `clock` | 32 | at least 1 | looking only now and then costs less, and sees changes later |
/// | `max_buckets` | 5 | 2 to 100 | more find the moment of a change more finely, and cost more |
/// | `min_window_length` | 5 | at least 1 | means of fewer numbers are not compared |
/// | `grace_period` | 10 | | |
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdwinParams {
    /// Level of significance.
    pub delta: f64,
    /// Looks for a change with every so many numbers.
    pub clock: u32,
    /// Most buckets of one size; one more, and the two oldest become one of the next size.
    pub max_buckets: u32,
    /// Fewest numbers on either side of a cut.
    pub min_window_length: u32,
    /// Looks for no change in so many numbers or fewer.
    pub grace_period: u32,
}

impl Default for AdwinParams {
    fn default() -> Self {
        Self { delta: 0.002, clock: 32, max_buckets: 5, min_window_length: 5, grace_period: 10 }
    }
}

impl AdwinParams {
    /// Checks every setting.
    ///
    /// # Errors
    /// The first [`InvalidSetting`] found.
    pub fn check(&self) -> Result<(), InvalidSetting> {
        let ok = self.delta > 0.0 && self.delta < 1.0;
        check("adwin.delta", self.delta, ok, "above 0, below 1")?;
        check("adwin.clock", self.clock, self.clock >= 1, "at least 1")?;
        let ok = (2..=100).contains(&self.max_buckets);
        check("adwin.max_buckets", self.max_buckets, ok, "2 to 100")?;
        let length = self.min_window_length;
        check("adwin.min_window_length", length, length >= 1, "at least 1")
    }
}

/// Adaptive windowing (Bifet and Gavaldà, "Learning from time-changing data with adaptive
/// windowing", SIAM 2007): compares the means on both sides of every cut of a window that grows
/// as long as nothing changes.
///
/// The window is kept as sums of buckets of 1, 2, 4, ... numbers, newest and smallest first, so
/// that cuts are fine where it matters. A change is detected when, for some cut into `n0` older
/// and `n1` newer numbers, the means differ by more than
///
/// ```text
/// sqrt(2 m v d) + 2/3 m d    m = 1/(n0 - l + 1) + 1/(n1 - l + 1),  l = min_window_length
///                            d = ln(2 ln(n0 + n1) / delta),  v = variance of the window
/// ```
///
/// Buckets of a size lie side by side, and rows of them in one piece of memory: an update
/// allocates nothing, but when the window first reaches a size beyond 2^24 numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "State", into = "State")]
pub struct Adwin {
    params: AdwinParams,
    /// `params.max_buckets + 1` places a row; row `i` holds sums of `2^i` numbers, oldest first.
    sums: Vec<f64>,
    /// Buckets of each row.
    counts: Vec<u32>,
    /// Numbers in the window.
    width: u64,
    /// Their sum.
    total: f64,
    /// The sum of their squared deviations from their mean.
    deviation: f64,
}

impl Adwin {
    /// A detector that has seen nothing.
    ///
    /// # Errors
    /// The first [`InvalidSetting`] found.
    pub fn new(params: AdwinParams) -> Result<Self, InvalidSetting> {
        params.check()?;
        let places = params.max_buckets as usize + 1;
        let mut detector = Self {
            params,
            sums: Vec::with_capacity(ROOM * places),
            counts: Vec::with_capacity(ROOM),
            width: 0,
            total: 0.0,
            deviation: 0.0,
        };
        detector.reset();
        Ok(detector)
    }

    /// Numbers in the window: those since the last detection.
    pub fn width(&self) -> u64 {
        self.width
    }

    /// Mean of the window, 0 of an empty one.
    pub fn mean(&self) -> f64 {
        if self.width == 0 { 0.0 } else { self.total / self.width as f64 }
    }

    /// Variance of the window (the mean squared deviation), 0 of an empty one.
    pub fn variance(&self) -> f64 {
        if self.width == 0 { 0.0 } else { self.deviation / self.width as f64 }
    }

    /// Places that can be filled without asking for memory.
    #[cfg(test)]
    pub(super) fn room(&self) -> (usize, usize) {
        (self.sums.capacity(), self.counts.capacity())
    }

    fn places(&self) -> usize {
        self.params.max_buckets as usize + 1
    }

    fn insert(&mut self, value: f64) {
        let before = self.width as f64;
        self.width += 1;
        if before > 0.0 {
            let distance = value - self.total / before;
            self.deviation += before * distance * distance / self.width as f64;
        }
        self.total += value;
        self.push(value);
    }

    /// Adds a bucket of one number; full rows pass the sum of their two oldest buckets on.
    fn push(&mut self, value: f64) {
        let places = self.places();
        let mut sum = value;
        for (row, count) in self.sums.chunks_exact_mut(places).zip(&mut self.counts) {
            let filled = *count as usize;
            row[filled] = sum;
            if filled + 1 < places {
                *count += 1;
                return;
            }
            sum = row[0] + row[1];
            row.copy_within(2.., 0);
            row[places - 2..].fill(0.0);
            *count -= 1;
        }
        self.counts.push(1);
        self.sums.push(sum);
        self.sums.resize(self.counts.len() * places, 0.0);
    }

    /// The first cut, from the oldest on, whose sides differ beyond chance.
    fn change(&self) -> Option<Detection> {
        let least = f64::from(self.params.min_window_length);
        let width = self.width as f64;
        let chance = (2.0 * width.ln() / self.params.delta).ln();
        let variance = self.deviation / width;
        let rows = self.sums.chunks_exact(self.places()).zip(&self.counts).enumerate().rev();
        let (mut n0, mut n1, mut sum0, mut sum1) = (0.0, width, 0.0, self.total);
        for (row, (sums, &count)) in rows {
            let size = (1_u64 << row) as f64;
            for &sum in &sums[..count as usize] {
                n0 += size;
                n1 -= size;
                sum0 += sum;
                sum1 -= sum;
                if n1 < least {
                    return None;
                }
                if n0 < least {
                    continue;
                }
                let difference: f64 = sum0 / n0 - sum1 / n1;
                let m = 1.0 / (n0 - least + 1.0) + 1.0 / (n1 - least + 1.0);
                let threshold = (2.0 * m * variance * chance).sqrt() + 2.0 / 3.0 * chance * m;
                if difference.abs() > threshold {
                    return Some(Detection {
                        observed: self.width,
                        statistic: difference.abs(),
                        threshold,
                        direction: Direction::of(-difference),
                    });
                }
            }
        }
        None
    }
}

impl Detector for Adwin {
    fn update(&mut self, value: f64) -> Result<Option<Detection>, Unusable> {
        self.insert(usable(value)?);
        let AdwinParams { clock, grace_period, .. } = self.params;
        if !self.width.is_multiple_of(u64::from(clock)) || self.width <= u64::from(grace_period) {
            return Ok(None);
        }
        let detection = self.change();
        if detection.is_some() {
            self.reset();
        }
        Ok(detection)
    }

    fn reset(&mut self) {
        self.sums.clear();
        self.counts.clear();
        self.sums.resize(self.places(), 0.0);
        self.counts.push(0);
        (self.width, self.total, self.deviation) = (0, 0.0, 0.0);
    }
}

/// What is serialised: the filled places alone.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    params: AdwinParams,
    total: f64,
    deviation: f64,
    /// Sums of each row, oldest first, smallest buckets first.
    rows: Vec<Vec<f64>>,
}

impl From<Adwin> for State {
    fn from(detector: Adwin) -> Self {
        let rows = detector.sums.chunks_exact(detector.places()).zip(&detector.counts);
        Self {
            params: detector.params,
            total: detector.total,
            deviation: detector.deviation,
            rows: rows.map(|(sums, &count)| sums[..count as usize].to_vec()).collect(),
        }
    }
}

impl TryFrom<State> for Adwin {
    type Error = String;

    fn try_from(state: State) -> Result<Self, String> {
        let mut detector = Self::new(state.params).map_err(|error| error.to_string())?;
        let places = detector.places();
        let rows = state.rows.len();
        if rows == 0 || rows > 63 {
            return Err(format!("an ADWIN window has {rows} rows of buckets, expected 1 to 63"));
        }
        detector.sums.resize(rows * places, 0.0);
        detector.counts.resize(rows, 0);
        let places = detector.sums.chunks_exact_mut(places).zip(&mut detector.counts);
        for (index, (row, (place, count))) in state.rows.iter().zip(places).enumerate() {
            let fits = row.len() < place.len() && (rows == 1 || !row.is_empty());
            if !fits || row.iter().any(|sum| !sum.is_finite()) {
                return Err(format!("row {index} of an ADWIN window cannot hold {row:?}"));
            }
            place[..row.len()].copy_from_slice(row);
            *count = row.len() as u32;
            detector.width += (row.len() as u64) << index;
        }
        if !state.total.is_finite() || !state.deviation.is_finite() || state.deviation < 0.0 {
            let State { total, deviation, .. } = state;
            return Err(format!("an ADWIN window cannot have sums {total} and {deviation}"));
        }
        (detector.total, detector.deviation) = (state.total, state.deviation);
        Ok(detector)
    }
}
