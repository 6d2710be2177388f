use proptest::prelude::*;

use super::*;

/// Two trees: a threshold below which a set of categories divides, and a single leaf.
fn parts() -> TreeParts {
    let inner = |threshold, left, feature, flags| Node { threshold, left, feature, flags };
    let leaf = |at| inner(f64::INFINITY, at, 0, LEAF | DEFAULT_LEFT);
    TreeParts {
        n_features: 2,
        precision: Precision::Double,
        base: 1.0,
        roots: vec![0, 5],
        nodes: vec![
            inner(2.5, 1, 0, DEFAULT_LEFT),
            inner(0.0, 3, 1, CATEGORICAL),
            leaf(2),
            leaf(3),
            leaf(4),
            leaf(5),
        ],
        values: vec![0.5, 0.25, 1.0, 0.125, 0.375, 10.0],
        covers: vec![9.0, 6.0, 3.0, 3.0, 3.0, 9.0],
        sets: vec![CategorySet { start: 0, len: 2 }],
        words: vec![0b101, 1 << 6],
        gains: vec![3.0, 1.0],
    }
}

/// Goes from node to node, one tree after the other.
fn reference_walk(trees: &FlatTrees, row: &[f64]) -> f64 {
    let parts = &trees.parts;
    let mut sum = parts.base;
    for &root in &parts.roots {
        let mut at = root as usize;
        loop {
            let node = &parts.nodes[at];
            if node.flags & LEAF != 0 {
                break;
            }
            let value = row.get(usize::from(node.feature)).copied().unwrap_or(f64::NAN);
            let default_left = node.flags & DEFAULT_LEFT != 0;
            let left = if node.flags & CATEGORICAL != 0 {
                let set = &parts.sets[node.threshold as usize];
                let known =
                    value >= 0.0 && value.fract() == 0.0 && value < 64.0 * f64::from(set.len);
                if known {
                    let code = value as u32;
                    parts.words[(set.start + code / 64) as usize] & (1 << (code % 64)) != 0
                } else {
                    default_left
                }
            } else if value.is_nan() {
                default_left
            } else {
                value <= node.threshold
            };
            at = node.left as usize + usize::from(!left);
        }
        sum += parts.values[at];
    }
    sum
}

/// Many trees over two numeric columns and one of categories, from bytes.
fn forest(shape: &[u8]) -> FlatTrees {
    let mut forest = TreeParts::empty(3, Precision::Double, 0.1);
    for tree in shape.chunks(9) {
        let root = forest.nodes.len();
        forest.roots.push(root as u32);
        let mut open = std::collections::VecDeque::from([root]);
        let mut next = root + 1;
        let mut bytes = tree.iter();
        while let Some(at) = open.pop_front() {
            let mut flags = LEAF | DEFAULT_LEFT;
            let (mut feature, mut threshold, mut left) = (0, f64::INFINITY, at);
            if let Some(&byte) = bytes.next().filter(|&&byte| byte > 40) {
                feature = u16::from(byte % 3);
                flags = u16::from(byte >> 3 & 1);
                threshold = f64::from(byte >> 4);
                if feature == 2 {
                    flags |= CATEGORICAL;
                    threshold = forest.sets.len() as f64;
                    let (start, len) = (forest.words.len() as u32, u32::from(byte % 2));
                    forest.sets.push(CategorySet { start, len });
                    (0..len).for_each(|_| forest.words.push(u64::from(byte) << 7 | 0b1001));
                }
                left = next;
                open.extend([next, next + 1]);
                next += 2;
            }
            forest.nodes.push(Node { threshold, left: left as u32, feature, flags });
            forest.values.push((at as f64).sin());
            forest.covers.push((at % 5) as f64);
        }
        for at in (root..forest.nodes.len()).rev() {
            let node = forest.nodes[at];
            if node.flags & LEAF == 0 {
                let left = node.left as usize;
                forest.covers[at] = forest.covers[left] + forest.covers[left + 1];
            }
        }
    }
    FlatTrees::from_parts(forest).unwrap()
}

#[test]
fn nodes_are_small() {
    assert_eq!(size_of::<Node>(), 16);
}

