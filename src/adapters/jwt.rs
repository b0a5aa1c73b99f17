//! JWT bearer assertions (RFC 7523): what proves to an authorization server who is calling, signed with RS256.

use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};

/// How long an assertion is good for. Salesforce takes at most a few minutes.
const LIFETIME: Duration = Duration::from_mins(3);

/// The `grant_type` of an assertion.
pub(super) const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// The times of server and operator must be further apart than this for the server's to be taken instead.
const CLOCKS_AGREE: i64 = 30;

/// Why nothing can be signed with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum KeyFault {
    /// PEM of another kind, or none.
    #[error("is no RSA private key in PEM (BEGIN PRIVATE KEY or BEGIN RSA PRIVATE KEY)")]
    NotPem,
    /// A key under a passphrase.
    #[error("is encrypted: give the key without a passphrase (openssl pkey -in key.pem)")]
    Encrypted,
    /// PEM whose content is no RSA key of 2048 to 8192 bits.
    #[error("holds no RSA key of 2048 to 8192 bits")]
    NotRsa,
}

/// What an assertion says.
pub(super) struct Assertion<'a> {
    /// The client.
    pub(super) issuer: &'a str,
    /// The user.
    pub(super) subject: &'a str,
    /// The server that it is for.
    pub(super) audience: &'a str,
    /// The name of the key, where the server knows several.
    pub(super) key_id: Option<&'a str>,
    /// Now, in seconds of the Unix epoch.
    pub(super) now: i64,
}

impl Assertion<'_> {
    /// Signs it.
    pub(super) fn sign(&self, private_key: &SecretString) -> Result<SecretString, KeyFault> {
        let key = key_pair(private_key.expose_secret())?;
        let mut header = Map::from_iter([
            ("alg".to_owned(), json!("RS256")),
            ("typ".to_owned(), json!("JWT")),
        ]);
        header.extend(self.key_id.map(|id| ("kid".to_owned(), json!(id))));
        let lifetime = i64::try_from(LIFETIME.as_secs()).unwrap_or_default();
        let claims = json!({
            "iss": self.issuer, "sub": self.subject, "aud": self.audience,
            "iat": self.now, "exp": self.now.saturating_add(lifetime),
        });
        let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let signed = format!("{}.{}", part(&Value::Object(header)), part(&claims));
        let mut signature = vec![0; key.public_modulus_len()];
        // The signature does not depend on the random numbers: they hide the key from who measures time.
        key.sign(
            &RSA_PKCS1_SHA256,
            &SystemRandom::new(),
            signed.as_bytes(),
            &mut signature,
        )
        .map_err(|_| KeyFault::NotRsa)?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)).into())
    }
}

/// How far the server's clock is from ours, in seconds, where that is far enough to explain a refused assertion that was
/// made with `offset`.
pub(super) fn clocks_differ(server: i64, ours: i64, offset: i64) -> Option<i64> {
    let seen = server.saturating_sub(ours);
    (seen.abs_diff(offset) > CLOCKS_AGREE.unsigned_abs()).then_some(seen)
}

fn key_pair(pem: &str) -> Result<RsaKeyPair, KeyFault> {
    let body = |label: &str| {
        let (_, rest) = pem.split_once(&format!("-----BEGIN {label}-----"))?;
        let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
        Some(body)
    };
    let decoded = |body: &str| {
        let packed: String = body
            .chars()
            .filter(|character| !character.is_whitespace())
            .collect();
        STANDARD.decode(packed).map_err(|_| KeyFault::NotPem)
    };
    if pem.contains("ENCRYPTED") {
        return Err(KeyFault::Encrypted);
    }
    let key = match (body("PRIVATE KEY"), body("RSA PRIVATE KEY")) {
        (Some(pkcs8), _) => RsaKeyPair::from_pkcs8(&decoded(pkcs8)?),
        (None, Some(pkcs1)) => RsaKeyPair::from_der(&decoded(pkcs1)?),
        (None, None) => return Err(KeyFault::NotPem),
    };
    key.map_err(|_| KeyFault::NotRsa)
}

#[cfg(test)]
pub(crate) mod tests {
    use aws_lc_rs::encoding::AsDer as _;
    use aws_lc_rs::rsa::KeySize;
    use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};

    use super::*;

    fn pem(label: &str, der: &[u8]) -> SecretString {
        format!(
            "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
            STANDARD.encode(der)
        )
        .into()
    }

    /// A new private key in PEM, as `openssl genpkey` writes it.
    pub(crate) fn private_key() -> SecretString {
        let key = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        pem("PRIVATE KEY", key.as_der().unwrap().as_ref())
    }

    const ASSERTION: Assertion<'_> = Assertion {
        issuer: "app",
        subject: "sync@acme.example",
        audience: "https://login.salesforce.com",
        key_id: Some("k1"),
        now: 1_700_000_000,
    };

    #[test]
    fn both_forms_of_a_key_give_the_same_assertion_which_its_public_half_proves() {
        let key = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let pkcs8 = key.as_der().unwrap();
        // PKCS#8 ends with the PKCS#1 form, wrapped as an octet string: 26 bytes of header for 2048 bits.
        let pkcs1 = &pkcs8.as_ref()[26..];
        let signed = ASSERTION.sign(&pem("PRIVATE KEY", pkcs8.as_ref())).unwrap();
        let again = ASSERTION.sign(&pem("RSA PRIVATE KEY", pkcs1)).unwrap();
        assert_eq!(signed.expose_secret(), again.expose_secret());

        let (content, signature) = signed.expose_secret().rsplit_once('.').unwrap();
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public_key().as_ref())
            .verify(content.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap())
            .unwrap();
        let part =
            |part: &str| -> Value { serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap() };
        let (header, claims) = content.split_once('.').unwrap();
        assert_eq!(part(header), json!({"alg": "RS256", "typ": "JWT", "kid": "k1"}));
        assert_eq!(
            part(claims),
            json!({
                "iss": "app", "sub": "sync@acme.example", "aud": "https://login.salesforce.com",
                "iat": 1_700_000_000, "exp": 1_700_000_180,
            })
        );
    }

    #[test]
    fn a_key_that_cannot_sign_says_why() {
        let fault = |pem: &SecretString| ASSERTION.sign(pem).unwrap_err();
        assert_eq!(fault(&"no PEM".into()), KeyFault::NotPem);
        assert_eq!(fault(&pem("CERTIFICATE", b"x")), KeyFault::NotPem);
        assert_eq!(fault(&pem("ENCRYPTED PRIVATE KEY", b"x")), KeyFault::Encrypted);
        assert_eq!(fault(&pem("PRIVATE KEY", b"x")), KeyFault::NotRsa);
    }

    #[test]
    fn the_servers_clock_explains_a_refusal_only_where_it_is_elsewhere() {
        assert_eq!(clocks_differ(1000, 990, 0), None);
        assert_eq!(clocks_differ(1000, 900, 0), Some(100));
        assert_eq!(clocks_differ(1000, 900, 100), None);
        assert_eq!(clocks_differ(900, 1000, 0), Some(-100));
    }
}
