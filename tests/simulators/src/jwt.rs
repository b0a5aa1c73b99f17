//! JWT bearer assertions (RFC 7523) as both services take them: RS256 under a key that an administrator registered,
//! as a public key or as the certificate that holds it.

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

/// The grant type of an assertion.
pub(crate) const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// A registered RSA key, as the DER of its `SubjectPublicKeyInfo`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PublicKey(Vec<u8>);

impl PublicKey {
    /// Reads `PUBLIC KEY` or `CERTIFICATE` in PEM; `None` for anything else.
    pub(crate) fn from_pem(pem: &str) -> Option<Self> {
        let body = |label: &str| {
            let (_, rest) = pem.split_once(&format!("-----BEGIN {label}-----"))?;
            let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
            let packed: String = body
                .chars()
                .filter(|character| !character.is_whitespace())
                .collect();
            STANDARD.decode(packed).ok()
        };
        if let Some(key) = body("PUBLIC KEY") {
            return Some(Self(key));
        }
        let certificate = body("CERTIFICATE")?;
        key_of_certificate(&certificate).map(|key| Self(key.to_vec()))
    }
}

/// What an assertion says, its signature proven.
#[derive(Debug, Clone)]
pub(crate) struct Claims {
    /// The key that it names, if it does.
    pub(crate) key_id: Option<String>,
    claims: Map<String, Value>,
}

impl Claims {
    /// Reads an assertion that was signed with RS256 under this key; `None` for any other.
    pub(crate) fn proven(assertion: &str, key: &PublicKey) -> Option<Self> {
        let (signed, signature) = assertion.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let header: Map<String, Value> = json(header)?;
        if header.get("alg")?.as_str()? != "RS256" {
            return None;
        }
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &key.0)
            .verify(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).ok()?)
            .ok()?;
        Some(Self {
            key_id: header.get("kid").and_then(Value::as_str).map(str::to_owned),
            claims: json(claims)?,
        })
    }

    /// Who issued an assertion, before anything of it is proven: it says under whose key to look.
    pub(crate) fn issuer(assertion: &str) -> Option<String> {
        let claims: Map<String, Value> = json(assertion.split('.').nth(1)?)?;
        claims.get("iss")?.as_str().map(str::to_owned)
    }

    /// A claim that is a text.
    pub(crate) fn text(&self, claim: &str) -> &str {
        self.claims.get(claim).and_then(Value::as_str).unwrap_or_default()
    }

    /// A claim that is a time, in seconds of the Unix epoch.
    pub(crate) fn seconds(&self, claim: &str) -> Option<i64> {
        self.claims.get(claim)?.as_i64()
    }
}

fn json(encoded: &str) -> Option<Map<String, Value>> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(encoded).ok()?).ok()
}

/// The `SubjectPublicKeyInfo` of an X.509 certificate: the seventh element of what is signed, or the sixth in the old
/// form without a version (RFC 5280, 4.1).
fn key_of_certificate(certificate: &[u8]) -> Option<&[u8]> {
    let signed = element(content(element(certificate)?.0)?)?.0;
    let mut rest = content(signed)?;
    let first = element(rest)?;
    if first.0.first() == Some(&0xa0) {
        rest = first.1;
    }
    // Serial number, algorithm, issuer, validity, subject.
    for _ in 0..5 {
        rest = element(rest)?.1;
    }
    Some(element(rest)?.0)
}

/// The first DER element, header included, and what follows it.
fn element(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (header, length) = header(der)?;
    der.split_at_checked(header.checked_add(length)?)
}

/// The content of a DER element.
fn content(der: &[u8]) -> Option<&[u8]> {
    let (header, length) = header(der)?;
    der.get(header..header.checked_add(length)?)
}

/// The lengths of a DER element's header and content.
fn header(der: &[u8]) -> Option<(usize, usize)> {
    let first = usize::from(*der.get(1)?);
    if first < 0x80 {
        return Some((2, first));
    }
    let bytes = der.get(2..2 + (first & 0x7f))?;
    let length = bytes.iter().try_fold(0_usize, |length, byte| {
        length.checked_mul(256)?.checked_add(usize::from(*byte))
    })?;
    Some((2 + bytes.len(), length))
}