#[test]
fn a_walk_by_hand() {
    let trees = FlatTrees::from_parts(parts()).unwrap();
    assert_eq!((trees.n_trees(), trees.n_features(), trees.n_nodes()), (2, 2, 6));
    let cases = [
        ([3.0, 0.0], 12.0),        // right
        ([2.5, 0.0], 11.125),      // left, code 0 is in the set
        ([0.0, 1.0], 11.375),      // code 1 is not
        ([0.0, 70.0], 11.125),     // second word
        ([0.0, 200.0], 11.375),    // beyond the set: default
        ([f64::NAN, 2.0], 11.125), // missing goes left
        ([f64::NAN, f64::NAN], 11.375),
    ];
    for (row, expected) in cases {
        assert_eq!(trees.predict(&row), expected, "{row:?}");
        assert_eq!(reference_walk(&trees, &row), expected, "{row:?}");
    }
    let mut out = [0.0; 2];
    assert_eq!(trees.contributions(&[0.0, 1.0], &mut out), 11.5);
    assert_eq!(out, [-0.25, 0.125]);
}

#[test]
fn every_fault_of_the_structure_is_refused() {
    let damaged = |damage: &dyn Fn(&mut TreeParts)| {
        let mut parts = parts();
        damage(&mut parts);
        let bytes = postcard::to_allocvec(&parts).unwrap();
        assert!(postcard::from_bytes::<FlatTrees>(&bytes).is_err(), "read back");
        check_parts(&parts).unwrap_err()
    };
    let child = |node, child, first| InvalidModel::Child { node, child, first, end: 5 };
    assert_eq!(damaged(&|p| p.nodes[1].left = 4), child(1, 4, 2), "right child outside");
    assert_eq!(damaged(&|p| p.nodes[1].left = 1), child(1, 1, 2), "itself");
    assert_eq!(damaged(&|p| p.nodes[1].left = 0), child(1, 0, 2), "backwards");
    assert_eq!(damaged(&|p| p.nodes[1].left = 2), child(1, 2, 2), "another node's child");
    assert_eq!(damaged(&|p| p.nodes[1].left = u32::MAX), child(1, u32::MAX as usize, 2));
    assert_eq!(damaged(&|p| p.nodes[2].left = 3), child(2, 3, 3), "a leaf that goes on");
    assert_eq!(
        damaged(&|p| p.nodes[0].feature = 2),
        InvalidModel::Feature { node: 0, feature: 2, n_features: 2 }
    );
    assert_eq!(damaged(&|p| p.nodes[0].flags = 8), InvalidModel::Flags { node: 0, flags: 8 });
    assert_eq!(damaged(&|p| p.nodes[3].flags = LEAF), InvalidModel::Flags { node: 3, flags: LEAF });
    assert_eq!(
        damaged(&|p| p.nodes[3].threshold = 0.0),
        InvalidModel::Flags { node: 3, flags: LEAF | DEFAULT_LEFT }
    );
    let number = |what, index| InvalidModel::Number { what, index };
    assert_eq!(damaged(&|p| p.nodes[0].threshold = f64::NAN), number("threshold", 0));
    assert_eq!(damaged(&|p| p.values[4] = f64::NAN), number("value", 4));
    assert_eq!(damaged(&|p| p.values[4] = 1e200), number("value", 4));
    assert_eq!(damaged(&|p| p.covers[2] = f64::NAN), number("cover", 2));
    assert_eq!(damaged(&|p| p.covers[5] = -1.0), number("cover", 5));
    assert_eq!(damaged(&|p| p.covers[1] = 7.0), InvalidModel::Cover { node: 0 });
    assert_eq!(damaged(&|p| p.base = f64::INFINITY), number("base", 0));
    assert_eq!(damaged(&|p| p.gains[1] = f64::NAN), number("gain", 1));
    let set = |what, index| InvalidModel::CategorySet { what, index };
    assert_eq!(damaged(&|p| p.nodes[1].threshold = 1.0), set("node", 1));
    assert_eq!(damaged(&|p| p.nodes[1].threshold = -1.0), set("node", 1));
    assert_eq!(damaged(&|p| p.sets[0].len = 3), set("set", 0));
    assert_eq!(damaged(&|p| p.sets[0].start = u32::MAX), set("set", 0));
    for roots in [vec![1, 5], vec![0, 0], vec![0, 5, 6], vec![5, 0]] {
        let error = damaged(&|p| p.roots.clone_from(&roots));
        assert!(matches!(error, InvalidModel::Root { .. }), "{roots:?}: {error}");
    }
    let length = |what, found, expected| InvalidModel::Length { what, found, expected };
    assert_eq!(damaged(&|p| p.roots.clear()), length("nodes", 6, 0));
    assert_eq!(damaged(&|p| p.values.truncate(5)), length("values", 5, 6));
    assert_eq!(damaged(&|p| p.covers.truncate(5)), length("covers", 5, 6));
    assert_eq!(damaged(&|p| p.gains.clear()), length("gains", 0, 2));
    assert_eq!(damaged(&|p| p.n_features = 0), length("columns", 0, MAX_FEATURES));
    assert_eq!(check_parts(&parts()), Ok(()));
}

