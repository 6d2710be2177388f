//! Exact path-dependent Shapley values of trees (TreeSHAP; Lundberg et al. 2020, "From local
//! explanations to global understanding with explainable AI for trees").
//!
//! The game: of a set of known columns, the estimate is what a walk gives that follows `row` at
//! splits on known columns, and both ways, weighted by cover, at the others. A leaf of value `v`
//! then adds `v * prod_j (o_j if j is known, else z_j)` over the columns `j` of its path, where
//! `o_j` is 1 if the row follows every split on `j`, else 0, and `z_j` is the product of the
//! cover ratios of those splits. By Owen's multilinear extension ("Multilinear extensions of
//! games", 1972) the Shapley value of column `i` is
//!
//! ```text
//! sum over leaves of  v (o_i - z_i)  integral over t in 0..1 of  prod_{j != i} (z_j + t (o_j - z_j)) dt
//! ```
//!
//! a polynomial of `t` that Gauss-Legendre quadrature integrates exactly with half as many points
//! as the path has columns. All factors are positive, so nothing cancels in the products, however
//! deep the tree. Sums over the leaves below a split are shared, so a tree costs its nodes times
//! the points.

use super::trees::{FlatTrees, LEAF};

/// Most points of the rule: exact for 512 columns on a path, to rounding far beyond.
const MAX_POINTS: usize = 256;

/// Smaller shares of the training rows count as none: near the smallest numbers there are,
/// quotients of products mean nothing any more.
const NOTHING: f64 = 1e-100;

impl FlatTrees {
    /// See [`super::FittedModel::shap`]. Time: nodes times half the columns of the longest path.
    /// What a sum in 32 bits has been rounded by is part of the expected value returned.
    pub fn shap(&self, row: &[f64], out: &mut [f64]) -> f64 {
        out.fill(0.0);
        let row = &self.padded(row);
        let columns = self.depth.min(self.n_features()).max(1);
        let rule = gauss_legendre(columns.div_ceil(2).min(MAX_POINTS));
        let n = rule.len();
        let buffer = vec![0.0; (self.depth + 1) * n];
        let mut walk = Walk {
            trees: self,
            row,
            known: vec![(1.0, 1.0); self.n_features()],
            products: buffer.clone(),
            sums: buffer,
            rule,
            out,
        };
        walk.products[..n].fill(1.0);
        let mut expected = self.parts.base;
        for &root in &self.parts.roots {
            expected += walk.visit(root as usize, 0);
        }
        expected + self.rounding(walk.row)
    }
}

struct Walk<'a> {
    trees: &'a FlatTrees,
    row: &'a [f64],
    /// `(o, z)` of each column on the path so far; `(1, 1)` where it does not stand on the path.
    known: Vec<(f64, f64)>,
    /// Points and weights in `(0, 1)`.
    rule: Vec<(f64, f64)>,
    /// By depth and point: the product over the columns of the path.
    products: Vec<f64>,
    /// By depth and point: value times product, summed over the leaves below.
    sums: Vec<f64>,
    out: &'a mut [f64],
}

impl Walk<'_> {
    /// Visits the leaves below `at`: leaves their sum in `sums` at this depth, adds to `out`, and
    /// returns the average value by cover.
    fn visit(&mut self, at: usize, depth: usize) -> f64 {
        let n = self.rule.len();
        let here = depth * n..(depth + 1) * n;
        let parts = &self.trees.parts;
        let node = parts.nodes[at];
        if node.flags & LEAF != 0 {
            let value = parts.values[at];
            let products = &self.products[here.clone()];
            self.sums[here].iter_mut().zip(products).for_each(|(sum, p)| *sum = value * p);
            return value;
        }
        self.sums[here].fill(0.0);
        let left = node.left as usize;
        let followed = self.trees.step(at as u32, self.row) as usize;
        let weight = parts.covers[left] + parts.covers[left + 1];
        let left_share = if weight > 0.0 { parts.covers[left] / weight } else { 0.5 };
        let mut average = 0.0;
        for (child, share) in [(left, left_share), (left + 1, 1.0 - left_share)] {
            let follows = if child == followed { 1.0 } else { 0.0 };
            average +=
                share * self.descend(usize::from(node.feature), child, depth, follows, share);
        }
        average
    }

    /// Goes one step down; returns the average value below the child, by cover.
    fn descend(
        &mut self,
        feature: usize,
        child: usize,
        depth: usize,
        follows: f64,
        share: f64,
    ) -> f64 {
        let n = self.rule.len();
        let before = self.known[feature];
        let hidden = before.1 * share;
        let after = (before.0 * follows, if hidden < NOTHING { 0.0 } else { hidden });
        if after == (0.0, 0.0) {
            // No set of known columns leads here.
            return self.trees.parts.values[child];
        }
        let (upper, lower) = self.products.split_at_mut((depth + 1) * n);
        for ((below, above), &(t, _)) in lower.iter_mut().zip(&upper[depth * n..]).zip(&self.rule) {
            *below = above * (factor(after, t) / factor(before, t));
        }
        self.known[feature] = after;
        let average = self.visit(child, depth + 1);
        self.known[feature] = before;

        // What the leaves below add to `feature`, instead of what the split on it above, if
        // there is one, will have counted for them.
        let (upper, lower) = self.sums.split_at_mut((depth + 1) * n);
        let mut part = 0.0;
        for ((above, below), &(t, weight)) in
            upper[depth * n..].iter_mut().zip(lower).zip(&self.rule)
        {
            let instead = slope(after, t) - slope(before, t);
            part += weight * *below * instead;
            *above += *below;
        }
        if let Some(out) = self.out.get_mut(feature) {
            *out += part;
        }
        average
    }
}

fn factor((o, z): (f64, f64), t: f64) -> f64 {
    z + t * (o - z)
}

/// `(o - z)` over the factor: what replaces the factor in the derivative by its column.
fn slope(known: (f64, f64), t: f64) -> f64 {
    (known.0 - known.1) / factor(known, t)
}

/// Points and weights of the Gauss-Legendre rule of `n` points, moved to `(0, 1)`: roots of the
/// Legendre polynomial by Newton's method from Tricomi's estimate.
fn gauss_legendre(n: usize) -> Vec<(f64, f64)> {
    let size = n as f64;
    (0..n)
        .map(|i| {
            let mut x = (std::f64::consts::PI * (i as f64 + 0.75) / (size + 0.5)).cos();
            let mut slope = 1.0;
            for _ in 0..8 {
                // Bonnet's recursion: (k + 1) P_{k+1} = (2k + 1) x P_k - k P_{k-1}
                let (mut before, mut value) = (1.0, x);
                for k in 1..n {
                    let k = k as f64;
                    (before, value) =
                        (value, ((2.0 * k + 1.0) * x * value - k * before) / (k + 1.0));
                }
                slope = size * (before - x * value) / (1.0 - x * x);
                x -= value / slope;
            }
            (0.5 + 0.5 * x, 1.0 / ((1.0 - x * x) * slope * slope))
        })
        .collect()
}

#[cfg(test)]
#[path = "shap_tests.rs"]
mod tests;
