//! Sales by place: a k-d tree of points on the unit sphere, in buckets.

use crate::date::EventDate;

/// Points of a leaf, unless more of them lie at one place.
const LEAF: usize = 24;
/// Levels that a tree may have beyond twice those of a balanced one before it is made anew:
/// sales that arrive sorted by place would make a list of it.
const SPARE_LEVELS: usize = 8;
/// Factor within which squared chords count as equal: what rounding can make of one distance,
/// and more.
const ALIKE: f64 = 1.0 + 1e-9;

/// A sale at its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spot {
    /// A point of the unit sphere.
    pub(super) point: [f64; 3],
    pub(super) closed_on: EventDate,
    pub(super) slot: u32,
}

/// A sale and its squared chord from the place that was asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Near {
    pub(super) squared_chord: f64,
    pub(super) slot: u32,
}

#[derive(Debug)]
enum Node {
    /// Points below `at` on an axis are in the node `below`, the others in the one after it.
    Split {
        axis: usize,
        at: f64,
        below: u32,
    },
    Leaf(Vec<Spot>),
}

/// Sales by place.
#[derive(Debug)]
pub(super) struct Places {
    /// The root comes first.
    nodes: Vec<Node>,
    len: usize,
}

impl Places {
    pub(super) fn new() -> Self {
        Self { nodes: vec![Node::Leaf(Vec::new())], len: 0 }
    }

    /// Adds a sale. A place that is no number is near nothing and is left out.
    pub(super) fn insert(&mut self, spot: Spot) {
        if spot.point.iter().any(|x| x.is_nan()) {
            return;
        }
        let (at, depth) = self.leaf_of(&spot.point);
        if let Some(Node::Leaf(spots)) = self.nodes.get_mut(at) {
            spots.push(spot);
            self.len += 1;
        }
        self.split(at);
        let balanced = (self.len / LEAF + 1).ilog2() as usize;
        if depth > 2 * balanced + SPARE_LEVELS {
            self.rebuild();
        }
    }

    /// Takes a sale out.
    pub(super) fn remove(&mut self, point: &[f64; 3], slot: u32) {
        let (at, _) = self.leaf_of(point);
        if let Some(Node::Leaf(spots)) = self.nodes.get_mut(at)
            && let Some(place) = spots.iter().position(|spot| spot.slot == slot)
        {
            spots.swap_remove(place);
            self.len -= 1;
        }
    }

    /// The nearest `n` usable sales, nearest first, and all that are as good as equally far as
    /// the last of them; none beyond `max_squared_chord`.
    pub(super) fn nearest(
        &self,
        point: [f64; 3],
        n: usize,
        max_squared_chord: f64,
        usable: impl Fn(EventDate) -> bool,
    ) -> Vec<Near> {
        let found = Vec::with_capacity(n + LEAF);
        let limit = max_squared_chord * ALIKE;
        let mut search = Search { nodes: &self.nodes, point, n, limit, usable, found };
        search.visit(0, [0.0; 3]);
        search.found
    }

    /// The leaf that a point belongs to, and the splits above it.
    fn leaf_of(&self, point: &[f64; 3]) -> (usize, usize) {
        let (mut node, mut depth) = (0, 0);
        while let Some(Node::Split { axis, at, below }) = self.nodes.get(node) {
            node = *below as usize + usize::from(point[*axis] >= *at);
            depth += 1;
        }
        (node, depth)
    }

    /// Splits a leaf until what it held is in leaves that are small enough.
    fn split(&mut self, leaf: usize) {
        let mut large = vec![leaf];
        while let Some(node) = large.pop() {
            let Some(Node::Leaf(spots)) = self.nodes.get_mut(node) else { continue };
            if spots.len() <= LEAF {
                continue;
            }
            let Some((axis, at)) = middle(spots) else { continue };
            let (lower, upper) = spots.iter().partition(|spot| spot.point[axis] < at);
            let below = self.nodes.len();
            self.nodes.push(Node::Leaf(lower));
            self.nodes.push(Node::Leaf(upper));
            self.nodes[node] = Node::Split { axis, at, below: below as u32 };
            large.extend([below, below + 1]);
        }
    }

    fn rebuild(&mut self) {
        let leaves = self.nodes.drain(..).filter_map(|node| match node {
            Node::Leaf(spots) => Some(spots),
            Node::Split { .. } => None,
        });
        let all = leaves.flatten().collect();
        self.nodes.push(Node::Leaf(all));
        self.split(0);
    }
}

/// Where to split: the axis along which points lie farthest apart, and the least number above
/// their smallest that has half of them below it, or nearly. `None` when all lie at one place.
fn middle(spots: &mut [Spot]) -> Option<(usize, f64)> {
    let extent = |axis: usize| {
        let along = spots.iter().map(|spot| spot.point[axis]);
        along.clone().fold(f64::NEG_INFINITY, f64::max) - along.fold(f64::INFINITY, f64::min)
    };
    let axis = (0..3).max_by(|a, b| extent(*a).total_cmp(&extent(*b)))?;
    spots.sort_unstable_by(|a, b| a.point[axis].total_cmp(&b.point[axis]));
    let least = spots.first()?.point[axis];
    let middle = spots.get(spots.len() / 2)?.point[axis];
    let at = if middle > least {
        middle
    } else {
        spots.iter().map(|spot| spot.point[axis]).find(|along| *along > least)?
    };
    Some((axis, at))
}

struct Search<'a, U> {
    nodes: &'a [Node],
    point: [f64; 3],
    n: usize,
    /// Squared chord beyond which nothing is looked at.
    limit: f64,
    usable: U,
    found: Vec<Near>,
}

