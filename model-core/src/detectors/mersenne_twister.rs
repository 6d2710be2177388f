//! The random numbers of Python's `random.Random(seed)`, so that samples equal Python's.

use serde::{Deserialize, Serialize};

/// Words of the state.
const N: usize = 624;
const M: usize = 397;

/// MT19937 (Matsumoto and Nishimura, "Mersenne Twister", ACM TOMACS 1998), seeded as CPython
/// seeds it with a whole number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "State", into = "State")]
pub(super) struct MersenneTwister {
    words: Vec<u32>,
    next: usize,
}

impl MersenneTwister {
    /// The generator of `random.Random(seed)`.
    pub(super) fn new(seed: u64) -> Self {
        let (low, high) = (seed as u32, (seed >> 32) as u32);
        if high == 0 { Self::from_key(&[low]) } else { Self::from_key(&[low, high]) }
    }

    fn from_key(key: &[u32]) -> Self {
        let mut words = vec![0_u32; N];
        words[0] = 19_650_218;
        for i in 1..N {
            words[i] = mixed(words[i - 1], 1_812_433_253).wrapping_add(i as u32);
        }
        let mut i = 1;
        // Both passes walk all words but the first, around and around.
        let step = |words: &mut [u32], i: &mut usize| {
            *i += 1;
            if *i == N {
                words[0] = words[N - 1];
                *i = 1;
            }
        };
        for (j, part) in (0..key.len()).cycle().take(N.max(key.len())).map(|j| (j, key[j])) {
            words[i] = (words[i] ^ mixed(words[i - 1], 1_664_525))
                .wrapping_add(part)
                .wrapping_add(j as u32);
            step(&mut words, &mut i);
        }
        for _ in 1..N {
            words[i] = (words[i] ^ mixed(words[i - 1], 1_566_083_941)).wrapping_sub(i as u32);
            step(&mut words, &mut i);
        }
        words[0] = 0x8000_0000;
        Self { words, next: N }
    }

    fn next_u32(&mut self) -> u32 {
        if self.next == N {
            self.twist();
        }
        let mut word = self.words[self.next];
        self.next += 1;
        word ^= word >> 11;
        word ^= (word << 7) & 0x9D2C_5680;
        word ^= (word << 15) & 0xEFC6_0000;
        word ^ (word >> 18)
    }

    fn twist(&mut self) {
        for i in 0..N {
            let joined = (self.words[i] & 0x8000_0000) | (self.words[(i + 1) % N] & 0x7FFF_FFFF);
            let odd = if joined & 1 == 1 { 0x9908_B0DF } else { 0 };
            self.words[i] = self.words[(i + M) % N] ^ (joined >> 1) ^ odd;
        }
        self.next = 0;
    }

    /// Uniform in `0..bound`, as `Random._randbelow` draws it; `bound` is at least 1.
    fn below(&mut self, bound: u32) -> u32 {
        let bits = u32::BITS - bound.leading_zeros();
        loop {
            let drawn = self.next_u32() >> (u32::BITS - bits);
            if drawn < bound {
                return drawn;
            }
        }
    }

    /// `wanted` different ones of `0..population` into `chosen`, in the order in which
    /// `Random.sample(range(population), wanted)` answers them; `wanted` is at most `population`.
    pub(super) fn sample(&mut self, population: u32, wanted: u32, chosen: &mut Vec<u32>) {
        chosen.clear();
        // Python keeps the smaller of a pool of all and a set of the chosen.
        let set_size = if wanted > 5 {
            let tables = (0..16).map(|power| 1_u64 << (2 * power));
            21 + tables.into_iter().find(|&size| size >= 3 * u64::from(wanted)).unwrap_or(u64::MAX)
        } else {
            21
        };
        let mut taken = vec![0_u32; population as usize];
        if u64::from(population) <= set_size {
            let pool = &mut taken;
            pool.iter_mut().zip(0..).for_each(|(place, item)| *place = item);
            for i in 0..wanted {
                let j = self.below(population - i) as usize;
                chosen.push(pool[j]);
                pool[j] = pool[(population - i - 1) as usize];
            }
        } else {
            while chosen.len() < wanted as usize {
                let item = self.below(population);
                if std::mem::replace(&mut taken[item as usize], 1) == 0 {
                    chosen.push(item);
                }
            }
        }
    }
}

fn mixed(word: u32, factor: u32) -> u32 {
    (word ^ (word >> 30)).wrapping_mul(factor)
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    words: Vec<u32>,
    next: usize,
}

impl From<MersenneTwister> for State {
    fn from(MersenneTwister { words, next }: MersenneTwister) -> Self {
        Self { words, next }
    }
}

impl TryFrom<State> for MersenneTwister {
    type Error = String;

    fn try_from(State { words, next }: State) -> Result<Self, String> {
        if words.len() != N || next > N {
            let length = words.len();
            return Err(format!(
                "a Mersenne Twister has {N} words, not {length}, {next} of it used"
            ));
        }
        Ok(Self { words, next })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(seed: u64, count: usize) -> Vec<u32> {
        let mut generator = MersenneTwister::new(seed);
        (0..count).map(|_| generator.next_u32()).collect()
    }

    fn sample(seed: u64, population: u32, wanted: u32) -> Vec<u32> {
        let mut chosen = Vec::new();
        MersenneTwister::new(seed).sample(population, wanted, &mut chosen);
        chosen
    }

    #[test]
    fn words_are_pythons() {
        // [random.Random(seed).getrandbits(32) ...]; the state turns over after 624
        assert_eq!(words(0, 3), [3626764237, 1654615998, 3255389356]);
        assert_eq!(words(0, 1300)[1297..], [1906887110, 1289285412, 613370405]);
        assert_eq!(words(42, 3), [2746317213, 478163327, 107420369]);
        assert_eq!(words(42, 1300)[1297..], [2056061866, 1891799103, 1463320861]);
        assert_eq!(words(1099511627783, 3), [2635837658, 3209733218, 3500038837]);
        assert_eq!(words(1099511627783, 1300)[1297..], [192862737, 2590994999, 2002936298]);
    }

    #[test]
    fn samples_are_pythons() {
        // random.Random(seed).sample(range(population), wanted)
        assert_eq!(
            sample(42, 70, 30),
            [
                14, 3, 35, 31, 28, 17, 13, 43, 47, 57, 34, 5, 37, 27, 2, 1, 58, 63, 69, 32, 38, 54,
                67, 12, 45, 41, 59, 26, 51, 65
            ]
        );
        assert_eq!(sample(7, 5, 5), [2, 1, 3, 0, 4]);
        assert_eq!(sample(7, 22, 5), [10, 4, 12, 20, 1]);
        assert_eq!(sample(7, 1000, 6), [331, 970, 154, 404, 666, 49]);
        assert_eq!(sample(7, 277, 8), [165, 77, 202, 24, 37, 274, 48, 187]);
        assert!(sample(3, 0, 0).is_empty());
    }
}
