use super::*;
use crate::adapters::link_store::examples::{Counting, journal_entry};

fn cipher() -> Cipher {
    Cipher::new(&SecretKey::new([1; 32]), "uid-1")
}

fn sealed(sequence: u64, lost: &str) -> SealedEntry {
    cipher()
        .seal(sequence, journal_entry(sequence, lost), &Counting::default())
        .unwrap()
}

#[test]
fn an_entry_opens_as_it_was_sealed_and_shows_nothing_before() {
    let entry = sealed(7, "the lost value");
    assert!(cipher().open(&entry).unwrap() == journal_entry(7, "the lost value"));
    let stored = write_part(&[entry]).unwrap();
    let secret = journal_entry(7, "");
    for hidden in ["lost value", "kept value", secret.field.as_str(), "500Hs"] {
        assert!(!stored.contains(hidden), "{hidden} in {stored}");
    }
}

#[test]
fn an_entry_that_was_changed_in_any_part_does_not_open() {
    let entry = sealed(7, "the lost value");
    let whole = serde_json::to_value(&entry).unwrap();
    for (member, value) in [
        ("sequence", 8.into()),
        ("at", 0.into()),
        ("link", "0123456789abcdef".into()),
        ("cause", "drift".into()),
        ("overwritten", "salesforce".into()),
        ("cut", true.into()),
        ("nonce", STANDARD.encode([9; NONCE_LEN]).into()),
        ("nonce", "not base64".into()),
        ("sealed", STANDARD.encode([9; 64]).into()),
        ("sealed", "".into()),
    ] {
        let mut changed = whole.clone();
        assert_ne!(changed[member], value, "{member}");
        changed[member] = value;
        let changed: SealedEntry = serde_json::from_value(changed).unwrap();
        assert!(
            matches!(cipher().open(&changed), Err(JournalError::NotAuthentic { .. })),
            "{member}"
        );
    }
}

#[test]
fn another_key_and_another_flow_open_nothing() {
    let entry = sealed(7, "the lost value");
    for other in [
        Cipher::new(&SecretKey::new([2; 32]), "uid-1"),
        Cipher::new(&SecretKey::new([1; 32]), "uid-2"),
    ] {
        assert!(matches!(
            other.open(&entry),
            Err(JournalError::NotAuthentic { sequence: 7 })
        ));
    }
}

#[test]
fn equal_entries_are_sealed_differently() {
    let entropy = Counting::default();
    let seal = || cipher().seal(1, journal_entry(1, "same"), &entropy).unwrap();
    assert_ne!(seal().sealed, seal().sealed);
}

#[test]
fn a_value_too_long_for_the_journal_keeps_its_beginning_and_says_so() {
    // The quotes double when they are written as JSON, and the cut may not divide a character.
    for unit in ["x", "\"", "é", "\u{1}"] {
        let lost = unit.repeat(131_072);
        let entry = sealed(1, &lost);
        assert!(entry.clear.cut);
        let opened = cipher().open(&entry).unwrap();
        assert!(lost.starts_with(&opened.lost) && opened.lost.len() > 1_000);
        assert!(write_part(&[entry]).unwrap().len() <= PART_BYTES);
    }
    assert!(!sealed(1, "short").clear.cut);
}

#[test]
fn the_journal_keeps_the_newest_entries_within_its_bound_and_survives_a_restart_anywhere() {
    let mut parts: BTreeMap<u8, String> = BTreeMap::new();
    let entropy = Counting::default();
    let lost = "x".repeat(1_000);
    let mut sequence = 0;
    for batch in (0..60).map(|batch| batch % 7 * 5) {
        // Every batch is a new process, which knows what is stored and nothing else.
        let mut ring = Ring::default();
        for (part, body) in &parts {
            ring.read(*part, body);
        }
        assert_eq!(ring.next_sequence(), sequence);
        let entries = (sequence..sequence + batch)
            .map(|sequence| {
                cipher()
                    .seal(sequence, journal_entry(sequence, &lost), &entropy)
                    .unwrap()
            })
            .collect();
        sequence += batch;
        parts.extend(ring.append(entries).unwrap());
        assert!(parts.len() <= usize::from(PARTS));
        assert!(parts.values().all(|body| body.len() <= PART_BYTES));
        let mut kept: Vec<u64> = parts
            .values()
            .flat_map(|body| read_part(body).unwrap())
            .map(|entry| entry.clear.sequence)
            .collect();
        kept.sort_unstable();
        let oldest = kept.first().copied().unwrap_or(0);
        assert_eq!(kept, (oldest..sequence).collect::<Vec<_>>());
        assert!(
            sequence < 200 || kept.len() >= 200,
            "only {} of {sequence} kept",
            kept.len()
        );
    }
    assert!(sequence > 600, "the bound was never reached");
}

#[test]
fn a_batch_larger_than_the_journal_leaves_the_newest() {
    let mut ring = Ring::default();
    let lost = "x".repeat(30_000);
    let parts = ring
        .append((0..20).map(|sequence| sealed(sequence, &lost)).collect())
        .unwrap();
    assert_eq!(parts.len(), usize::from(PARTS));
    let newest = read_part(&parts.last().unwrap().1).unwrap();
    assert_eq!(newest.last().unwrap().clear.sequence, 19);
}

#[test]
fn a_part_that_cannot_be_read_is_left_alone() {
    let mut ring = Ring::default();
    ring.read(0, "edited by hand");
    let parts = ring.append(vec![sealed(0, "x")]).unwrap();
    assert_eq!(parts.iter().map(|(part, _)| *part).collect::<Vec<_>>(), [1]);
    for part in 1..PARTS {
        ring.read(part, "edited by hand");
    }
    assert!(matches!(
        ring.append(vec![sealed(1, "x")]),
        Err(StoreError::Corrupt { .. })
    ));
}
