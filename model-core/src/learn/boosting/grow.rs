//! Growing one tree, best leaf first.

use super::binning::{BinnedColumns, ColumnBins};
use super::histogram::{self, Histogram, count};
use super::loss::{Loss, quantile};
use super::split::{Candidate, Split, SplitRules};

/// Shape of a tree and what its leaves learn.
pub(super) struct GrowRules {
    pub(super) num_leaves: usize,
    /// Levels below the root.
    pub(super) max_depth: u32,
    pub(super) min_split_gain: f64,
    pub(super) learning_rate: f64,
    pub(super) loss: Loss,
    pub(super) split: SplitRules,
}

/// A node of a grown tree; children follow their parent, the right one behind the left one.
pub(super) struct GrownNode {
    pub(super) split: Option<Split>,
    pub(super) left: u32,
    /// A leaf's value, or the average of the leaves below.
    pub(super) value: f64,
    /// Rows of the bag in it.
    pub(super) n_rows: f64,
}

/// A tree over bins.
pub(super) struct GrownTree {
    pub(super) nodes: Vec<GrownNode>,
    /// Gain of one squared quantum.
    pub(super) gain_unit: f64,
}

impl GrownTree {
    /// The value of the leaf that row `row` of `binned` falls into.
    pub(super) fn value(&self, binned: &BinnedColumns, row: usize) -> f64 {
        let mut node = &self.nodes[0];
        while let Some(split) = &node.split {
            let bin = binned.column(split.column as usize)[row];
            node = &self.nodes[(node.left + u32::from(!split.left.contains(bin))) as usize];
        }
        node.value
    }
}

/// A leaf while the tree grows.
struct Leaf {
    node: usize,
    depth: u32,
    /// Its part of [`Grower::rows`].
    start: usize,
    len: usize,
    /// Packed sum over its rows.
    total: i64,
    /// Regularisation of its value.
    lambda: f64,
    /// Its slot of histograms, if it may be split.
    slot: Option<usize>,
    best: Option<Split>,
}

/// The state that one tree leaves to the next: buffers only.
pub(super) struct Grower<'a> {
    columns: &'a [ColumnBins],
    binned: &'a BinnedColumns,
    rules: GrowRules,
    /// Rows of the bag, those of a leaf side by side.
    rows: Vec<u32>,
    /// Packed gradients by row of the data, then by position in a leaf.
    packed: Vec<i64>,
    gathered: Vec<i64>,
    right: Vec<u32>,
    /// `n_features` histograms a slot.
    slots: Vec<Histogram>,
    free: Vec<usize>,
}

/// What one tree is grown on.
pub(super) struct Round<'a> {
    /// Rows of the bag, increasing.
    pub(super) bag: &'a [u32],
    /// Columns the tree may use, increasing.
    pub(super) columns: &'a [u32],
    /// Gradient of every row of the data.
    pub(super) gradients: &'a [f64],
}

impl<'a> Grower<'a> {
    pub(super) fn new(
        columns: &'a [ColumnBins],
        binned: &'a BinnedColumns,
        rules: GrowRules,
    ) -> Self {
        Self {
            columns,
            binned,
            rules,
            rows: Vec::new(),
            packed: vec![0; binned.n_rows()],
            gathered: Vec::new(),
            right: Vec::new(),
            slots: Vec::new(),
            free: Vec::new(),
        }
    }