#[cfg(test)]
pub(crate) mod tests {
    use aws_lc_rs::encoding::AsDer as _;
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::rsa::KeySize;
    use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
    use serde_json::json;

    use super::*;

    /// A client's key pair.
    pub(crate) struct Signer(RsaKeyPair);

    impl Signer {
        pub(crate) fn new() -> Self {
            Self(RsaKeyPair::generate(KeySize::Rsa2048).unwrap())
        }

        /// What an administrator registers.
        pub(crate) fn public_pem(&self) -> String {
            let der = self.0.public_key().as_der().unwrap();
            pem("PUBLIC KEY", der.as_ref())
        }

        pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
            let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
            let signed = format!("{}.{}", part(header), part(claims));
            let mut signature = vec![0; self.0.public_modulus_len()];
            self.0
                .sign(
                    &RSA_PKCS1_SHA256,
                    &SystemRandom::new(),
                    signed.as_bytes(),
                    &mut signature,
                )
                .unwrap();
            format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
        }

        /// Signed with the header that clients send.
        pub(crate) fn assert(&self, claims: &Value) -> String {
            self.sign(&json!({"alg": "RS256", "typ": "JWT"}), claims)
        }
    }

    fn pem(label: &str, der: &[u8]) -> String {
        format!(
            "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
            STANDARD.encode(der)
        )
    }

    #[test]
    fn an_assertion_is_taken_only_as_it_was_signed_and_only_under_its_key() {
        let (ours, other) = (Signer::new(), Signer::new());
        let key = PublicKey::from_pem(&ours.public_pem()).unwrap();
        let claims = json!({"iss": "app", "exp": 7});
        let good = ours.sign(&json!({"alg": "RS256", "kid": "k1"}), &claims);
        let proven = Claims::proven(&good, &key).unwrap();
        assert_eq!(proven.key_id.as_deref(), Some("k1"));
        assert_eq!((proven.text("iss"), proven.seconds("exp")), ("app", Some(7)));
        assert_eq!(Claims::issuer(&good).as_deref(), Some("app"));
        assert!(Claims::proven(&other.assert(&claims), &key).is_none());
        assert!(Claims::proven(&ours.sign(&json!({"alg": "none"}), &claims), &key).is_none());
        let parts: Vec<&str> = good.split('.').collect();
        let forged = URL_SAFE_NO_PAD.encode(r#"{"iss":"app","exp":9999999999}"#);
        assert!(Claims::proven(&format!("{}.{forged}.{}", parts[0], parts[2]), &key).is_none());
        for torn in ["", "a.b", "a.b.c", "...", parts[0]] {
            assert!(Claims::proven(torn, &key).is_none(), "{torn}");
        }
    }

    #[test]
    fn the_key_is_found_in_a_certificate_with_and_without_a_version() {
        let sequence = |content: &[u8]| {
            let length = u16::try_from(content.len()).unwrap().to_be_bytes();
            [&[0x30, 0x82, length[0], length[1]], content].concat()
        };
        let key = Signer::new().0.public_key().as_der().unwrap().as_ref().to_vec();
        let small = [0x30, 0x00];
        let rest = [
            &[0x02, 0x01, 0x05][..],
            &small,
            &small,
            &small,
            &small,
            &key,
            &small,
        ]
        .concat();
        let version = [0xa0, 0x03, 0x02, 0x01, 0x02];
        for signed in [sequence(&rest), sequence(&[&version[..], &rest].concat())] {
            let certificate = sequence(&[&signed[..], &small, &[0x03, 0x01, 0x00]].concat());
            assert_eq!(
                PublicKey::from_pem(&pem("CERTIFICATE", &certificate)),
                Some(PublicKey(key.clone()))
            );
            assert_eq!(PublicKey::from_pem(&pem("CERTIFICATE", &certificate[..40])), None);
        }
        assert_eq!(PublicKey::from_pem("no key"), None);
    }
}
