//! The only source of randomness: a pure function of (seed, stream, step, index).
//!
//! Threefry4x32 with 20 rounds (Salmon, Moraes, Dror, Shaw: *Parallel random numbers: as easy as 1, 2, 3*, SC 2011)
//! turns a 128-bit counter into 128 random bits under a 128-bit key. It needs only additions, rotations and
//! exclusive ors, so a GPU, which has no wide multiplication, draws the same bits as the CPU.
//!
//! The key is (seed, hash of the stream's path); the counter is (column, row / 4, step), and the four words of a
//! block belong to rows 4i … 4i + 3, so that a register of consecutive columns needs no shuffling.

/// What the generator asks of an integer, or of a register of integers.
pub trait Bits: Copy {
    /// The result of a comparison.
    type Mask: Copy;
    /// `x` in every lane.
    fn splat(x: u32) -> Self;
    /// `start`, `start + 1`, …, one a lane.
    fn iota(start: u32) -> Self;
    /// Wrapping sum.
    fn add(self, other: Self) -> Self;
    /// Exclusive or.
    fn xor(self, other: Self) -> Self;
    /// Rotates left by `N`; `REST` is 32 − `N`, because intrinsics take constants only.
    fn rotate<const N: i32, const REST: i32>(self) -> Self;
    /// Unsigned self ≥ other.
    fn ge(self, other: Self) -> Self::Mask;
}

impl Bits for u32 {
    type Mask = bool;
    fn splat(x: u32) -> Self {
        x
    }
    fn iota(start: u32) -> Self {
        start
    }
    fn add(self, other: Self) -> Self {
        self.wrapping_add(other)
    }
    fn xor(self, other: Self) -> Self {
        self ^ other
    }
    fn rotate<const N: i32, const REST: i32>(self) -> Self {
        self.rotate_left(N as u32)
    }
    fn ge(self, other: Self) -> bool {
        self >= other
    }
}

/// Eight integers as a plain array, which the compiler turns into registers.
#[derive(Clone, Copy)]
struct Lanes([u32; LANES]);

const LANES: usize = 8;

impl Bits for Lanes {
    type Mask = [bool; LANES];
    #[inline(always)]
    fn splat(x: u32) -> Self {
        Lanes([x; LANES])
    }
    #[inline(always)]
    fn iota(start: u32) -> Self {
        Lanes(std::array::from_fn(|i| start.wrapping_add(i as u32)))
    }
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Lanes(std::array::from_fn(|i| self.0[i].wrapping_add(other.0[i])))
    }
    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        Lanes(std::array::from_fn(|i| self.0[i] ^ other.0[i]))
    }
    #[inline(always)]
    fn rotate<const N: i32, const REST: i32>(self) -> Self {
        Lanes(std::array::from_fn(|i| self.0[i].rotate_left(N as u32)))
    }
    #[inline(always)]
    fn ge(self, other: Self) -> Self::Mask {
        std::array::from_fn(|i| self.0[i] >= other.0[i])
    }
}

/// Two integers, or two registers, at a time: the rounds of one block wait for each other, those of two can overlap.
#[derive(Clone, Copy)]
pub struct Pair<B>(pub B, pub B);

impl<B: Bits> Bits for Pair<B> {
    type Mask = (B::Mask, B::Mask);
    #[inline(always)]
    fn splat(x: u32) -> Self {
        Pair(B::splat(x), B::splat(x))
    }
    #[inline(always)]
    fn iota(start: u32) -> Self {
        Pair(B::iota(start), B::iota(start))
    }
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Pair(self.0.add(other.0), self.1.add(other.1))
    }
    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        Pair(self.0.xor(other.0), self.1.xor(other.1))
    }
    #[inline(always)]
    fn rotate<const N: i32, const REST: i32>(self) -> Self {
        Pair(self.0.rotate::<N, REST>(), self.1.rotate::<N, REST>())
    }
    #[inline(always)]
    fn ge(self, other: Self) -> Self::Mask {
        (self.0.ge(other.0), self.1.ge(other.1))
    }
}

