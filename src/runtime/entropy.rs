//! The machine's random numbers behind [`crate::ports::Entropy`].

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use tracing::error;

use crate::ports::Entropy;

/// The system's cryptographic random numbers.
pub struct SystemEntropy(SystemRandom);

impl SystemEntropy {
    /// Ready to use.
    #[must_use]
    pub fn new() -> Self {
        Self(SystemRandom::new())
    }
}

impl Default for SystemEntropy {
    fn default() -> Self {
        Self::new()
    }
}

impl Entropy for SystemEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        if self.0.fill(buffer).is_err() {
            // Nonces and keys come from here: a process that cannot draw them must not go on encrypting with zeros.
            error!("the system gives no random numbers");
            std::process::abort();
        }
    }
}
