//! The only randomness of this crate: a small generator with an explicit seed.

/// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
pub(crate) struct SplitMix64(u64);

impl SplitMix64 {
    /// A stream of its own for each pair of seed and purpose.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut generator = Self(seed ^ stream.wrapping_mul(0xD1B5_4A32_D192_ED03));
        generator.next_u64();
        generator
    }

    fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Uniform in `0..bound` (Lemire's multiplication; its bias is below `bound / 2^32`).
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        (((self.next_u64() >> 32) * u64::from(bound)) >> 32) as u32
    }

    /// Picks `wanted` of `0..n` into `chosen` (the rest goes to `others`), both in order.
    /// Selection sampling: Knuth, The Art of Computer Programming 2, 3.4.2, algorithm S.
    pub(crate) fn choose(
        &mut self,
        n: u32,
        wanted: u32,
        chosen: &mut Vec<u32>,
        others: &mut Vec<u32>,
    ) {
        chosen.clear();
        others.clear();
        let mut missing = wanted.min(n);
        for item in 0..n {
            if self.below(n - item) < missing {
                chosen.push(item);
                missing -= 1;
            } else {
                others.push(item);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chooses_exactly_as_many_as_wanted_each_item_equally_often() {
        let mut generator = SplitMix64::new(7, 1);
        let (mut chosen, mut others) = (Vec::new(), Vec::new());
        let mut hits = [0_u32; 10];
        for _ in 0..10_000 {
            generator.choose(10, 3, &mut chosen, &mut others);
            assert_eq!((chosen.len(), others.len()), (3, 7));
            assert!(chosen.is_sorted() && others.is_sorted());
            chosen.iter().for_each(|&item| hits[item as usize] += 1);
        }
        // binomial(10000, 0.3): standard deviation 46
        assert!(hits.iter().all(|&count| count.abs_diff(3_000) < 230), "{hits:?}");
    }

    #[test]
    fn first_numbers_are_those_of_the_reference() {
        // seed 1234567, the test vector of the reference implementation
        let mut generator = SplitMix64(1_234_567);
        let numbers = [generator.next_u64(), generator.next_u64()];
        assert_eq!(numbers, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
    }
}
