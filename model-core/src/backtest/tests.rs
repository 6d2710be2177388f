//! Backtests of the small market with a known price law.

use super::*;
use crate::synthetic::{self, law};

const TREES: Contestant = Contestant::Only(StrategyName::BoostedTrees);

fn watch(on_progress: OnProgress<'_>) -> Watch<'_> {
    Watch { stopwatch: &|| 0.0, on_progress }
}

fn backtest(protocol: Protocol, contestant: Contestant, sales: &[Sale]) -> Backtest {
    let params = synthetic::params(&StrategyName::ALL);
    let folds = Folds::seeded(sales.len(), 1);
    run(protocol, contestant, sales, &folds, &params, watch(&mut |_, _| true)).unwrap()
}

/// Missing features are NaN, which equals nothing; as text they and every digit do.
fn text(sales: &[BacktestSale]) -> Vec<String> {
    sales.iter().map(|sale| format!("{sale:?}")).collect()
}

fn median_error(backtest: &Backtest, sales: &[Sale]) -> f64 {
    let mut errors: Vec<f64> = backtest
        .sales
        .iter()
        .map(|priced| {
            let sale = &sales[priced.row];
            (priced.price.estimate / law(&sale.facts, sale.closed_on) - 1.0).abs()
        })
        .collect();
    errors.sort_by(f64::total_cmp);
    errors[errors.len() / 2]
}

#[test]
fn time70_and_stream_price_the_last_three_tenths_and_cv5_all() {
    let sales = synthetic::sales(3, 1_500, 400);
    for (protocol, rows) in [
        (Protocol::Time70, (1_050..1_500).collect::<Vec<_>>()),
        (Protocol::Stream, (1_050..1_500).collect()),
        (Protocol::Cv5, (0..1_500).collect()),
    ] {
        let result = backtest(protocol, Contestant::Only(StrategyName::ElasticNet), &sales);
        let mut priced: Vec<usize> = result.sales.iter().map(|sale| sale.row).collect();
        priced.sort_unstable();
        assert_eq!(priced, rows, "{protocol:?}");
        assert!(median_error(&result, &sales) < 0.06, "{protocol:?}");
    }
}

#[test]
fn a_day_or_a_row_order_is_no_secret_and_the_future_changes_nothing() {
    let sales = synthetic::sales(4, 1_200, 400);
    let mut other_end = sales.clone();
    for sale in &mut other_end[1_100..] {
        sale.price *= 3.0;
    }
    let unchanged = |protocol, until: usize| {
        let (ours, theirs) =
            (backtest(protocol, TREES, &sales), backtest(protocol, TREES, &other_end));
        let day = sales[until].closed_on;
        let before = |result: &Backtest| -> Vec<BacktestSale> {
            let kept = result.sales.iter().filter(|priced| sales[priced.row].closed_on <= day);
            kept.cloned().collect()
        };
        assert!(!before(&ours).is_empty());
        assert_eq!(text(&before(&ours)), text(&before(&theirs)), "{protocol:?}");
    };
    unchanged(Protocol::Stream, 1_100);
    // Nothing is learned from the homes to price, so none of their prices matters.
    unchanged(Protocol::Time70, 1_199);
}

#[test]
fn two_threads_learn_what_one_does() {
    let sales = synthetic::sales(5, 900, 300);
    let priced = |threads| {
        let params = TrainingParams { threads, ..synthetic::params(&StrategyName::ALL) };
        let folds = Folds::seeded(sales.len(), 1);
        run(Protocol::Time70, Contestant::Auto, &sales, &folds, &params, watch(&mut |_, _| true))
            .unwrap()
    };
    assert_eq!(text(&priced(1).sales), text(&priced(2).sales));
}

#[test]
fn a_caller_can_stop_and_too_few_sales_are_told() {
    let sales = synthetic::sales(6, 900, 300);
    let params = synthetic::params(&[StrategyName::ElasticNet]);
    let folds = Folds::seeded(sales.len(), 1);
    let stopped =
        run(Protocol::Stream, Contestant::Auto, &sales, &folds, &params, watch(&mut |_, _| false));
    assert!(matches!(stopped, Err(BacktestError::Stopped)));
    let few = run(Protocol::Time70, TREES, &sales[..50], &folds, &params, watch(&mut |_, _| true));
    assert!(matches!(few, Err(BacktestError::Training { .. })));
}
