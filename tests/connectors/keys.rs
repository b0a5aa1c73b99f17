//! Key pairs of clients that sign assertions.

use std::sync::LazyLock;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretString;

/// A key in its two halves, in PEM.
pub struct Keys {
    /// What stands in the Secret.
    pub private: SecretString,
    /// What an administrator registers at the service.
    pub public: String,
}

impl Keys {
    fn new() -> Self {
        let key = KeyPair::generate(KeySize::Rsa2048).unwrap();
        Self {
            private: pem("PRIVATE KEY", key.as_der().unwrap().as_ref()).into(),
            public: pem("PUBLIC KEY", key.public_key().as_der().unwrap().as_ref()),
        }
    }
}

/// The key that the service knows.
pub static OURS: LazyLock<Keys> = LazyLock::new(Keys::new);
/// One that it does not know.
pub static OTHER: LazyLock<Keys> = LazyLock::new(Keys::new);

fn pem(label: &str, der: &[u8]) -> String {
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        STANDARD.encode(der)
    )
}