impl<U: Fn(EventDate) -> bool> Search<'_, U> {
    /// Visits a node that is `offsets` away from the point, axis by axis.
    fn visit(&mut self, node: usize, offsets: [f64; 3]) {
        match &self.nodes[node] {
            Node::Leaf(spots) => {
                for spot in spots {
                    if (self.usable)(spot.closed_on) {
                        let squared_chord = squared_chord(&self.point, &spot.point);
                        if squared_chord <= self.limit {
                            self.keep(Near { squared_chord, slot: spot.slot });
                        }
                    }
                }
            }
            Node::Split { axis, at, below } => {
                let offset = self.point[*axis] - at;
                let above = usize::from(offset >= 0.0);
                let below = *below as usize;
                self.visit(below + above, offsets);
                let mut farther = offsets;
                farther[*axis] = offset;
                // Rounding is monotone: no point over there is nearer than this.
                if length(&farther) <= self.limit {
                    self.visit(below + 1 - above, farther);
                }
            }
        }
    }

    fn keep(&mut self, near: Near) {
        let place = self.found.partition_point(|other| other.squared_chord <= near.squared_chord);
        self.found.insert(place, near);
        let Some(last) = self.n.checked_sub(1).and_then(|last| self.found.get(last)) else {
            return;
        };
        self.limit = self.limit.min(last.squared_chord * ALIKE);
        while self.found.last().is_some_and(|last| last.squared_chord > self.limit) {
            self.found.pop();
        }
    }
}

fn squared_chord(a: &[f64; 3], b: &[f64; 3]) -> f64 {
    length(&[a[0] - b[0], a[1] - b[1], a[2] - b[2]])
}

/// Squared.
fn length(vector: &[f64; 3]) -> f64 {
    vector[0] * vector[0] + vector[1] * vector[1] + vector[2] * vector[2]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spot(slot: usize, point: [f64; 3]) -> Spot {
        Spot { point, closed_on: EventDate(slot as i32 % 7), slot: slot as u32 }
    }

    /// Of all spots, those that a search should find, by distance and slot.
    fn expected(spots: &[Spot], point: &[f64; 3], n: usize, max: f64) -> Vec<Near> {
        let near = |spot: &Spot| Near {
            squared_chord: squared_chord(point, &spot.point),
            slot: spot.slot,
        };
        let usable = spots.iter().filter(|spot| spot.closed_on < EventDate(6));
        let mut all: Vec<Near> = usable.map(near).collect();
        all.sort_by(|a, b| a.squared_chord.total_cmp(&b.squared_chord).then(a.slot.cmp(&b.slot)));
        let nth = all.get(n - 1).map_or(f64::INFINITY, |last| last.squared_chord);
        all.retain(|near| near.squared_chord <= nth.min(max) * ALIKE);
        all
    }

    fn found(places: &Places, point: &[f64; 3], n: usize, max: f64) -> Vec<Near> {
        let mut found = places.nearest(*point, n, max, |date| date < EventDate(6));
        assert!(found.is_sorted_by(|a, b| a.squared_chord <= b.squared_chord));
        found.sort_by(|a, b| a.squared_chord.total_cmp(&b.squared_chord).then(a.slot.cmp(&b.slot)));
        found
    }

    /// Numbers of which many are equal.
    fn along() -> impl Strategy<Value = f64> {
        prop_oneof![-1.0..1.0_f64, (-3..4_i32).prop_map(|x| f64::from(x) / 4.0)]
    }

    fn point() -> impl Strategy<Value = [f64; 3]> {
        prop::array::uniform3(along())
    }

    proptest! {
        #[test]
        fn a_search_finds_what_looking_at_all_finds(
            points in prop::collection::vec(point(), 0..400),
            gone in prop::collection::vec(any::<prop::sample::Index>(), 0..100),
            asked in point(),
            n in 1..40_usize,
            max in 0.0..4.0_f64,
            sorted: bool,
        ) {
            let mut points = points;
            if sorted {
                points.sort_by(|a, b| a[0].total_cmp(&b[0]));
            }
            let mut spots: Vec<Spot> =
                points.into_iter().enumerate().map(|(i, point)| spot(i, point)).collect();
            let mut places = Places::new();
            spots.iter().for_each(|spot| places.insert(*spot));
            for index in gone {
                if !spots.is_empty() {
                    let spot = spots.swap_remove(index.index(spots.len()));
                    places.remove(&spot.point, spot.slot);
                }
            }
            prop_assert_eq!(places.len, spots.len());
            let all = expected(&spots, &asked, n, max);
            prop_assert_eq!(found(&places, &asked, n, max), all);
        }
    }

    #[test]
    fn sales_that_come_sorted_by_place_leave_a_shallow_tree() {
        let mut places = Places::new();
        for i in 0..20_000 {
            places.insert(spot(i, [i as f64 / 20_000.0, 0.0, 0.0]));
        }
        let depth = places.leaf_of(&[1.0, 0.0, 0.0]).1;
        assert!(depth <= 2 * 9 + SPARE_LEVELS + 1, "{depth}");
    }

    #[test]
    fn any_number_of_sales_at_one_place_are_found() {
        let mut places = Places::new();
        for i in 0..500 {
            places.insert(spot(7 * i, [0.5; 3]));
        }
        places.insert(spot(3_501, [f64::NAN; 3]));
        assert_eq!(found(&places, &[0.5; 3], 8, 4.0).len(), 500);
        assert_eq!(found(&places, &[0.4; 3], 8, 4.0).len(), 500);
    }
}
