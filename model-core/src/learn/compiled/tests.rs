use proptest::prelude::*;
use proptest::sample::select;

use super::super::trees::{
    CATEGORICAL, CategorySet, DEFAULT_LEFT, FlatTrees, LEAF, Node, TreeParts,
};
use super::*;

const N_FEATURES: u16 = 5;

/// Values that columns have, and thresholds: some equal, some just apart, some hostile.
fn values() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => (-3..9).prop_map(f64::from),
        2 => -4.0..10.0,
        1 => select(vec![0.0, -0.0, f64::MIN_POSITIVE, -f64::MIN_POSITIVE, 5e-324, 1e300]),
        1 => select(vec![f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN]),
        1 => select(vec![63.0, 64.0, 127.0, 128.0, 4_294_967_295.0, 4_294_967_296.0, 2.5]),
    ]
}

/// What a node may be: a threshold or set, where it stands, the missing side, the leaf to split.
type Draw = (f64, u16, bool, bool, usize, Vec<u64>);

fn draw() -> impl Strategy<Value = Draw> {
    let words = prop_oneof![
        3 => proptest::collection::vec(any::<u64>(), 0..3),
        1 => Just(vec![u64::MAX]),
    ];
    (values(), 0..N_FEATURES, any::<bool>(), any::<bool>(), any::<usize>(), words)
}

struct Forest(TreeParts);

impl Forest {
    fn new(base: f64) -> Self {
        Self(TreeParts::empty(N_FEATURES.into(), Precision::Double, base))
    }

    fn push_leaf(&mut self) {
        let left = self.0.nodes.len() as u32;
        let flags = LEAF | DEFAULT_LEFT;
        self.0.nodes.push(Node { threshold: f64::INFINITY, left, feature: 0, flags });
        self.0.values.push((f64::from(left) * 0.7).sin());
        self.0.covers.push(0.0);
    }

    /// Grows a tree leaf by leaf; a leaf further back makes it deeper.
    fn push_tree(&mut self, draws: &[Draw], deep: bool) {
        let root = self.0.nodes.len();
        self.0.roots.push(root as u32);
        self.push_leaf();
        let mut leaves = vec![root];
        for (value, feature, categorical, default_left, leaf, words) in draws {
            let leaf = if deep { leaves.len() - 1 } else { leaf % leaves.len() };
            let at = leaves.swap_remove(leaf);
            let left = self.0.nodes.len();
            leaves.extend([left, left + 1]);
            let mut node = Node {
                threshold: *value,
                left: left as u32,
                feature: *feature,
                flags: if *default_left { DEFAULT_LEFT } else { 0 },
            };
            if *categorical {
                node.flags |= CATEGORICAL;
                node.threshold = self.0.sets.len() as f64;
                let (start, len) = (self.0.words.len() as u32, words.len() as u32);
                self.0.sets.push(CategorySet { start, len });
                self.0.words.extend(words);
            }
            self.0.nodes[at] = node;
            self.push_leaf();
            self.push_leaf();
        }
    }
}

fn forest(trees: &[(Vec<Draw>, bool)]) -> TreeParts {
    let mut forest = Forest::new(0.1);
    trees.iter().for_each(|(draws, deep)| forest.push_tree(draws, *deep));
    forest.0
}

fn rows() -> impl Strategy<Value = Vec<Vec<f64>>> {
    let value = prop_oneof![5 => values(), 1 => Just(f64::NAN)];
    let row = proptest::collection::vec(value, 0..usize::from(N_FEATURES) + 2);
    proptest::collection::vec(row, 1..12)
}

/// Compares what is compiled with the walk, in both precisions.
fn check(parts: TreeParts, rows: &[Vec<f64>]) -> Result<(), TestCaseError> {
    for parts in [in_single(parts.clone()), parts] {
        let trees = FlatTrees::from_parts(parts).unwrap();
        prop_assert!(trees.is_compiled());
        check_rows(&trees, rows)?;
    }
    Ok(())
}

