use proptest::prelude::*;

use super::super::builder::{BuildNode, Rule, TreeBuilder};
use super::*;

const COLUMNS: usize = 5;

/// A tree from bytes: three numeric columns and two of categories, repeated along paths.
fn grow(bytes: &mut std::slice::Iter<'_, u8>, depth: usize, nodes: &mut Vec<BuildNode>) -> usize {
    let at = nodes.len();
    let byte = bytes.next().copied().unwrap_or(0);
    if depth == 6 || byte < 60 {
        let cover = if byte % 11 == 3 { 0.0 } else { f64::from(byte % 7) + 0.5 };
        nodes.push(BuildNode::Leaf { value: f64::from(byte).sin() * 3.0, cover });
        return at;
    }
    nodes.push(BuildNode::Leaf { value: 0.0, cover: 0.0 });
    let (feature, default_left) = (usize::from(byte) % COLUMNS, byte & 16 != 0);
    let rule = if feature >= 3 {
        Rule::Categories { left: vec![u64::from(byte) * 37 % 64], default_left }
    } else {
        Rule::Threshold { at: f64::from(byte % 13) - 6.0, default_left }
    };
    let left = grow(bytes, depth + 1, nodes);
    let right = grow(bytes, depth + 1, nodes);
    nodes[at] = BuildNode::Split { feature, rule, left, right, gain: 1.0 };
    at
}

fn forest(shapes: &[Vec<u8>]) -> FlatTrees {
    let mut builder = TreeBuilder::new(COLUMNS, 0.25);
    for shape in shapes {
        let mut nodes = Vec::new();
        grow(&mut shape.iter(), 0, &mut nodes);
        builder.push_tree(&nodes).unwrap();
    }
    builder.finish().unwrap()
}

/// The estimate where only the columns in `set` are known.
fn value_of(trees: &FlatTrees, row: &[f64], at: usize, set: usize) -> f64 {
    let parts = &trees.parts;
    let node = parts.nodes[at];
    if node.flags & LEAF != 0 {
        return parts.values[at];
    }
    if set >> node.feature & 1 == 1 {
        return value_of(trees, row, trees.step(at as u32, row) as usize, set);
    }
    let left = node.left as usize;
    let (a, b) = (parts.covers[left], parts.covers[left + 1]);
    let share = if a + b > 0.0 { a / (a + b) } else { 0.5 };
    share * value_of(trees, row, left, set) + (1.0 - share) * value_of(trees, row, left + 1, set)
}

/// Shapley's formula over all sets of columns.
fn brute_force(trees: &FlatTrees, row: &[f64]) -> (f64, [f64; COLUMNS]) {
    let roots = &trees.parts.roots;
    let game: Vec<f64> = (0..1 << COLUMNS)
        .map(|set| roots.iter().map(|&root| value_of(trees, row, root as usize, set)).sum())
        .collect();
    let factorial = |n: usize| (1..=n).product::<usize>() as f64;
    let mut shares = [0.0; COLUMNS];
    for (column, share) in shares.iter_mut().enumerate() {
        for set in (0..1_usize << COLUMNS).filter(|set| set >> column & 1 == 0) {
            let size = set.count_ones() as usize;
            let weight = factorial(size) * factorial(COLUMNS - size - 1) / factorial(COLUMNS);
            *share += weight * (game[set | 1 << column] - game[set]);
        }
    }
    (trees.parts.base + game[0], shares)
}

#[test]
fn the_rule_integrates_polynomials_exactly() {
    for n in [1, 2, 3, 7, 20, 64, MAX_POINTS] {
        let rule = gauss_legendre(n);
        for degree in [0, 1, n, 2 * n - 1] {
            let sum: f64 = rule.iter().map(|(t, w)| w * t.powi(degree as i32)).sum();
            let exact = 1.0 / (degree as f64 + 1.0);
            assert!((sum / exact - 1.0).abs() < 1e-12, "{n} points, degree {degree}: {sum}");
        }
    }
}

