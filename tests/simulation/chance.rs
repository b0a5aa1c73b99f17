//! Chance with a seed. What happens at one place of a run is drawn for that place alone, so that a story stays the same
//! when one of its events is taken out.

/// A small generator with a seed (`SplitMix64`): the same seed, the same run.
#[derive(Clone)]
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x5DEE_CE66_D1CE_4E5B)
    }

    /// The chance that belongs to the event of that kind and number in a seed's run.
    pub fn of(seed: u64, kind: &str, number: u64) -> Self {
        // FNV-1a: short, and the same everywhere.
        let mut hash = 0xCBF2_9CE4_8422_2325_u64;
        for byte in kind.bytes().chain(number.to_le_bytes()) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
        }
        Self::new(seed ^ hash)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    /// True in so many of a thousand cases.
    pub fn permille(&mut self, cases: u64) -> bool {
        self.below(1000) < cases
    }

    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        let index = usize::try_from(self.below(items.len() as u64)).unwrap();
        &items[index]
    }
}
