//! What one number costs a sequential detector, and one arrival the rules of data health.

#![expect(missing_docs, reason = "criterion_group! makes a function without documentation")]

use std::fmt::Debug;
use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use model_core::detectors::{Adwin, Detector, Kswin, KswinParams, PageHinkley};
use model_core::monitoring::health::{Arrivals, SilenceParams};

/// Numbers that look random, around 0, without a change.
fn stream(length: usize) -> Vec<f64> {
    (0..length).map(|i| ((i * 7_919 + 104_729) % 10_007) as f64 / 10_007.0 - 0.5).collect()
}

fn update<D: Detector + Clone, E: Debug>(
    criterion: &mut Criterion,
    name: &str,
    lengths: &[usize],
    detector: Result<D, E>,
) {
    let detector = detector.unwrap_or_else(|error| unreachable!("{error:?}"));
    let mut group = criterion.benchmark_group("detector");
    for &length in lengths {
        let stream = stream(length);
        group.throughput(Throughput::Elements(length as u64));
        group.bench_function(format!("{name}, {length} numbers"), |bench| {
            bench.iter_batched_ref(
                || detector.clone(),
                |detector| {
                    for &value in &stream {
                        let detection = detector.update(black_box(value));
                        assert_eq!(detection, Ok(None));
                    }
                },
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

fn detectors(criterion: &mut Criterion) {
    update(criterion, "adwin", &[1_000, 100_000], Adwin::new(Default::default()));
    update(criterion, "page_hinkley", &[100_000], PageHinkley::new(Default::default()));
    // Defaults detect something every few hundred numbers by chance.
    let params = KswinParams { alpha: 1e-9, ..KswinParams::default() };
    update(criterion, "kswin", &[1_000], Kswin::new(params));
}

/// One listing every 36 s, but for the last two days of each week.
fn arrivals() -> impl Iterator<Item = i64> {
    (0..).map(|i| i * 36_000).filter(|time| time % (168 * 3_600_000) < 120 * 3_600_000)
}

fn health(criterion: &mut Criterion) {
    let params = SilenceParams::default();
    let mut known = Arrivals::default();
    let mut times = arrivals();
    times.by_ref().take(100_000).for_each(|time| known.observe(time, &params));
    let mut group = criterion.benchmark_group("health");
    group.bench_function("observe an arrival", |bench| {
        bench.iter(|| times.next().map(|time| known.observe(black_box(time), &params)));
    });
    let now = times.next().unwrap_or_default();
    group.bench_function("judge a silence", |bench| {
        bench.iter(|| known.silence("mls", black_box(now), &params));
    });
    group.finish();
}

criterion_group!(benches, detectors, health);
criterion_main!(benches);