#[test]
fn a_stump_by_hand() {
    let leaf = |value, cover| BuildNode::Leaf { value, cover };
    let rule = Rule::Threshold { at: 0.0, default_left: true };
    let split = BuildNode::Split { feature: 1, rule, left: 1, right: 2, gain: 2.0 };
    let mut builder = TreeBuilder::new(2, 10.0);
    builder.push_tree(&[split, leaf(1.0, 30.0), leaf(5.0, 10.0)]).unwrap();
    let trees = builder.finish().unwrap();
    let mut out = [9.0; 3];
    assert_eq!(trees.shap(&[0.0, 1.0], &mut out), 12.0);
    assert_eq!(out, [0.0, 3.0, 0.0]);
    assert_eq!(trees.shap(&[], &mut out), 12.0);
    assert_eq!(out, [0.0, -1.0, 0.0]);
    let mut short = [0.0; 1];
    assert_eq!(trees.shap(&[0.0, 1.0], &mut short), 12.0);
}

#[test]
fn a_path_of_many_columns_still_adds_up() {
    let n = 600;
    let mut nodes = Vec::new();
    for i in 0..n {
        let rule = Rule::Threshold { at: 0.5, default_left: false };
        let (left, right) = (2 * i + 1, 2 * i + 2);
        nodes.push(BuildNode::Split { feature: i, rule, left, right, gain: 1.0 });
        nodes.push(BuildNode::Leaf { value: (i as f64).cos(), cover: 1.0 });
    }
    nodes.push(BuildNode::Leaf { value: 7.0, cover: 1.0 });
    let mut builder = TreeBuilder::new(n, 0.0);
    builder.push_tree(&nodes).unwrap();
    let trees = builder.finish().unwrap();
    for known in [0, 3, 300, 599, 600] {
        let row: Vec<f64> = (0..n).map(|i| if i < known { 1.0 } else { 0.0 }).collect();
        let mut out = vec![0.0; n];
        let base = trees.shap(&row, &mut out);
        let sum = base + out.iter().sum::<f64>();
        assert!((sum - trees.predict(&row)).abs() < 1e-9, "{known}: {sum}");
    }
}

#[test]
fn next_to_no_training_weight_is_none() {
    let leaf = |value, cover| BuildNode::Leaf { value, cover };
    for tiny in [0.0, 5e-324, 1e-310, 1e-200, 1e-101, 1e-90] {
        let split = |feature, left, right| {
            let rule = Rule::Threshold { at: 0.0, default_left: true };
            BuildNode::Split { feature, rule, left, right, gain: 2.0 }
        };
        let nodes = [
            split(0, 1, 2),
            split(1, 3, 4),
            leaf(5.0, 1.0),
            split(0, 5, 6),
            leaf(-2.0, tiny),
            leaf(1.0, 0.0),
            leaf(3.0, tiny),
        ];
        let mut builder = TreeBuilder::new(2, 0.0);
        builder.push_tree(&nodes).unwrap();
        let trees = builder.finish().unwrap();
        for row in [[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0]] {
            let mut out = [0.0; 2];
            let sum = trees.shap(&row, &mut out) + out[0] + out[1];
            assert!((sum - trees.predict(&row)).abs() < 1e-12, "{tiny:e} {row:?}: {sum}");
        }
    }
}

#[test]
fn nodes_that_are_no_tree_are_refused() {
    let split = |left, right| {
        let rule = Rule::Threshold { at: 0.0, default_left: false };
        BuildNode::Split { feature: 0, rule, left, right, gain: 0.0 }
    };
    let leaf = BuildNode::Leaf { value: 0.0, cover: 1.0 };
    for nodes in
        [vec![], vec![split(0, 0)], vec![split(1, 1), leaf.clone()], vec![split(1, 9), leaf]]
    {
        assert!(TreeBuilder::new(1, 0.0).push_tree(&nodes).is_err(), "{nodes:?}");
    }
}

proptest! {
    #[test]
    fn equals_shapleys_formula(
        shapes in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..60), 1..4),
        row in proptest::collection::vec(
            prop_oneof![5 => (-7..8).prop_map(f64::from), 1 => Just(f64::NAN), 1 => Just(99.0)],
            COLUMNS,
        ),
    ) {
        let trees = forest(&shapes);
        let (expected, shares) = brute_force(&trees, &row);
        let mut out = [0.0; COLUMNS];
        let base = trees.shap(&row, &mut out);
        prop_assert!((base - expected).abs() < 1e-12);
        for (found, share) in out.iter().zip(&shares) {
            prop_assert!((found - share).abs() < 1e-11, "{out:?} {shares:?}");
        }
        let sum = base + out.iter().sum::<f64>();
        prop_assert!((sum - trees.predict(&row)).abs() < 1e-11);
    }
}
