//! Sales by place: a k-d tree of points on the unit sphere, in buckets.

use std::ops::Range;

use crate::date::EventDate;

/// Points of a leaf, unless more of them lie at one place.
const LEAF: usize = 24;
/// Levels that a tree may have beyond twice those of a balanced one before it is made anew:
/// sales that arrive sorted by place would make a list of it.
const SPARE_LEVELS: usize = 8;
/// Factor within which squared chords count as equal: what rounding can make of one distance,
/// and more.
const ALIKE: f64 = 1.0 + 1e-9;
/// Rings that found sales are counted in: the last lies at the greatest distance asked for, the
/// first reaches down to the place itself.
const RINGS: usize = 256;
/// Bits of a number that a ring leaves out: eight rings double the squared chord.
const RING_BITS: u32 = 49;

/// A sale at its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spot {
    /// A point of the unit sphere.
    pub(super) point: [f64; 3],
    pub(super) closed_on: EventDate,
    pub(super) slot: u32,
}

/// A sale and its squared chord from the place that was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
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

    /// The nearest `n` sales that closed on the days of `window`, nearest first, and all that are
    /// as good as equally far as the last of them; none beyond `max_squared_chord`.
    pub(super) fn nearest(
        &self,
        point: [f64; 3],
        n: usize,
        max_squared_chord: f64,
        window: Range<EventDate>,
    ) -> Vec<Near> {
        let limit = max_squared_chord * ALIKE;
        let mut search = Search {
            nodes: &self.nodes,
            point,
            window,
            rings: Rings::new(n, limit),
            limit,
            found: Vec::with_capacity(4 * LEAF),
        };
        search.visit(0, [0.0; 3]);
        search.found.retain(|near| near.squared_chord <= search.limit);
        // The bits of numbers that are not negative are in their order.
        search.found.sort_unstable_by_key(|near| near.squared_chord.to_bits());
        if let Some(last) = n.checked_sub(1).and_then(|last| search.found.get(last)) {
            let limit = last.squared_chord * ALIKE;
            let cut = search.found.partition_point(|near| near.squared_chord <= limit);
            search.found.truncate(cut);
        }
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

struct Search<'a> {
    nodes: &'a [Node],
    point: [f64; 3],
    window: Range<EventDate>,
    /// Squared chord beyond which nothing is looked at.
    limit: f64,
    rings: Rings,
    /// Some of them beyond the limit: it came down later.
    found: Vec<Near>,
}

impl Search<'_> {
    /// Visits a node that is `offsets` away from the point, axis by axis.
    fn visit(&mut self, node: usize, offsets: [f64; 3]) {
        match &self.nodes[node] {
            Node::Leaf(spots) => spots.chunks(LEAF).for_each(|spots| self.keep(spots)),
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

    /// Keeps those of at most [`LEAF`] spots that are within the limit.
    fn keep(&mut self, spots: &[Spot]) {
        let mut kept = [Near::default(); LEAF];
        let mut n = 0;
        // Dates and distances within a leaf follow no pattern: no branch depends on them.
        for spot in spots.iter().take(LEAF) {
            let squared_chord = squared_chord(&self.point, &spot.point);
            kept[n] = Near { squared_chord, slot: spot.slot };
            let usable = (self.window.start <= spot.closed_on) & (spot.closed_on < self.window.end);
            n += usize::from(usable & (squared_chord <= self.limit));
        }
        let kept = &kept[..n];
        self.found.extend_from_slice(kept);
        kept.iter().for_each(|near| self.rings.count(near.squared_chord));
        self.limit = self.limit.min(self.rings.limit());
    }
}

/// Counts sales by distance, so as to bound the distance of the nearest `n` without sorting.
struct Rings {
    n: usize,
    counts: [u32; RINGS],
    /// Place of the first ring in the order of all numbers.
    first: i64,
    /// The ring that holds the `n`-th of those counted, or the last.
    ring: usize,
    /// Counted up to that ring.
    within: usize,
}

impl Rings {
    fn new(n: usize, limit: f64) -> Self {
        let last = RINGS - 1;
        let first = place(limit) - last as i64;
        Self { n, counts: [0; RINGS], first, ring: last, within: 0 }
    }

    fn count(&mut self, squared_chord: f64) {
        let ring = (place(squared_chord) - self.first).clamp(0, RINGS as i64 - 1) as usize;
        self.counts[ring] += 1;
        self.within += usize::from(ring <= self.ring);
        while self.ring > 0 && self.within - self.counts[self.ring] as usize >= self.n {
            self.within -= self.counts[self.ring] as usize;
            self.ring -= 1;
        }
    }

    /// Squared chord that none of the nearest `n`, nor what counts as equally far, is beyond.
    fn limit(&self) -> f64 {
        if self.within < self.n {
            return f64::INFINITY;
        }
        let next = self.first + self.ring as i64 + 1;
        f64::from_bits((next.max(0) as u64) << RING_BITS) * ALIKE
    }
}

fn place(squared_chord: f64) -> i64 {
    (squared_chord.to_bits() >> RING_BITS) as i64
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
        let mut found = places.nearest(*point, n, max, EventDate(i32::MIN)..EventDate(6));
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
