//! What a price estimate and a fit cost: `cargo bench -p model-core --bench predict`.

#![allow(missing_docs, clippy::expect_used)]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use model_core::learn::{
    BoostedTreesParams, ColumnKind, ElasticNetParams, FeatureMatrix, FittedModel, Strategy,
    TrainingData,
};

const N_NUMERIC: usize = 22;
const LEVELS: [u32; 3] = [5, 12, 70];

/// Deterministic noise in `[-1, 1)`.
fn noise(i: usize) -> f64 {
    let mixed = (i as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(17);
    (mixed.wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
}

struct Market {
    features: FeatureMatrix,
    target: Vec<f64>,
    kinds: Vec<ColumnKind>,
}

impl Market {
    fn new(n_rows: usize) -> Self {
        let mut kinds = vec![ColumnKind::Numeric; N_NUMERIC];
        kinds.extend(LEVELS.map(|levels| ColumnKind::Categorical { levels }));
        let mut features = FeatureMatrix::with_capacity(kinds.len(), n_rows);
        let mut target = Vec::with_capacity(n_rows);
        for i in 0..n_rows {
            let mut row: Vec<f64> = (0..N_NUMERIC).map(|j| noise(i * 40 + j)).collect();
            if i % 5 == 0 {
                row[3] = f64::NAN;
            }
            for (j, levels) in LEVELS.into_iter().enumerate() {
                row.push(((noise(i * 40 + 25 + j) + 1.0) / 2.0 * f64::from(levels)).floor());
            }
            let level = 0.3 * (row[24] * 0.7).sin() + 0.1 * row[23];
            target.push(12.0 + row[0] + row[1] * row[2] + (5.0 * row[4]).sin() + level);
            features.push_row(&row).expect("rows are as wide as the matrix");
        }
        Self { features, target, kinds }
    }

    fn data(&self) -> TrainingData<'_> {
        TrainingData { features: &self.features, target: &self.target, kinds: &self.kinds }
    }
}

fn fit(strategy: &dyn Strategy, market: &Market) -> FittedModel {
    strategy.fit(&market.data(), None).expect("the market can be learned")
}

fn predict(c: &mut Criterion) {
    let market = Market::new(5_000);
    let boosted = BoostedTreesParams::default().with_rounds(300).check().expect("in range");
    let elastic = ElasticNetParams::default().check().expect("in range");
    for (name, model) in
        [("300 trees", fit(&boosted, &market)), ("elastic net", fit(&elastic, &market))]
    {
        let mut rows = market.features.rows().cycle();
        c.bench_function(&format!("predict, {name}"), |b| {
            b.iter_batched(
                || rows.next().unwrap_or_default(),
                |row| black_box(model.predict(row)),
                BatchSize::SmallInput,
            );
        });
        let mut out = vec![0.0; model.n_features()];
        let mut rows = market.features.rows().cycle();
        c.bench_function(&format!("explain, {name}"), |b| {
            b.iter_batched(
                || rows.next().unwrap_or_default(),
                |row| black_box(model.explain(row, &mut out)),
                BatchSize::SmallInput,
            );
        });
    }
}

fn train(c: &mut Criterion) {
    let market = Market::new(5_000);
    let mut group = c.benchmark_group("fit of 5000 rows");
    group.sample_size(10);
    let boosted = BoostedTreesParams::default().with_rounds(100).check().expect("in range");
    group.bench_function("100 trees", |b| b.iter(|| black_box(fit(&boosted, &market))));
    let elastic = ElasticNetParams::default().check().expect("in range");
    group.bench_function("elastic net", |b| b.iter(|| black_box(fit(&elastic, &market))));
    group.finish();
}

criterion_group!(benches, predict, train);
criterion_main!(benches);
