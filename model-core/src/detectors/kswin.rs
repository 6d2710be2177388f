//! KSWIN: Kolmogorov-Smirnov windowing.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::kolmogorov_smirnov::{largest_difference, p_value};
use super::mersenne_twister::MersenneTwister;
use super::{Detection, Detector, Direction, Unusable, usable};
use crate::monitoring::{InvalidSetting, check_setting as check};

/// Differences of distribution functions up to here are no change, however unlikely.
const NEGLIGIBLE: f64 = 0.1;

/// Settings of [`Kswin`]; the defaults are River's, but for the seed, which River draws.
///
/// | setting | default | range | why |
/// |---|---|---|---|
/// | `alpha` | 0.005 | above 0, below 1 | level of each test; there is one with every number |
/// | `window_size` | 100 | 2 `stat_size` to 1,000,000 | numbers that are looked at |
/// | `stat_size` | 30 | 1 to 10,000 | newest numbers, compared with as many older ones |
/// | `seed` | 42 | | older numbers are drawn at random |
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KswinParams {
    /// Level of significance of each test.
    pub alpha: f64,
    /// Numbers in the window.
    pub window_size: u32,
    /// Newest numbers of the window, compared with as many drawn from the older ones.
    pub stat_size: u32,
    /// Seed of the draws.
    pub seed: u64,
}

impl Default for KswinParams {
    fn default() -> Self {
        Self { alpha: 0.005, window_size: 100, stat_size: 30, seed: 42 }
    }
}

impl KswinParams {
    /// Checks every setting.
    ///
    /// # Errors
    /// The first [`InvalidSetting`] found.
    pub fn check(&self) -> Result<(), InvalidSetting> {
        let ok = self.alpha > 0.0 && self.alpha < 1.0;
        check("kswin.alpha", self.alpha, ok, "above 0, below 1")?;
        let ok = (1..=10_000).contains(&self.stat_size);
        check("kswin.stat_size", self.stat_size, ok, "1 to 10000")?;
        let ok = (2 * self.stat_size..=1_000_000).contains(&self.window_size);
        check("kswin.window_size", self.window_size, ok, "2 kswin.stat_size to 1000000")
    }

    /// Smallest difference, in units of `1 / stat_size`, that is a change. Beyond `stat_size`
    /// nothing is.
    fn smallest_change(&self) -> usize {
        let n = self.stat_size as usize;
        let change = |h: &usize| *h as f64 / n as f64 > NEGLIGIBLE && p_value(n, *h) <= self.alpha;
        (1..=n).find(change).unwrap_or(n + 1)
    }
}

/// Kolmogorov-Smirnov windowing (Raab, Heusinger and Schleif, "Reactive soft prototype computing
/// for concept drift streams", Neurocomputing 2020): compares the distribution of the newest
/// `stat_size` numbers with that of as many drawn from the older ones in the window.
///
/// Once the window is full there is a test with every number, each with a false alarm of
/// `alpha`. At the defaults a stream without any change has a detection every few hundred
/// numbers: lower `alpha` to 0.0001 where a person is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "State", into = "State")]
pub struct Kswin {
    params: KswinParams,
    smallest_change: usize,
    window: VecDeque<f64>,
    random: MersenneTwister,
    observed: u64,
    scratch: Scratch,
}

/// Room for a test, used again by the next.
#[derive(Clone, Debug, Default)]
struct Scratch {
    chosen: Vec<u32>,
    older: Vec<f64>,
    newest: Vec<f64>,
}

/// Scratch is no state: whatever is in it, detectors are the same.
impl PartialEq for Scratch {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Kswin {
    /// A detector that has seen nothing.
    ///
    /// # Errors
    /// The first [`InvalidSetting`] found.
    pub fn new(params: KswinParams) -> Result<Self, InvalidSetting> {
        params.check()?;
        Ok(Self {
            params,
            smallest_change: params.smallest_change(),
            window: VecDeque::with_capacity(params.window_size as usize),
            random: MersenneTwister::new(params.seed),
            observed: 0,
            scratch: Scratch::default(),
        })
    }

    /// Compares the newest numbers with a sample of the older ones.
    fn test(&mut self) -> Option<Detection> {
        let KswinParams { window_size, stat_size, .. } = self.params;
        let Scratch { chosen, older, newest } = &mut self.scratch;
        let n_older = window_size - stat_size;
        self.random.sample(n_older, stat_size, chosen);
        older.clear();
        older.extend(chosen.iter().map(|&index| self.window[index as usize]));
        newest.clear();
        newest.extend(self.window.range(n_older as usize..));
        older.sort_unstable_by(f64::total_cmp);
        newest.sort_unstable_by(f64::total_cmp);
        let difference = largest_difference(older, newest);
        if difference < self.smallest_change {
            return None;
        }
        let n = f64::from(stat_size);
        let change = newest.iter().sum::<f64>() - older.iter().sum::<f64>();
        Some(Detection {
            observed: self.observed,
            statistic: difference as f64 / n,
            threshold: self.smallest_change as f64 / n,
            direction: Direction::of(change),
        })
    }
}

impl Detector for Kswin {
    fn update(&mut self, value: f64) -> Result<Option<Detection>, Unusable> {
        let value = usable(value)?;
        let size = self.params.window_size as usize;
        if self.window.len() == size {
            self.window.pop_front();
        }
        self.window.push_back(value);
        self.observed += 1;
        if self.window.len() < size {
            return Ok(None);
        }
        let detection = self.test();
        if detection.is_some() {
            self.reset();
        }
        Ok(detection)
    }

    fn reset(&mut self) {
        self.window.clear();
        self.random = MersenneTwister::new(self.params.seed);
        self.observed = 0;
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    params: KswinParams,
    window: Vec<f64>,
    random: MersenneTwister,
    observed: u64,
}

impl From<Kswin> for State {
    fn from(Kswin { params, window, random, observed, .. }: Kswin) -> Self {
        Self { params, window: window.into(), random, observed }
    }
}

impl TryFrom<State> for Kswin {
    type Error = String;

    fn try_from(State { params, window, random, observed }: State) -> Result<Self, String> {
        let mut detector = Self::new(params).map_err(|error| error.to_string())?;
        let length = window.len() as u64;
        if length != observed.min(params.window_size.into()) {
            return Err(format!("a KSWIN window cannot hold {length} of {observed} numbers"));
        }
        if let Some(Err(error)) = window.iter().map(|&value| usable(value)).find(Result::is_err) {
            return Err(format!("in a KSWIN window: {error}"));
        }
        detector.window.extend(window);
        Ok(Self { random, observed, ..detector })
    }
}