proptest! {
    #[test]
    fn both_ways_to_a_price_equal_the_reference_walk(
        shape in proptest::collection::vec(any::<u8>(), 0..600),
        rows in proptest::collection::vec(
            proptest::collection::vec(
                prop_oneof![
                    6 => (-2..80).prop_map(f64::from),
                    2 => -2.0..20.0,
                    1 => Just(f64::NAN),
                    1 => Just(f64::INFINITY),
                    1 => Just(f64::NEG_INFINITY),
                ],
                0..4,
            ),
            1..20,
        ),
    ) {
        let trees = forest(&shape);
        let walked = trees.clone().without_compiled();
        for row in &rows {
            let expected = reference_walk(&trees, row).to_bits();
            prop_assert_eq!(trees.predict(row).to_bits(), expected);
            prop_assert_eq!(walked.predict(row).to_bits(), expected);
        }
    }
}

/// Leaves of 0.1, rounded to 32 bits, on a base of 12.
fn tenths(n_trees: u32, precision: Precision) -> TreeParts {
    let (threshold, flags) = (f64::INFINITY, LEAF | DEFAULT_LEFT);
    let leaf = |left| Node { threshold, left, feature: 0, flags };
    TreeParts {
        roots: (0..n_trees).collect(),
        nodes: (0..n_trees).map(leaf).collect(),
        values: vec![f64::from(0.1_f32); n_trees as usize],
        covers: vec![1.0; n_trees as usize],
        ..TreeParts::empty(1, precision, 12.0)
    }
}

#[test]
fn leaves_are_added_in_the_precision_that_is_stored() {
    let single = FlatTrees::from_parts(tenths(200, Precision::Single)).unwrap();
    let double = FlatTrees::from_parts(tenths(200, Precision::Double)).unwrap();
    let in_32_bits = (0..200).fold(12.0_f32, |sum, _| sum + 0.1);
    assert_eq!(single.predict(&[]), f64::from(in_32_bits));
    assert_ne!(single.predict(&[]), double.predict(&[]));
    let mut out = [0.0];
    for base in [single.contributions(&[], &mut out), single.shap(&[], &mut out)] {
        assert!((base + out[0] - single.predict(&[])).abs() < 1e-12, "the base has the rounding");
    }
    let bytes = postcard::to_stdvec(&single).unwrap();
    let again: FlatTrees = postcard::from_bytes(&bytes).unwrap();
    assert_eq!((again.precision(), &again), (Precision::Single, &single));
}

#[test]
fn what_is_no_number_of_32_bits_is_refused() {
    for value in [0.1, 2e30] {
        let mut parts = tenths(2, Precision::Single);
        parts.values[1] = value;
        let expected = Err(InvalidModel::Number { what: "value", index: 1 });
        assert_eq!(FlatTrees::from_parts(parts.clone()).map(|_| ()), expected);
        let parts = TreeParts { base: value, ..tenths(2, Precision::Single) };
        let expected = Err(InvalidModel::Number { what: "base", index: 0 });
        assert_eq!(FlatTrees::from_parts(parts).map(|_| ()), expected);
        let parts = TreeParts { base: value, ..tenths(2, Precision::Double) };
        assert!(FlatTrees::from_parts(parts).is_ok());
    }
}
