//! The Page-Hinkley test.

use serde::{Deserialize, Serialize};

use super::{Detection, Detector, Direction, Unusable, usable};
use crate::monitoring::{InvalidSetting, check_setting as check};

/// Which changes of the mean count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PageHinkleyMode {
    /// Up.
    Up,
    /// Down.
    Down,
    /// Up or down.
    #[default]
    Both,
}

/// Settings of [`PageHinkley`]; the defaults are River's.
///
/// | setting | default | range | why |
/// |---|---|---|---|
/// | `min_instances` | 30 | | the mean of fewer numbers is no reference |
/// | `delta` | 0.005 | finite | changes of this size do not count; in units of the stream |
/// | `threshold` | 50 | above 0 | summed deviations that are a change; in units of the stream |
/// | `alpha` | 0.9999 | above 0, to 1 | sums forget by this factor with each number |
/// | `mode` | `"both"` | | |
///
/// Delta and threshold are absolute: a stream of log errors around 0.1 hardly ever sums to 50.
/// Divide it by its standard deviation, or lower the threshold.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PageHinkleyParams {
    /// Detects nothing with fewer numbers.
    pub min_instances: u64,
    /// Deviation from the mean, in units of the stream, that does not count.
    pub delta: f64,
    /// Sum of deviations, in units of the stream, above which a change is detected.
    pub threshold: f64,
    /// Factor by which sums are forgotten with each number.
    pub alpha: f64,
    /// Which changes count.
    pub mode: PageHinkleyMode,
}

impl Default for PageHinkleyParams {
    fn default() -> Self {
        Self {
            min_instances: 30,
            delta: 0.005,
            threshold: 50.0,
            alpha: 1.0 - 0.0001,
            mode: PageHinkleyMode::Both,
        }
    }
}

impl PageHinkleyParams {
    /// Checks every setting.
    ///
    /// # Errors
    /// The first [`InvalidSetting`] found.
    pub fn check(&self) -> Result<(), InvalidSetting> {
        check("page_hinkley.delta", self.delta, self.delta.is_finite(), "a finite number")?;
        let ok = self.threshold > 0.0 && self.threshold.is_finite();
        check("page_hinkley.threshold", self.threshold, ok, "above 0")?;
        let ok = self.alpha > 0.0 && self.alpha <= 1.0;
        check("page_hinkley.alpha", self.alpha, ok, "above 0 to 1")
    }
}

/// The Page-Hinkley test (Page, "Continuous inspection schemes", Biometrika 1954): sums how far
/// numbers lie from the mean of all so far, less what does not count, and compares the sum with
/// its extreme.
///
/// ```text
/// up(t)   = alpha up(t-1)   + (x - mean) - delta    change if up - min(up) > threshold
/// down(t) = alpha down(t-1) + (x - mean) + delta    change if max(down) - down > threshold
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "State", into = "State")]
pub struct PageHinkley {
    params: PageHinkleyParams,
    stream: Stream,
}

/// What is known of the stream since the detector was new or had its last detection.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stream {
    observed: u64,
    mean: f64,
    up: f64,
    down: f64,
    /// Least `up`.
    least: Option<f64>,
    /// Largest `down`.
    most: f64,
}

impl Default for Stream {
    fn default() -> Self {
        // River starts the largest sum at -1: a fall that starts with the first numbers is
        // seen a little later than a rise.
        Self { observed: 0, mean: 0.0, up: 0.0, down: 0.0, least: None, most: -1.0 }
    }
}

impl PageHinkley {
    /// A detector that has seen nothing.
    ///
    /// # Errors
    /// The first [`InvalidSetting`] found.
    pub fn new(params: PageHinkleyParams) -> Result<Self, InvalidSetting> {
        params.check()?;
        Ok(Self { params, stream: Stream::default() })
    }

    /// Mean since the last detection, 0 of an empty stream.
    pub fn mean(&self) -> f64 {
        self.stream.mean
    }
}

impl Detector for PageHinkley {
    fn update(&mut self, value: f64) -> Result<Option<Detection>, Unusable> {
        let value = usable(value)?;
        let PageHinkleyParams { min_instances, delta, threshold, alpha, mode } = self.params;
        let s = &mut self.stream;
        s.observed += 1;
        s.mean += (1.0 / s.observed as f64) * (value - s.mean);
        let deviation = value - s.mean;
        s.up = alpha * s.up + deviation - delta;
        s.down = alpha * s.down + deviation + delta;
        let least = s.least.map_or(s.up, |least| least.min(s.up));
        s.least = Some(least);
        s.most = s.most.max(s.down);
        if s.observed < min_instances {
            return Ok(None);
        }
        let (rise, fall) = (s.up - least, s.most - s.down);
        let rose = rise > threshold && mode != PageHinkleyMode::Down;
        let fell = fall > threshold && mode != PageHinkleyMode::Up;
        if !rose && !fell {
            return Ok(None);
        }
        let (statistic, direction) =
            if rose { (rise, Direction::Up) } else { (fall, Direction::Down) };
        let detection = Detection { observed: s.observed, statistic, threshold, direction };
        self.reset();
        Ok(Some(detection))
    }

    fn reset(&mut self) {
        self.stream = Stream::default();
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    params: PageHinkleyParams,
    stream: Stream,
}

impl From<PageHinkley> for State {
    fn from(PageHinkley { params, stream }: PageHinkley) -> Self {
        Self { params, stream }
    }
}

impl TryFrom<State> for PageHinkley {
    type Error = String;

    fn try_from(State { params, stream }: State) -> Result<Self, String> {
        let detector = Self::new(params).map_err(|error| error.to_string())?;
        let sums = [stream.mean, stream.up, stream.down, stream.most];
        if sums.iter().chain(&stream.least).any(|sum| !sum.is_finite()) {
            return Err(format!("a Page-Hinkley test cannot have the sums {stream:?}"));
        }
        Ok(Self { stream, ..detector })
    }
}