fn in_single(mut parts: TreeParts) -> TreeParts {
    parts.precision = Precision::Single;
    parts.base = f64::from(parts.base as f32);
    parts.values.iter_mut().for_each(|value| *value = f64::from(*value as f32));
    parts
}

fn check_rows(trees: &FlatTrees, rows: &[Vec<f64>]) -> Result<(), TestCaseError> {
    let walked = trees.clone().without_compiled();
    let n_out = trees.n_features() + 1;
    for row in rows {
        let (mut out, mut expected) = (vec![7.0; n_out], vec![7.0; n_out]);
        let price = trees.explain(row, &mut out);
        let walked_price = walked.explain(row, &mut expected);
        let bits = |price: f64| price.to_bits();
        prop_assert_eq!(bits(trees.predict(row)), bits(walked.predict(row)), "{:?}", row);
        prop_assert_eq!(bits(price.prediction), bits(walked_price.prediction), "{:?}", row);
        prop_assert_eq!(bits(price.base), bits(walked_price.base));
        for (out, expected) in out.iter().zip(&expected) {
            prop_assert!((out - expected).abs() < 1e-10, "{} and {}", out, expected);
        }
        let total = price.base + out.iter().sum::<f64>();
        prop_assert!((total - price.prediction).abs() < 1e-9);
        let mut short = [0.0];
        trees.explain(row, &mut short);
        prop_assert_eq!(short[0], out[0]);
    }
    check_batch(trees, rows)
}

/// A batch says of each row what the row alone does, bit for bit.
fn check_batch(trees: &FlatTrees, rows: &[Vec<f64>]) -> Result<(), TestCaseError> {
    let width = trees.n_features() + 1;
    for n_rows in [0, 1, ROWS, 2 * ROWS + 3] {
        let batch: Vec<&[f64]> = rows.iter().cycle().take(n_rows).map(Vec::as_slice).collect();
        let mut outs = vec![7.0; n_rows * width];
        let explained = trees.explain_batch(&batch, &mut outs, width);
        prop_assert_eq!(explained.len(), n_rows);
        for ((row, of_batch), out) in batch.iter().zip(explained).zip(outs.chunks(width)) {
            let mut expected = vec![7.0; width];
            let alone = trees.explain(row, &mut expected);
            prop_assert_eq!(format!("{:?}", of_batch), format!("{:?}", alone));
            prop_assert_eq!(format!("{:?}", out), format!("{:?}", expected));
        }
    }
    Ok(())
}

fn trees(
    n_splits: std::ops::Range<usize>,
    n_trees: std::ops::Range<usize>,
) -> impl Strategy<Value = TreeParts> {
    let tree = (proptest::collection::vec(draw(), n_splits), any::<bool>());
    proptest::collection::vec(tree, n_trees).prop_map(|trees| forest(&trees))
}

proptest! {
    #[test]
    fn small_trees_equal_the_walk(parts in trees(0..32, 1..40), rows in rows()) {
        check(parts, &rows)?;
    }

    #[test]
    fn trees_of_64_leaves_equal_the_walk(parts in trees(32..64, 1..12), rows in rows()) {
        check(parts, &rows)?;
    }

    #[test]
    fn what_is_too_large_is_walked(parts in trees(64..70, 1..3), rows in rows()) {
        for parts in [in_single(parts.clone()), parts] {
            let trees = FlatTrees::from_parts(parts).unwrap();
            prop_assert!(!trees.is_compiled());
            check_rows(&trees, &rows)?;
        }
    }
}

/// Deterministic noise.
fn noise(i: u64) -> u64 {
    i.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(23).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 8
}

/// `n` draws like those of the models that are served.
fn noisy_draws(n: usize, seed: usize, n_features: u16) -> Vec<Draw> {
    let draw = |i: usize| {
        let bits = |part: u64| noise((seed * 1_000 + i) as u64 * 8 + part);
        let value = (bits(0) % 200) as f64 / 8.0;
        let feature = (bits(1) % u64::from(n_features)) as u16;
        let words = vec![bits(2), bits(3) & 0xffff];
        (value, feature, feature == 1, bits(4).is_multiple_of(2), bits(5) as usize, words)
    };
    (0..n).map(draw).collect()
}