/// Threefry4x32-20: the block that `counter` has under `key`.
#[inline(always)]
pub fn threefry<B: Bits>(key: [u32; 4], counter: [B; 4]) -> [B; 4] {
    let keys = [key[0], key[1], key[2], key[3], 0x1BD1_1BDA ^ key[0] ^ key[1] ^ key[2] ^ key[3]];
    // No closure: it would be compiled without the instruction set's features.
    let mut x = counter;
    for (word, key) in x.iter_mut().zip(keys) {
        *word = word.add(B::splat(key));
    }
    macro_rules! mix {
        ($a:literal $b:literal, $n:literal) => {
            x[$a] = x[$a].add(x[$b]);
            x[$b] = x[$b].rotate::<$n, { 32 - $n }>().xor(x[$a]);
        };
    }
    macro_rules! four_rounds {
        ($s:literal: $($n:literal)*) => {
            four_rounds!(@ $($n)*);
            for i in 0..4 {
                x[i] = x[i].add(B::splat(keys[($s + i) % 5]));
            }
            x[3] = x[3].add(B::splat($s as u32));
        };
        (@ $a:literal $b:literal $c:literal $d:literal $e:literal $f:literal $g:literal $h:literal) => {
            mix!(0 1, $a);
            mix!(2 3, $b);
            mix!(0 3, $c);
            mix!(2 1, $d);
            mix!(0 1, $e);
            mix!(2 3, $f);
            mix!(0 3, $g);
            mix!(2 1, $h);
        };
    }
    four_rounds!(1: 10 26 11 21 13 27 23 5);
    four_rounds!(2: 6 20 17 11 25 10 18 20);
    four_rounds!(3: 10 26 11 21 13 27 23 5);
    four_rounds!(4: 6 20 17 11 25 10 18 20);
    four_rounds!(5: 10 26 11 21 13 27 23 5);
    x
}

/// A named stream of a seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    key: [u32; 4],
}

impl Stream {
    /// The stream that `path` names, e.g. `"2/mask"` for the mask of layer 2.
    pub fn new(seed: u64, path: &str) -> Self {
        let hash = hash(path.as_bytes());
        Stream { key: [seed as u32, (seed >> 32) as u32, hash as u32, (hash >> 32) as u32] }
    }

    /// The key, for a device that computes the blocks itself.
    pub fn key(&self) -> [u32; 4] {
        self.key
    }

    /// The words of rows `4 * quad` … `4 * quad + 3` at `column`, in `step`.
    #[inline(always)]
    pub fn rows<B: Bits>(&self, step: u64, quad: u32, column: B) -> [B; 4] {
        threefry(self.key, [column, B::splat(quad), B::splat(step as u32), B::splat((step >> 32) as u32)])
    }

    /// [`Stream::rows`] of two quads, `quad` and `quad + 1`.
    #[inline(always)]
    pub fn row_pairs<B: Bits>(&self, step: u64, quad: u32, column: B) -> [Pair<B>; 4] {
        let quads = Pair(B::splat(quad), B::splat(quad + 1));
        let (low, high) = (Pair::splat(step as u32), Pair::splat((step >> 32) as u32));
        threefry(self.key, [Pair(column, column), quads, low, high])
    }

    /// The stream's numbers in order, for `step`.
    pub fn sequence(&self, step: u64) -> Sequence {
        Sequence { stream: *self, step, block: 0, words: [0; 4 * LANES], used: 4 * LANES }
    }
}

/// The draws below which an element is dropped: rate · 2³², so that the comparison is of integers everywhere.
pub fn dropout_threshold(rate: f64) -> u32 {
    (rate * 4_294_967_296.0).round().min(4_294_967_295.0) as u32
}

/// What a kept element is multiplied by; at rate 1, where nothing is kept, 0.
pub fn dropout_scale(rate: f64) -> f64 {
    if rate < 1.0 { 1.0 / (1.0 - rate) } else { 0.0 }
}

