//! The streams that River was asked about. `benches/peers/detectors/streams.py` makes the same
//! ones: only exact operations in the same order, so that every bit is the same.

/// Kinds of streams, in the order of their seeds.
pub(crate) const KINDS: [&str; 10] = [
    "abrupt",
    "gradual",
    "none",
    "heavy_tails",
    "constant",
    "ties",
    "short",
    "spread",
    "binary",
    "wave",
];
/// Streams of each kind.
pub(crate) const STREAMS: usize = 20;
const LENGTHS: [usize; STREAMS] = [
    100, 150, 200, 300, 400, 500, 600, 800, 1_000, 1_000, 1_200, 1_500, 1_500, 2_000, 2_000, 2_500,
    3_000, 4_000, 6_000, 20_000,
];

/// SplitMix64 (Steele, Lea and Flood 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Uniform from 0 to below 1.
    fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 * (1.0 / 9_007_199_254_740_992.0)
    }

    /// Nearly normal: a sum of twelve.
    fn normal(&mut self) -> f64 {
        (0..12).fold(-6.0, |sum, _| sum + self.uniform())
    }
}

/// Stream `number` (0 to 19) of a kind (0 to 9).
pub(crate) fn stream(kind: usize, number: usize) -> Vec<f64> {
    let mut random = Random((1_000 * kind + number) as u64);
    let length = if KINDS[kind] == "short" { 1 + 7 * number } else { LENGTHS[number] };
    let scale = [1.0, 0.01, 1_000.0][number % 3];
    let shift = 0.25 + 3.0 * random.uniform();
    let changes = number % 2 == 1;
    let middle = length / 2;
    let third = length / 3;
    let value = |i: usize| {
        let late = changes && i >= middle;
        match KINDS[kind] {
            "abrupt" => {
                let level = if i < third || i >= 2 * third { 0.0 } else { shift };
                scale * (level + random.normal())
            }
            "gradual" => {
                let moved = i.saturating_sub(third).min(third);
                scale * (shift * (moved as f64 / third as f64) + random.normal())
            }
            "none" => scale * random.normal(),
            "heavy_tails" => {
                let level = if late { 5.0 * shift } else { 0.0 };
                let size = random.normal();
                scale * (level + size / (random.uniform() + 0.01))
            }
            "constant" => scale * if late { 2.0 } else { 1.0 },
            "ties" => ((if late { 6.0 } else { 4.0 }) * random.uniform()).floor(),
            "short" => random.normal() + if i > middle { 2.0 } else { 0.0 },
            "spread" => scale * random.normal() * if late { 4.0 } else { 1.0 },
            "binary" => f64::from(random.uniform() < if late { 0.4 } else { 0.1 }),
            _ => (i % 50) as f64 / 50.0 + 0.2 * random.normal(),
        }
    };
    (0..length).map(value).collect()
}