    /// Grows a tree and adds its values to the scores of the bag's rows.
    pub(super) fn grow(
        &mut self,
        round: &Round<'_>,
        target: &[f64],
        scores: &mut [f64],
    ) -> GrownTree {
        let quantum = histogram::quantise(round.gradients, round.bag, &mut self.packed);
        self.rows.clear();
        self.rows.extend_from_slice(round.bag);
        let n_slots = self.slots.len() / round.columns.len().max(1);
        self.free.clear();
        self.free.extend((0..n_slots).rev());

        let mut nodes = vec![leaf_node(round.bag.len())];
        let mut leaves = vec![self.root(round)];
        let least = self.rules.min_split_gain / (quantum * quantum);
        while leaves.len() < self.rules.num_leaves {
            let Some((index, split)) = take_best(&mut leaves, least) else { break };
            let left = nodes.len();
            let children = self.divide(&leaves[index], &split, left);
            nodes.extend(children.iter().map(|child| leaf_node(child.len)));
            let node = &mut nodes[leaves[index].node];
            (node.left, node.split) = (left as u32, Some(split));
            let slot = leaves[index].slot.take();
            let [left, right] = children;
            leaves[index] = left;
            leaves.push(right);
            if leaves.len() < self.rules.num_leaves {
                let last = leaves.len() - 1;
                self.find_splits(round, &mut leaves, [index, last], slot);
            }
        }
        for leaf in &leaves {
            let rows = &self.rows[leaf.start..leaf.start + leaf.len];
            let value = self.rules.learning_rate * self.leaf_value(leaf, round, target, scores);
            rows.iter().for_each(|&row| scores[row as usize] += value);
            nodes[leaf.node].value = value;
        }
        average_inner_nodes(&mut nodes);
        GrownTree { nodes, gain_unit: quantum * quantum }
    }

    fn root(&mut self, round: &Round<'_>) -> Leaf {
        let total = self.rows.iter().map(|&row| self.packed[row as usize]).sum();
        let (len, lambda) = (self.rows.len(), self.rules.split.lambda);
        let mut root =
            Leaf { node: 0, depth: 0, start: 0, len, total, lambda, slot: None, best: None };
        if self.may_split(&root) {
            root.slot = Some(self.take_slot(round));
            self.build(round, &root);
            root.best = self.best_split(round, &root);
        }
        root
    }

    fn may_split(&self, leaf: &Leaf) -> bool {
        leaf.depth < self.rules.max_depth
            && count(leaf.total) >= 2 * self.rules.split.min_child_rows
    }

    /// Moves the leaf's rows to their sides, order kept, and returns the children.
    fn divide(&mut self, leaf: &Leaf, split: &Split, first_node: usize) -> [Leaf; 2] {
        let bins = self.binned.column(split.column as usize);
        let rows = &mut self.rows[leaf.start..leaf.start + leaf.len];
        self.right.resize(rows.len(), 0);
        let (mut n_left, mut n_right) = (0, 0);
        for i in 0..rows.len() {
            let row = rows[i];
            let left = split.left.contains(bins[row as usize]);
            rows[n_left] = row;
            self.right[n_right] = row;
            n_left += usize::from(left);
            n_right += usize::from(!left);
        }
        rows[n_left..].copy_from_slice(&self.right[..n_right]);
        let child = |side: usize, start, len| Leaf {
            node: first_node + side,
            depth: leaf.depth + 1,
            start,
            len,
            total: split.sums[side],
            lambda: split.lambda,
            slot: None,
            best: None,
        };
        [child(0, leaf.start, n_left), child(1, leaf.start + n_left, n_right)]
    }

    /// Gives two new siblings their histograms and best splits; `slot` holds their parent's.
    fn find_splits(
        &mut self,
        round: &Round<'_>,
        leaves: &mut [Leaf],
        [a, b]: [usize; 2],
        slot: Option<usize>,
    ) {
        let (small, large) = if leaves[a].len <= leaves[b].len { (a, b) } else { (b, a) };
        let (Some(parent), true) = (slot, self.may_split(&leaves[large])) else {
            self.free.extend(slot);
            return;
        };
        let fresh = self.take_slot(round);
        leaves[small].slot = Some(fresh);
        leaves[large].slot = Some(parent);
        self.build(round, &leaves[small]);
        self.subtract(round.columns.len(), parent, fresh);
        leaves[large].best = self.best_split(round, &leaves[large]);
        if self.may_split(&leaves[small]) {
            leaves[small].best = self.best_split(round, &leaves[small]);
        } else {
            self.free.extend(leaves[small].slot.take());
        }
    }

