//! Identifiers drawn from a seed, so that a run can be replayed.

/// A stream of 32-digit identifiers.
#[derive(Debug, Clone)]
pub(super) struct Ids {
    state: u64,
}

impl Ids {
    pub(super) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next identifier: 32 hexadecimal digits in no particular order, as a GUID is.
    pub(super) fn next(&mut self) -> String {
        let (high, low) = (self.draw(), self.draw());
        format!("{high:016x}{low:016x}")
    }

    /// `SplitMix64`: one addition and a mix, good enough to scatter ids.
    fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.state)
    }
}

/// Scatters a number over all 64 bits.
pub(super) fn mix(number: u64) -> u64 {
    let mut z = number;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Whether the text has the form of a `sys_id`.
pub(super) fn is_sys_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
