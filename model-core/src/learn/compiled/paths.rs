//! What each column has added on the way to a leaf, merged when the trees are compiled.

use super::super::trees::{LEAF, TreeParts};
use super::build::Budget;
use super::segment::LINE;

/// Columns of one [`Path`].
const WIDTH: usize = 6;
/// Columns that are split on, at most.
const COLUMNS: usize = 192;
/// Places of unused parts of paths: as many as it takes for additions not to wait for each other.
const UNUSED: usize = 64;
/// Sums that take turns, for the same reason.
const TURNS: usize = 2;

/// Differences between the averages along the way to a leaf, by column; one cache line.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Path {
    deltas: [f64; WIDTH],
    columns: [u8; WIDTH],
    /// The rest of the path: an index into `more`, plus 1.
    next: u32,
}

/// Adds nothing.
const NOWHERE: Path = Path { deltas: [0.0; WIDTH], columns: [COLUMNS as u8; WIDTH], next: 0 };

/// Sums of differences while a price is explained.
pub(super) struct Sums([[f64; COLUMNS + UNUSED]; TURNS]);

impl Default for Sums {
    fn default() -> Self {
        Self([[0.0; COLUMNS + UNUSED]; TURNS])
    }
}

impl Sums {
    #[inline(always)]
    fn add(&mut self, turn: usize, path: &Path) {
        let sums = &mut self.0[turn];
        for (&column, delta) in path.columns.iter().zip(path.deltas) {
            sums[usize::from(column)] += delta;
        }
    }
}

/// The paths to all leaves.
#[derive(Clone, Debug)]
pub(super) struct Paths {
    /// The columns that are split on.
    columns: Vec<u16>,
    /// Per tree, where its leaves begin.
    first: Vec<u32>,
    /// Per leaf, leftmost first.
    paths: Vec<Path>,
    more: Vec<Path>,
}

impl Paths {
    pub(super) fn new(parts: &TreeParts, budget: &mut Budget) -> Option<Self> {
        let mut columns: Vec<u16> = (parts.nodes.iter())
            .filter(|node| node.flags & LEAF == 0)
            .map(|node| node.feature)
            .collect();
        columns.sort_unstable();
        columns.dedup();
        if columns.len() > COLUMNS {
            return None;
        }
        let mut paths = Self { columns, first: Vec::new(), paths: Vec::new(), more: Vec::new() };
        for &root in &parts.roots {
            paths.first.push(paths.paths.len() as u32);
            paths.push_leaves(parts, root as usize, budget)?;
        }
        Some(paths)
    }

    fn push_leaves(&mut self, parts: &TreeParts, root: usize, budget: &mut Budget) -> Option<()> {
        let mut open = vec![(root, Vec::<(u8, f64)>::new())];
        while let Some((at, path)) = open.pop() {
            let node = &parts.nodes[at];
            if node.flags & LEAF != 0 {
                self.push(&path, budget)?;
                continue;
            }
            let column = self.columns.binary_search(&node.feature).ok()? as u8;
            for child in [node.left as usize + 1, node.left as usize] {
                let delta = parts.values[child] - parts.values[at];
                let mut path = path.clone();
                match path.iter_mut().find(|part| part.0 == column) {
                    Some(part) => part.1 += delta,
                    None => path.push((column, delta)),
                }
                open.push((child, path));
            }
        }
        Some(())
    }

    fn push(&mut self, path: &[(u8, f64)], budget: &mut Budget) -> Option<()> {
        budget.take::<Path>(path.len().div_ceil(WIDTH).max(1))?;
        let mut chunks = path.chunks(WIDTH);
        let first = self.filled(chunks.next().unwrap_or(&[]));
        let mut rest: Vec<Path> = chunks.map(|chunk| self.filled(chunk)).collect();
        self.paths.push(first);
        let n_rest = rest.len();
        let links = self.paths.last_mut().into_iter().chain(&mut rest);
        for (i, link) in links.take(n_rest).enumerate() {
            link.next = (self.more.len() + i + 1) as u32;
        }
        self.more.append(&mut rest);
        Some(())
    }

    fn filled(&self, parts: &[(u8, f64)]) -> Path {
        let unused = self.paths.len() * WIDTH;
        let place = |i: usize| (COLUMNS + (unused + i) % UNUSED) as u8;
        let mut path = Path { deltas: [0.0; WIDTH], columns: std::array::from_fn(place), next: 0 };
        for (i, &(column, delta)) in parts.iter().enumerate() {
            path.columns[i] = column;
            path.deltas[i] = delta;
        }
        path
    }

    /// Adds the paths to the leaves of the trees from `first_tree` on, as far as there are trees.
    #[inline(always)]
    pub(super) fn add(&self, first_tree: usize, leaves: &[usize; LINE], sums: &mut Sums) {
        let first = self.first.get(first_tree..).unwrap_or_default();
        // looks at all paths before it adds the first: the cache misses overlap
        let (mut reached, mut rest, mut n_rest) = ([&NOWHERE; LINE], [0; LINE], 0);
        for ((reached, &first), &leaf) in reached.iter_mut().zip(first).zip(leaves) {
            let path = &self.paths[first as usize + leaf];
            *reached = path;
            rest[n_rest % LINE] = path.next;
            n_rest += usize::from(path.next != 0);
        }
        for paths in reached.as_chunks::<TURNS>().0 {
            for (turn, path) in paths.iter().enumerate() {
                sums.add(turn, path);
            }
        }
        for &next in &rest[..n_rest] {
            let mut next = next;
            while next != 0 {
                let path = &self.more[next as usize - 1];
                sums.add(0, path);
                next = path.next;
            }
        }
    }

    /// Adds the sums to the columns of `out`, as far as it has them.
    pub(super) fn finish(&self, sums: &Sums, out: &mut [f64]) {
        for (i, &column) in self.columns.iter().enumerate() {
            if let Some(out) = out.get_mut(usize::from(column)) {
                *out += sums.0.iter().map(|turn| turn[i]).sum::<f64>();
            }
        }
    }

    #[cfg(test)]
    pub(super) fn n_bytes(&self) -> usize {
        (self.paths.len() + self.more.len()) * size_of::<Path>()
    }
}
