use proptest::prelude::*;
use serde::de::DeserializeOwned;

use super::*;

fn adwin() -> Adwin {
    Adwin::new(AdwinParams::default()).unwrap()
}

fn page_hinkley() -> PageHinkley {
    PageHinkley::new(PageHinkleyParams::default()).unwrap()
}

fn kswin() -> Kswin {
    Kswin::new(KswinParams::default()).unwrap()
}

/// The first detection and its index.
fn first(detector: &mut dyn Detector, stream: &[f64]) -> Option<(usize, Detection)> {
    let mut stream = stream.iter().enumerate();
    stream.find_map(|(index, &value)| Some((index, detector.update(value).unwrap()?)))
}

/// A stream that goes from 0 to `level` after `before` numbers, with a little saw on it.
fn step(before: usize, level: f64, length: usize) -> Vec<f64> {
    (0..length).map(|i| if i < before { 0.0 } else { level } + 0.1 * (i % 7) as f64).collect()
}

#[test]
fn each_sees_a_step_and_says_where_it_went() {
    let detectors: [Box<dyn Fn() -> Box<dyn Detector>>; 3] = [
        Box::new(|| Box::new(adwin())),
        Box::new(|| Box::new(page_hinkley())),
        Box::new(|| Box::new(kswin())),
    ];
    for make in detectors {
        for (level, direction) in [(3.0, Direction::Up), (-3.0, Direction::Down)] {
            let (index, detection) = first(&mut *make(), &step(500, level, 1_000)).unwrap();
            assert!((500..560).contains(&index), "{index}");
            assert_eq!(detection.observed, index as u64 + 1);
            assert_eq!(detection.direction, direction);
            assert!(detection.statistic >= detection.threshold, "{detection:?}");
        }
        assert_eq!(first(&mut *make(), &step(500, 0.0, 5_000)), None);
    }
}

#[test]
fn adwin_knows_its_window() {
    let mut detector = adwin();
    assert_eq!((detector.width(), detector.mean(), detector.variance()), (0, 0.0, 0.0));
    for value in [1.0, 2.0, 3.0, 4.0, 5.0] {
        detector.update(value).unwrap();
    }
    assert_eq!((detector.width(), detector.mean(), detector.variance()), (5, 3.0, 2.0));
}

#[test]
fn page_hinkley_minds_the_side() {
    let params = |mode| PageHinkleyParams { mode, ..PageHinkleyParams::default() };
    let detects = |mode, level| {
        let mut detector = PageHinkley::new(params(mode)).unwrap();
        first(&mut detector, &step(500, level, 600)).is_some()
    };
    assert!(detects(PageHinkleyMode::Up, 3.0) && !detects(PageHinkleyMode::Up, -3.0));
    assert!(!detects(PageHinkleyMode::Down, 3.0) && detects(PageHinkleyMode::Down, -3.0));
}

#[test]
fn page_hinkley_by_hand() {
    let params = PageHinkleyParams { min_instances: 1, threshold: 2.0, ..Default::default() };
    let mut detector = PageHinkley::new(params).unwrap();
    assert_eq!(detector.update(0.0).unwrap(), None);
    // mean 2, deviation 2: up = 0.9999 * -0.005 + 2 - 0.005, and its least is -0.005
    let detection = detector.update(4.0).unwrap();
    assert_eq!(detection, None, "1.995 does not pass 2");
    // mean 3, deviation 3
    let detection = detector.update(5.0).unwrap().unwrap();
    let up = 0.9999 * (0.9999 * -0.005 + 2.0 - 0.005) + 2.0 - 0.005;
    assert!((detection.statistic - (up + 0.005)).abs() < 1e-12, "{detection:?}");
    assert_eq!((detection.observed, detection.threshold), (3, 2.0));
}

#[test]
fn settings_out_of_range_are_named() {
    #[track_caller]
    fn refused<T: std::fmt::Debug>(
        result: Result<T, crate::monitoring::InvalidSetting>,
        setting: &str,
    ) {
        assert_eq!(result.unwrap_err().setting, setting);
    }
    let adwin = AdwinParams::default();
    refused(Adwin::new(AdwinParams { delta: f64::NAN, ..adwin }), "adwin.delta");
    refused(Adwin::new(AdwinParams { delta: 1.0, ..adwin }), "adwin.delta");
    refused(Adwin::new(AdwinParams { clock: 0, ..adwin }), "adwin.clock");
    refused(Adwin::new(AdwinParams { max_buckets: 1, ..adwin }), "adwin.max_buckets");
    refused(Adwin::new(AdwinParams { min_window_length: 0, ..adwin }), "adwin.min_window_length");
    let test = PageHinkleyParams::default();
    let bad = PageHinkleyParams { delta: f64::INFINITY, ..test };
    refused(PageHinkley::new(bad), "page_hinkley.delta");
    refused(
        PageHinkley::new(PageHinkleyParams { threshold: 0.0, ..test }),
        "page_hinkley.threshold",
    );
    refused(PageHinkley::new(PageHinkleyParams { alpha: 1.1, ..test }), "page_hinkley.alpha");
    let kswin = KswinParams::default();
    refused(Kswin::new(KswinParams { alpha: 0.0, ..kswin }), "kswin.alpha");
    refused(Kswin::new(KswinParams { stat_size: 0, ..kswin }), "kswin.stat_size");
    refused(Kswin::new(KswinParams { window_size: 59, ..kswin }), "kswin.window_size");
    let error = Kswin::new(KswinParams { window_size: 59, ..kswin }).unwrap_err().to_string();
    assert_eq!(error, "kswin.window_size is 59, expected 2 kswin.stat_size to 1000000");
}