fn noisy_rows(n: usize, n_features: u16) -> Vec<Vec<f64>> {
    let value = |row: usize, column: u16| {
        let bits = noise((row * 1_000 + usize::from(column)) as u64 + (1 << 40));
        if bits.is_multiple_of(9) { f64::NAN } else { ((bits >> 8) % 220) as f64 / 8.0 - 1.0 }
    };
    (0..n).map(|row| (0..n_features).map(|column| value(row, column)).collect()).collect()
}

#[test]
fn many_trees_equal_the_walk() {
    // dense columns with stored states, more than one segment, a block that is not full
    let mut many = Forest::new(-3.0);
    (0..TREES_OF_TWO_SEGMENTS).for_each(|tree| many.push_tree(&noisy_draws(30, tree, 5), false));
    let n_bytes = Compiled::new(&many.0).unwrap().n_bytes();
    let model_bytes = many.0.nodes.len() * 24 + many.0.words.len() * 16;
    assert!(n_bytes < 4 * model_bytes, "{n_bytes} of {model_bytes}");
    check(many.0, &noisy_rows(200, 5)).unwrap();
}

const TREES_OF_TWO_SEGMENTS: usize = 1_024 + 77;

/// One tree of two leaves for each of `n_features` columns.
fn stumps(n_features: u16) -> TreeParts {
    let mut forest = Forest::new(0.0);
    forest.0.n_features = n_features.into();
    forest.0.gains = vec![0.0; n_features.into()];
    for feature in 0..n_features {
        let value = f64::from(feature % 20);
        forest.push_tree(&[(value, feature, false, feature % 2 == 0, 0, vec![])], false);
    }
    forest.0
}

#[test]
fn wide_models_equal_the_walk() {
    for n_features in [1, 4, 63, 64, 65, 192, 193, 300] {
        check(stumps(n_features), &noisy_rows(20, n_features)).unwrap();
    }
    // few trees, all columns dense, more of them than are taken at the same time
    let mut forest = Forest::new(0.0);
    forest.0.n_features = 150;
    forest.0.gains = vec![0.0; 150];
    (0..33).for_each(|tree| forest.push_tree(&noisy_draws(60, tree, 150), false));
    check(forest.0, &noisy_rows(50, 150)).unwrap();
}

#[test]
fn the_sign_of_a_zero_is_kept() {
    let mut forest = Forest::new(-0.0);
    forest.push_tree(&[], false);
    forest.0.values[0] = -0.0;
    let trees = FlatTrees::from_parts(forest.0.clone()).unwrap();
    assert_eq!(trees.predict(&[]).to_bits(), (-0.0_f64).to_bits());
    check(forest.0, &[vec![]]).unwrap();
}

#[test]
fn memory_is_bounded() {
    // every split has a set of its own of many codes: states times splits explode
    let mut hostile = Forest::new(0.0);
    let words: Vec<u64> = (0..40_000).map(noise).collect();
    let draws: Vec<Draw> =
        (0..31).map(|_| (0.0, 1, true, false, 0, words[..100].to_vec())).collect();
    hostile.push_tree(&draws, false);
    hostile.0.sets.iter_mut().for_each(|set| (set.start, set.len) = (0, 100));
    hostile.0.words = words;
    hostile.0.sets[0].len = 40_000;
    assert!(Compiled::new(&hostile.0).is_none(), "too many codes");
    let mut one_leaf = Forest::new(0.0);
    (0..100_000).for_each(|_| one_leaf.push_tree(&[], false));
    assert!(Compiled::new(&one_leaf.0).is_none(), "leaves that there are not");
    let trees = FlatTrees::from_parts(one_leaf.0).unwrap();
    check_rows(&trees, &[vec![1.0]]).unwrap();
}
