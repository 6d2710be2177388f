//! What one price costs.
//!
//! `single_row train MATRIX TREES LEAVES MODEL` trains boosted trees: the matrix is a CSV file
//! with a header whose last column is the target, an empty field is a missing value, the last
//! fifth of the rows is left out. `single_row predict|explain MODEL ROWS COLUMNS REPEATS` prices
//! rows one at a time: the file holds raw doubles, row by row, the last column the target. Prints
//! lines of a name and a number.

#![allow(missing_docs, clippy::print_stdout)]

use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use model_core::learn::{
    BoostedTreesParams, ColumnKind, FeatureMatrix, FittedModel, Strategy, TrainingData,
};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["train", matrix, trees, leaves, model] => {
            train(matrix, trees.parse()?, leaves.parse()?, model)
        }
        [what @ ("predict" | "explain"), model, rows, n_columns, repeats] => {
            let model = load(model)?;
            let rows = std::fs::read(rows)?;
            let rows: Vec<f64> =
                rows.as_chunks().0.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect();
            let mut out = vec![0.0; model.n_features()];
            let (n_columns, repeats) = (n_columns.parse()?, repeats.parse()?);
            if what == "predict" {
                report(&rows, n_columns, repeats, |row| model.predict(row));
            } else {
                let mut price = |row: &[f64]| model.explain(row, &mut out).prediction;
                report(&rows, n_columns, repeats, &mut price);
            }
            Ok(())
        }
        _ => Err("arguments: train MATRIX TREES LEAVES MODEL, \
                  or predict|explain MODEL ROWS COLUMNS REPEATS"
            .into()),
    }
}

fn train(matrix: &str, trees: u32, leaves: u32, model: &str) -> Result<(), Box<dyn Error>> {
    let text = std::fs::read_to_string(matrix)?;
    let mut lines = text.lines();
    let n_columns = lines.next().ok_or("no header")?.split(',').count();
    let lines: Vec<&str> = lines.collect();
    let mut features = FeatureMatrix::new(n_columns - 1);
    let mut target = Vec::new();
    for line in &lines[..lines.len() * 4 / 5] {
        let number = |field: &str| match field {
            "" => Ok(f64::NAN),
            field => field.parse::<f64>(),
        };
        let mut row = line.split(',').map(number).collect::<Result<Vec<_>, _>>()?;
        target.push(row.pop().ok_or("a row without a target")?);
        features.push_row(&row)?;
    }
    let kinds = vec![ColumnKind::Numeric; features.n_cols()];
    let data = TrainingData { features: &features, target: &target, kinds: &kinds };
    let params = BoostedTreesParams { rounds: trees, num_leaves: leaves, ..Default::default() };
    std::fs::write(model, postcard::to_allocvec(&params.check()?.fit(&data, None)?)?)?;
    Ok(())
}

fn load(path: &str) -> Result<FittedModel, Box<dyn Error>> {
    let bytes = std::fs::read(path)?;
    let start = Instant::now();
    let model = postcard::from_bytes(&bytes)?;
    println!("load_ms {:.2}", start.elapsed().as_secs_f64() * 1e3);
    println!("model_bytes {}", bytes.len());
    Ok(model)
}

/// Prices all rows `repeats` times; no time where there are no repeats.
fn report(rows: &[f64], n_columns: usize, repeats: usize, mut price: impl FnMut(&[f64]) -> f64) {
    let n_rows = (rows.len() / n_columns) as f64;
    let mut squares = 0.0;
    let mut times = Vec::with_capacity(repeats);
    for _ in 0..repeats {
        squares = 0.0;
        let start = Instant::now();
        for row in rows.chunks_exact(n_columns) {
            let (features, target) = row.split_at(n_columns - 1);
            squares += (price(black_box(features)) - target[0]).powi(2);
        }
        times.push(start.elapsed().as_nanos() as f64 / n_rows);
    }
    times.sort_by(f64::total_cmp);
    if let Some(least) = times.first() {
        println!("rmse {:.5}", (squares / n_rows).sqrt());
        println!("ns_min {least:.1}");
        println!("ns_median {:.1}", times[times.len() / 2]);
    }
}