/// Changes a detector's serialised state and expects the change to be refused.
#[track_caller]
fn refuses_state<D: Detector + Serialize + DeserializeOwned + std::fmt::Debug>(
    mut detector: D,
    pointer: &str,
    value: serde_json::Value,
    message: &str,
) {
    for i in 0..150 {
        detector.update((i % 7) as f64).unwrap();
    }
    let mut state = serde_json::to_value(&detector).unwrap();
    *state.pointer_mut(pointer).unwrap() = value;
    let error = serde_json::from_value::<D>(state).unwrap_err().to_string();
    assert!(error.contains(message), "{error}");
}

#[test]
fn states_that_cannot_be_are_refused() {
    use serde_json::json;
    refuses_state(adwin(), "/params/clock", json!(0), "adwin.clock is 0");
    refuses_state(adwin(), "/rows", json!([]), "0 rows of buckets");
    refuses_state(adwin(), "/rows", json!(vec![[1.0]; 64]), "64 rows of buckets");
    refuses_state(adwin(), "/rows/1", json!([0, 0, 0, 0, 0, 0]), "row 1");
    refuses_state(adwin(), "/rows/1", json!([]), "row 1");
    refuses_state(adwin(), "/deviation", json!(-1.0), "sums");
    refuses_state(page_hinkley(), "/params/alpha", json!(2.0), "page_hinkley.alpha is 2");
    refuses_state(kswin(), "/window", json!([1.0]), "1 of 150");
    refuses_state(kswin(), "/random/words", json!([1]), "624 words, not 1");
    refuses_state(kswin(), "/window/3", json!(1e200), "no number to detect changes in");
}

#[test]
fn adwin_never_asks_for_memory_on_its_way() {
    let mut detector = adwin();
    let room = detector.room();
    for i in 0..200_000 {
        assert_eq!(detector.update((i % 10) as f64).unwrap(), None);
    }
    assert_eq!(detector.room(), room);
}

/// Streams with steps, ties and numbers that are refused.
fn streams() -> impl Strategy<Value = Vec<f64>> {
    let value = prop_oneof![
        20 => -1.0..1.0_f64,
        5 => Just(0.5),
        1 => Just(f64::NAN),
        1 => Just(f64::NEG_INFINITY),
        1 => Just(1e101),
    ];
    (prop::collection::vec(value, 0..600), -4.0..4.0_f64).prop_map(|(mut values, level)| {
        let half = values.len() / 2;
        values[half..].iter_mut().for_each(|value| *value += level);
        values
    })
}

/// What is refused changes nothing, and a restart anywhere changes nothing.
fn survives<D>(detector: &D, stream: &[f64], restart: usize) -> Result<(), TestCaseError>
where
    D: Detector + Clone + PartialEq + std::fmt::Debug + Serialize + DeserializeOwned,
{
    let (mut whole, mut stopped, mut clean) =
        (detector.clone(), detector.clone(), detector.clone());
    for (index, &value) in stream.iter().enumerate() {
        if index == restart {
            let state = serde_json::to_string(&stopped).unwrap();
            let restored: D = serde_json::from_str(&state).unwrap();
            prop_assert_eq!(&restored, &stopped);
            stopped = restored;
        }
        let answer = whole.update(value);
        prop_assert_eq!(answer.is_err(), value.is_nan() || value.abs() > MAX_MAGNITUDE);
        if let Ok(answer) = answer {
            prop_assert_eq!(stopped.update(value).unwrap(), answer);
            prop_assert_eq!(clean.update(value).unwrap(), answer);
        } else {
            prop_assert!(stopped.update(value).is_err());
        }
        prop_assert_eq!(&whole, &clean);
    }
    whole.reset();
    prop_assert_eq!(&whole, detector);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn adwin_survives(stream in streams(), restart in 0..600_usize) {
        survives(&adwin(), &stream, restart)?;
    }

    #[test]
    fn page_hinkley_survives(stream in streams(), restart in 0..600_usize) {
        let params = PageHinkleyParams { threshold: 5.0, ..PageHinkleyParams::default() };
        survives(&PageHinkley::new(params).unwrap(), &stream, restart)?;
    }

    #[test]
    fn kswin_survives(stream in streams(), restart in 0..600_usize) {
        survives(&kswin(), &stream, restart)?;
    }

    /// The sum of all buckets is the sum of the window, whatever was merged.
    #[test]
    fn adwin_keeps_sums(values in prop::collection::vec(-8..8_i32, 1..2_000), clock in 1..50_u32) {
        let params = AdwinParams { clock, grace_period: u32::MAX, ..AdwinParams::default() };
        let mut detector = Adwin::new(params).unwrap();
        for &value in &values {
            detector.update(f64::from(value)).unwrap();
        }
        prop_assert_eq!(detector.width(), values.len() as u64);
        let mean = f64::from(values.iter().sum::<i32>()) / values.len() as f64;
        prop_assert_eq!(detector.mean(), mean);
        let deviations = values.iter().map(|&value| (f64::from(value) - mean).powi(2));
        let variance = deviations.sum::<f64>() / values.len() as f64;
        prop_assert!((detector.variance() - variance).abs() < 1e-9);
    }
}
