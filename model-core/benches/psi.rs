//! What the monitor costs: counting homes into bins, and closing a window.

#![expect(missing_docs, reason = "criterion_group! makes a function without documentation")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use model_core::date::EventDate;
use model_core::drift::{ColumnSpec, ColumnSpecKind, PsiParams, ReferenceProfile, WindowCounts};
use model_core::estimate::{ModelRef, Price, PriceEstimate, PriceOutcome};
use model_core::listing::{Facts, Sale};
use model_core::monitoring::{ChampionReference, Monitor, MonitorParams};

const ROWS: usize = 1_000;
const COLUMNS: usize = 20;

/// Numbers that look random and are the same every time, 0 to 1.
fn number(row: usize, column: usize) -> f64 {
    ((row * 7_919 + column * 104_729) % 10_007) as f64 / 10_007.0
}

/// Every fourth column is a category of six.
fn is_category(column: usize) -> bool {
    column % 4 == 3
}

fn rows() -> Vec<Vec<f64>> {
    let value = |row, column| match (is_category(column), number(row, column)) {
        (true, number) => (6.0 * number).floor(),
        (false, number) => 1_000.0 * number,
    };
    (0..ROWS).map(|row| (0..COLUMNS).map(|column| value(row, column)).collect()).collect()
}

fn profile(rows: &[Vec<f64>]) -> ReferenceProfile {
    let kind = |index| {
        if is_category(index) {
            let labels = (0..6).map(|code| format!("c{code}")).collect();
            ColumnSpecKind::Categorical { labels }
        } else {
            ColumnSpecKind::Numeric
        }
    };
    let columns: Vec<ColumnSpec> = (0..COLUMNS)
        .map(|index| ColumnSpec { index, name: format!("f{index}"), kind: kind(index) })
        .collect();
    let logs: Vec<f64> = (0..ROWS).map(|row| 11.0 + number(row, COLUMNS)).collect();
    ReferenceProfile::build(&columns, rows.iter().map(Vec::as_slice), &logs, 10)
        .unwrap_or_else(|error| unreachable!("{error}"))
}

fn market(rows: &[Vec<f64>]) -> Vec<(PriceEstimate, Sale)> {
    let pair = |(row, features): (usize, &Vec<f64>)| {
        let date = EventDate(9_496 + (row % 28) as i32);
        let estimate = (11.0 + number(row, COLUMNS)).exp();
        let price = Price {
            estimate,
            lower: 0.8 * estimate,
            upper: 1.2 * estimate,
            interval_level: 0.9,
            intervals: Vec::new(),
            fsd: 0.1,
            confidence: 60,
            base: estimate,
            contributions: Vec::new(),
            comparables: Vec::new(),
            market_age_days: None,
            features: features.clone(),
            market_level: 0.0,
            scale: 0.1,
            error_low: -1.6,
            error_high: 1.6,
            degraded: false,
        };
        let key = format!("listing-{row}");
        let answer = PriceEstimate {
            listing_key: key.clone(),
            event_date: date,
            currency: "USD".into(),
            model: Some(ModelRef { version: "v1".into(), digest: String::new() }),
            feature_spec_hash: "layout".into(),
            outcome: PriceOutcome::Priced(Box::new(price)),
            external_facts: Vec::new(),
        };
        let price = estimate * (0.9 + 0.2 * number(row, COLUMNS + 1));
        let currency = "USD".into();
        (answer, Sale { key, closed_on: date, price, currency, facts: Facts::default() })
    };
    rows.iter().enumerate().map(pair).collect()
}

fn psi(criterion: &mut Criterion) {
    let rows = rows();
    let profile = profile(&rows);
    let mut group = criterion.benchmark_group("drift");
    group.throughput(Throughput::Elements((ROWS * COLUMNS) as u64));
    group.bench_function("count 1000 homes x 20 features", |bench| {
        bench.iter(|| {
            let mut counts = WindowCounts::new(&profile);
            rows.iter().for_each(|row| counts.add(row));
            counts
        });
    });
    let mut counts = WindowCounts::new(&profile);
    rows.iter().for_each(|row| counts.add(row));
    group.throughput(Throughput::Elements(COLUMNS as u64));
    group.bench_function("psi of 20 features", |bench| {
        bench.iter(|| counts.drift(&PsiParams::default()));
    });
    group.finish();
}

fn window(criterion: &mut Criterion) {
    let rows = rows();
    let market = market(&rows);
    let open = || {
        let mut monitor =
            Monitor::new(MonitorParams::default()).unwrap_or_else(|error| unreachable!("{error}"));
        let reference = ChampionReference {
            profile: profile(&rows),
            expected_mdape: Some(0.08),
            expected_level: None,
            is_log: Vec::new(),
            importance: Vec::new(),
        };
        monitor.champion("v1", reference, EventDate(9_000));
        monitor
    };
    let fill = |mut monitor: Monitor| {
        for (estimate, sale) in &market {
            monitor.observe_estimate(estimate);
            monitor.observe_sale(sale);
        }
        monitor
    };
    let mut group = criterion.benchmark_group("monitor");
    group.throughput(Throughput::Elements(ROWS as u64));
    group.bench_function("observe 1000 estimates and sales", |bench| {
        bench.iter_batched(open, fill, criterion::BatchSize::LargeInput);
    });
    group.bench_function("close a window of 1000 estimates and sales", |bench| {
        bench.iter_batched(
            || fill(open()),
            |mut monitor| (monitor.finish(), monitor),
            criterion::BatchSize::LargeInput,
        );
    });
    group.finish();
}

criterion_group!(benches, psi, window);
criterion_main!(benches);
