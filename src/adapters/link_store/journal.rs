//! The journal of overwritten values: what a conflict or a drift cost, kept so that a person can get it back.
//!
//! Each entry is encrypted on its own (AES-256-GCM, a random 96-bit nonce, a key derived from the flow's). In clear are
//! only the time, the link, the cause and the side; they are authenticated together with the flow's UID, so an entry
//! that was changed, or moved to another flow, does not open.
//!
//! It is bounded: 8 parts of at most 64 KiB, written in turn, so the oldest part gives way. Entries are numbered; a gap
//! in the numbers is what was lost to the bound. A part that cannot be read is left as it is, and its turn is skipped:
//! the journal is for people, and a damaged one must not stop the flow.

use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::encoding::{self, FORMAT};
use super::flow_key::SecretKey;
use crate::core::ident::{FieldKey, LinkId, RecordId};
use crate::core::link::{JournalCause, JournalEntry};
use crate::core::side::{PerSide, Side};
use crate::core::time::Instant;
use crate::ports::{Entropy, StoreError};

/// How many parts there are.
const PARTS: u8 = 8;
/// The largest part, in bytes.
const PART_BYTES: usize = 64 * 1024;
/// The longest text of an entry before encryption, in bytes: a part holds at least one whole entry.
const ENTRY_BYTES: usize = 40 * 1024;

/// Encrypts and decrypts the journal of one flow.
#[derive(Clone)]
pub struct Cipher {
    key: [u8; 32],
    flow_uid: String,
}

/// An entry as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SealedEntry {
    /// What may be read by whoever reads the ConfigMap.
    #[serde(flatten)]
    pub clear: ClearPart,
    /// Base64.
    nonce: String,
    /// The rest, encrypted; base64.
    sealed: String,
}

/// The part of an entry that is not encrypted. Authenticated, so it can be relied on once the entry was opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClearPart {
    /// Counts up from 0 over the life of the journal.
    pub sequence: u64,
    /// When, by our clock.
    pub at: Instant,
    /// The link.
    pub link: LinkId,
    /// Why the other value won.
    pub cause: JournalCause,
    /// The side whose value was overwritten.
    pub overwritten: Side,
    /// True where the values were too long and only their beginnings are kept.
    #[serde(default)]
    pub cut: bool,
}

/// The encrypted part of an entry.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SecretPart {
    field: FieldKey,
    ids: PerSide<Option<RecordId>>,
    lost: String,
    kept: String,
}

/// Why an entry could not be written or read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// The key is another one, or the entry was changed, or it belongs to another flow. Nothing of it is shown.
    #[error(
        "journal entry {sequence} does not open: it was written under another key, or changed, or belongs to another \
         flow"
    )]
    NotAuthentic {
        /// Its number.
        sequence: u64,
    },
    /// The entry opened, and what is in it is of no known form.
    #[error("journal entry {sequence} opens, but was written by another version of syncflow")]
    UnknownForm {
        /// Its number.
        sequence: u64,
    },
    /// An entry could not be encrypted.
    #[error("journal entry {sequence} could not be encrypted")]
    Sealing {
        /// Its number.
        sequence: u64,
    },
}

impl Cipher {
    /// The cipher of the flow with this key and UID.
    #[must_use]
    pub fn new(key: &SecretKey, flow_uid: &str) -> Self {
        // A key of its own: the flow's key also makes fingerprints.
        let flow_key = hmac::Key::new(hmac::HMAC_SHA256, key.bytes());
        let derived = hmac::sign(&flow_key, b"syncflow journal key");
        let mut key = [0; 32];
        key.copy_from_slice(derived.as_ref());
        Self {
            key,
            flow_uid: flow_uid.to_owned(),
        }
    }

    /// Encrypts an entry. Values too long for the journal keep their beginnings.
    pub fn seal(
        &self,
        sequence: u64,
        entry: JournalEntry,
        entropy: &dyn Entropy,
    ) -> Result<SealedEntry, JournalError> {
        let failed = || JournalError::Sealing { sequence };
        let mut secret = SecretPart {
            field: entry.field,
            ids: entry.ids,
            lost: entry.lost,
            kept: entry.kept,
        };
        let mut text = serde_json::to_string(&secret).map_err(|_| failed())?;
        let cut = text.len() > ENTRY_BYTES;
        while text.len() > ENTRY_BYTES {
            // The value that stands in the records can be seen there; the lost one is nowhere else.
            let longer = if secret.kept.len() > ENTRY_BYTES / 8 {
                &mut secret.kept
            } else {
                &mut secret.lost
            };
            if longer.is_empty() {
                return Err(failed());
            }
            let half = longer.floor_char_boundary(longer.len() / 2);
            longer.truncate(half);
            text = serde_json::to_string(&secret).map_err(|_| failed())?;
        }
        let clear = ClearPart {
            sequence,
            at: entry.at,
            link: entry.link,
            cause: entry.cause,
            overwritten: entry.overwritten,
            cut,
        };
        let mut nonce = [0; NONCE_LEN];
        entropy.fill(&mut nonce);
        let mut sealed = text.into_bytes();
        self.aead()
            .and_then(|aead| {
                aead.seal_in_place_append_tag(
                    Nonce::assume_unique_for_key(nonce),
                    Aad::from(self.authenticated(&clear)?),
                    &mut sealed,
                )
                .ok()
            })
            .ok_or_else(failed)?;
        Ok(SealedEntry {
            clear,
            nonce: STANDARD.encode(nonce),
            sealed: STANDARD.encode(sealed),
        })
    }