    /// A slot of histograms, none of them cleared.
    fn take_slot(&mut self, round: &Round<'_>) -> usize {
        let n = round.columns.len();
        self.free.pop().unwrap_or_else(|| {
            let slot = self.slots.len().div_ceil(n.max(1));
            self.slots.resize((slot + 1) * n, [0; 256]);
            slot
        })
    }

    fn build(&mut self, round: &Round<'_>, leaf: &Leaf) {
        let Some(slot) = leaf.slot else { return };
        let rows = &self.rows[leaf.start..leaf.start + leaf.len];
        self.gathered.clear();
        self.gathered.extend(rows.iter().map(|&row| self.packed[row as usize]));
        let n = round.columns.len();
        let out = &mut self.slots[slot * n..(slot + 1) * n];
        histogram::build(self.binned, round.columns, rows, &self.gathered, out);
    }

    fn subtract(&mut self, n: usize, parent: usize, sibling: usize) {
        let (low, high) = (parent.min(sibling), parent.max(sibling));
        let (front, back) = self.slots.split_at_mut(high * n);
        let (low, high) = (&mut front[low * n..(low + 1) * n], &mut back[..n]);
        if parent < sibling {
            histogram::subtract(low, high);
        } else {
            histogram::subtract(high, low);
        }
    }

    fn best_split(&self, round: &Round<'_>, leaf: &Leaf) -> Option<Split> {
        let n = round.columns.len();
        let histograms = &self.slots[leaf.slot? * n..];
        let mut best: Option<Split> = None;
        for (&column, histogram) in round.columns.iter().zip(histograms) {
            let bins = &self.columns[column as usize];
            let n_bins = bins.n_bins();
            let candidate = Candidate { column, histogram, n_bins, total: leaf.total };
            let least = best.as_ref().map_or(0.0, |best| best.gain);
            let split = match bins {
                ColumnBins::Numeric { .. } => candidate.best_threshold(&self.rules.split, least),
                ColumnBins::Categorical { .. } => {
                    candidate.best_category_set(&self.rules.split, least)
                }
            };
            best = split.or(best);
        }
        best
    }

    /// The value of a leaf before shrinkage.
    fn leaf_value(&self, leaf: &Leaf, round: &Round<'_>, target: &[f64], scores: &[f64]) -> f64 {
        let rows = self.rows[leaf.start..leaf.start + leaf.len].iter().map(|&row| row as usize);
        match self.rules.loss.leaf_quantile() {
            Some(level) => {
                let mut residuals: Vec<f64> = rows.map(|row| target[row] - scores[row]).collect();
                quantile(&mut residuals, level)
            }
            None => {
                let sum: f64 = rows.map(|row| round.gradients[row]).sum();
                -sum / (leaf.len as f64 + leaf.lambda)
            }
        }
    }
}

fn leaf_node(n_rows: usize) -> GrownNode {
    GrownNode { split: None, left: 0, value: 0.0, n_rows: n_rows as f64 }
}

/// The first of the leaves whose split gains most, and that split.
fn take_best(leaves: &mut [Leaf], least: f64) -> Option<(usize, Split)> {
    let mut best: Option<(usize, f64)> = None;
    for (index, leaf) in leaves.iter().enumerate() {
        let Some(split) = &leaf.best else { continue };
        if split.gain > best.map_or(least, |(_, gain)| gain) {
            best = Some((index, split.gain));
        }
    }
    let (index, _) = best?;
    leaves[index].best.take().map(|split| (index, split))
}

fn average_inner_nodes(nodes: &mut [GrownNode]) {
    for index in (0..nodes.len()).rev() {
        if nodes[index].split.is_none() {
            continue;
        }
        let left = nodes[index].left as usize;
        let (a, b) = (&nodes[left], &nodes[left + 1]);
        nodes[index].value = (a.value * a.n_rows + b.value * b.n_rows) / (a.n_rows + b.n_rows);
    }
}