/// FNV-1a, then the finaliser of SplitMix64 to spread short strings over all bits.
fn hash(bytes: &[u8]) -> u64 {
    let mut h = 0xcbf2_9ce4_8422_2325_u64;
    for &b in bytes {
        h = (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    mix(h)
}

/// The finaliser of SplitMix64: a bijection that spreads every bit over all.
pub fn mix(mut h: u64) -> u64 {
    h = (h ^ (h >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    h = (h ^ (h >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    h ^ (h >> 31)
}

/// A seed nobody can foresee, from the operating system by way of the standard library's hash keys.
pub fn entropy() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    mix(RandomState::new().hash_one(std::process::id()))
}

/// Numbers of a stream, one after the other.
pub struct Sequence {
    stream: Stream,
    step: u64,
    block: u64,
    words: [u32; 4 * LANES],
    used: usize,
}

impl Sequence {
    /// The next 32 bits.
    #[inline]
    pub fn word(&mut self) -> u32 {
        if self.used == self.words.len() {
            self.refill();
        }
        self.used += 1;
        self.words[self.used - 1]
    }

    /// Draws the next eight blocks, each of four words.
    #[inline(never)]
    fn refill(&mut self) {
        let blocks: [u64; LANES] = std::array::from_fn(|i| self.block + i as u64);
        let low = Lanes(blocks.map(|b| b as u32));
        let high = Lanes(blocks.map(|b| (b >> 32) as u32));
        let (step_low, step_high) = (Lanes::splat(self.step as u32), Lanes::splat((self.step >> 32) as u32));
        let drawn = threefry(self.stream.key, [low, high, step_low, step_high]);
        for (i, word) in self.words.iter_mut().enumerate() {
            *word = drawn[i % 4].0[i / 4];
        }
        self.block += LANES as u64;
        self.used = 0;
    }

    /// Uniform in [0, 1), 53 bits.
    pub fn uniform(&mut self) -> f64 {
        let bits = (u64::from(self.word()) << 32 | u64::from(self.word())) >> 11;
        bits as f64 * (1.0 / (1_u64 << 53) as f64)
    }

    /// Uniform in 0 … n − 1, without bias (Lemire, *Fast random integer generation in an interval*, 2019).
    #[inline]
    pub fn below(&mut self, n: u32) -> u32 {
        let mut product = u64::from(self.word()) * u64::from(n);
        if (product as u32) < n {
            let threshold = n.wrapping_neg() % n;
            while (product as u32) < threshold {
                product = u64::from(self.word()) * u64::from(n);
            }
        }
        (product >> 32) as u32
    }

    /// A uniform order of `order`'s elements, in place (Fisher and Yates).
    pub fn shuffle(&mut self, order: &mut [u32]) {
        for i in (1..order.len()).rev() {
            order.swap(i, self.below(i as u32 + 1) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `threefry4x32 20` in Random123's `kat_vectors`.
    #[test]
    fn known_answers() {
        assert_eq!(threefry([0; 4], [0u32; 4]), [0x9c6c_a96a, 0xe17e_ae66, 0xfc10_ecd4, 0x5256_a7d8]);
        assert_eq!(threefry([!0; 4], [!0u32; 4]), [0x2a88_1696, 0x5701_2287, 0xf6c7_446e, 0xa16a_6732]);
        assert_eq!(
            threefry(
                [0xa409_3822, 0x299f_31d0, 0x082e_fa98, 0xec4e_6c89],
                [0x243f_6a88_u32, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344]
            ),
            [0x59cd_1dbb, 0xb887_9579, 0x86b5_d00c, 0xac8b_6d84]
        );
    }

    #[test]
    fn a_sequence_is_the_blocks_in_order() {
        let stream = Stream::new(3, "s");
        let mut sequence = stream.sequence(1 << 33);
        for block in 0..20_u32 {
            for word in threefry(stream.key(), [block, 0, 0, 2]) {
                assert_eq!(sequence.word(), word);
            }
        }
    }

    #[test]
    fn streams_and_steps_differ() {
        let words = |seed, path, step| Stream::new(seed, path).sequence(step).word();
        let base = words(1, "0/kernel", 0);
        assert_ne!(base, words(2, "0/kernel", 0));
        assert_ne!(base, words(1, "1/kernel", 0));
        assert_ne!(base, words(1, "0/kernel", 1));
        assert_eq!(base, words(1, "0/kernel", 0));
    }

    #[test]
    fn uniform_fills_the_unit_interval() {
        let mut sequence = Stream::new(7, "u").sequence(0);
        let draws: Vec<f64> = (0..20_000).map(|_| sequence.uniform()).collect();
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        assert!((mean - 0.5).abs() < 0.01, "mean {mean}");
        assert!(draws.iter().all(|u| (0.0..1.0).contains(u)));
        for bin in 0..10 {
            let count = draws.iter().filter(|u| (**u * 10.0) as usize == bin).count();
            assert!((1_800..2_200).contains(&count), "bin {bin} holds {count}");
        }
    }

    #[test]
    fn shuffle_permutes_and_reaches_every_order() {
        let mut seen = std::collections::HashMap::new();
        for step in 0..6_000 {
            let mut order = [0, 1, 2];
            Stream::new(3, "order").sequence(step).shuffle(&mut order);
            *seen.entry(order).or_insert(0) += 1;
        }
        assert_eq!(seen.len(), 6);
        assert!(seen.values().all(|count| (850..1_150).contains(count)), "{seen:?}");
    }
}