    /// Decrypts an entry.
    pub fn open(&self, entry: &SealedEntry) -> Result<JournalEntry, JournalError> {
        let sequence = entry.clear.sequence;
        let text = self
            .decrypt(entry)
            .ok_or(JournalError::NotAuthentic { sequence })?;
        let secret: SecretPart =
            serde_json::from_slice(&text).map_err(|_| JournalError::UnknownForm { sequence })?;
        Ok(JournalEntry {
            link: entry.clear.link.clone(),
            field: secret.field,
            overwritten: entry.clear.overwritten,
            ids: secret.ids,
            at: entry.clear.at,
            cause: entry.clear.cause,
            lost: secret.lost,
            kept: secret.kept,
        })
    }

    fn decrypt(&self, entry: &SealedEntry) -> Option<Vec<u8>> {
        let nonce: [u8; NONCE_LEN] = STANDARD.decode(&entry.nonce).ok()?.try_into().ok()?;
        let mut sealed = STANDARD.decode(&entry.sealed).ok()?;
        let nonce = Nonce::assume_unique_for_key(nonce);
        let aad = Aad::from(self.authenticated(&entry.clear)?);
        let text = self.aead()?.open_in_place(nonce, aad, &mut sealed).ok()?;
        Some(text.to_vec())
    }

    fn aead(&self) -> Option<LessSafeKey> {
        UnboundKey::new(&AES_256_GCM, &self.key)
            .ok()
            .map(LessSafeKey::new)
    }

    /// What is authenticated beside the encrypted part.
    fn authenticated(&self, clear: &ClearPart) -> Option<String> {
        let clear = serde_json::to_string(clear).ok()?;
        Some(format!("syncflow journal {FORMAT} {} {clear}", self.flow_uid))
    }
}

impl std::fmt::Debug for Cipher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cipher(flow {})", self.flow_uid)
    }
}

/// The parts of a journal and whose turn it is. Holds the entries of the newest part only.
#[derive(Debug, Default)]
pub(super) struct Ring {
    /// The newest entry of each part that can be read.
    newest: BTreeMap<u8, u64>,
    unreadable: BTreeSet<u8>,
    current: u8,
    entries: Vec<SealedEntry>,
}

impl Ring {
    /// Takes note of a part.
    pub(super) fn read(&mut self, part: u8, body: &str) {
        let Ok(entries) = read_part(body) else {
            self.unreadable.insert(part);
            return;
        };
        let newest = entries.last().map_or(0, |entry| entry.clear.sequence);
        if self.newest.values().all(|other| *other <= newest) {
            self.current = part;
            self.entries = entries;
        }
        self.newest.insert(part, newest);
    }

    /// The number of the next entry.
    pub(super) fn next_sequence(&self) -> u64 {
        self.entries.last().map_or(0, |entry| entry.clear.sequence + 1)
    }

    /// Adds entries, and returns the parts to be written, oldest first.
    pub(super) fn append(&mut self, entries: Vec<SealedEntry>) -> Result<Vec<(u8, String)>, StoreError> {
        if self.unreadable.contains(&self.current) {
            self.turn()?;
        }
        let mut parts: Vec<(u8, String)> = Vec::new();
        for entry in entries {
            let sequence = entry.clear.sequence;
            self.entries.push(entry);
            let mut body = write_part(&self.entries)?;
            if body.len() > PART_BYTES
                && let Some(entry) = self.entries.pop()
            {
                self.turn()?;
                self.entries = vec![entry];
                body = write_part(&self.entries)?;
            }
            self.newest.insert(self.current, sequence);
            parts.retain(|(part, _)| *part != self.current);
            parts.push((self.current, body));
        }
        Ok(parts)
    }

    /// Goes on to the part whose entries are the oldest, or that has none.
    fn turn(&mut self) -> Result<(), StoreError> {
        let next = (0..PARTS)
            .filter(|part| !self.unreadable.contains(part))
            .min_by_key(|part| self.newest.get(part).map_or(0, |newest| newest + 1));
        self.current = next.ok_or_else(|| StoreError::Corrupt {
            page: "journal".to_owned(),
            why: "none of its parts can be read: delete them to begin a new one".to_owned(),
        })?;
        self.entries = Vec::new();
        Ok(())
    }
}

/// The entries of a part.
pub(super) fn read_part(body: &str) -> Result<Vec<SealedEntry>, String> {
    #[derive(Deserialize)]
    struct Document {
        entries: Vec<SealedEntry>,
    }
    encoding::parse::<Document>(body).map(|document| document.entries)
}

fn write_part(entries: &[SealedEntry]) -> Result<String, StoreError> {
    serde_json::to_value(entries)
        .map(|entries| serde_json::json!({"format": FORMAT, "entries": entries}).to_string())
        .map_err(|error| StoreError::Corrupt {
            page: "journal".to_owned(),
            why: error.to_string(),
        })
}

#[cfg(test)]
mod tests;
