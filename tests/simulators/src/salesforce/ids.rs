//! Record ids: 15 case-sensitive characters, or 18 with a checksum that survives systems which fold case.

const CHECKSUM: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Appends the three checksum characters to a 15-character id: one per group of five, a bit per capital letter.
fn with_checksum(fifteen: &str) -> String {
    let mut id = fifteen.to_owned();
    for group in fifteen.as_bytes().chunks(5) {
        let bits = group
            .iter()
            .enumerate()
            .filter(|(_, byte)| byte.is_ascii_uppercase())
            .fold(0_usize, |bits, (at, _)| bits | (1 << at));
        id.push(char::from(CHECKSUM[bits]));
    }
    id
}

/// The 18-character form of an id given in either form, or `None` when it is no id at all. The checksum of an
/// 18-character id repairs its case, as the service does for ids that went through a spreadsheet.
pub(crate) fn canonical(id: &str) -> Option<String> {
    if !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    match id.len() {
        15 => Some(with_checksum(id)),
        18 => {
            let mut repaired = String::with_capacity(15);
            for (group, check) in id.as_bytes()[..15].chunks(5).zip(id.as_bytes()[15..].iter()) {
                let bits = CHECKSUM
                    .iter()
                    .position(|known| *known == check.to_ascii_uppercase())?;
                for (at, byte) in group.iter().enumerate() {
                    let upper = bits & (1 << at) != 0;
                    if upper && byte.is_ascii_digit() {
                        return None;
                    }
                    let byte = if upper {
                        byte.to_ascii_uppercase()
                    } else {
                        byte.to_ascii_lowercase()
                    };
                    repaired.push(char::from(byte));
                }
            }
            Some(with_checksum(&repaired))
        }
        _ => None,
    }
}

/// The `number`th id under a three-character key prefix, in 18 characters.
pub(crate) fn make(prefix: &str, number: u64) -> String {
    let mut digits = [b'0'; 12];
    let mut rest = number;
    for digit in digits.iter_mut().rev() {
        *digit = BASE62[usize::try_from(rest % 62).unwrap_or_default()];
        rest /= 62;
    }
    // Looks like a real one: three characters of pod, then zeros, then the counter.
    digits[0] = b'5';
    digits[1] = b'g';
    let fifteen = format!("{prefix:0<3.3}{}", String::from_utf8_lossy(&digits));
    with_checksum(&fifteen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fifteen_characters_become_the_eighteen_that_salesforce_gives() {
        // A published pair (Salesforce help: "Converting 15-character IDs").
        assert_eq!(
            canonical("00570000001ZwTi").as_deref(),
            Some("00570000001ZwTiAAK")
        );
    }

    #[test]
    fn an_eighteen_character_id_whose_case_was_lost_is_repaired() {
        assert_eq!(
            canonical("00570000001ZWTIAAK").as_deref(),
            Some("00570000001ZwTiAAK")
        );
        assert_eq!(
            canonical("00570000001zwtiaak").as_deref(),
            Some("00570000001ZwTiAAK")
        );
    }

    #[test]
    fn what_is_not_an_id_is_refused() {
        assert_eq!(canonical("500"), None);
        assert_eq!(canonical("500000000000'1"), None);
        assert_eq!(canonical(""), None);
    }

    #[test]
    fn made_ids_keep_their_prefix_differ_and_sort_by_age() {
        let ids: Vec<String> = (0..200).map(|number| make("500", number)).collect();
        assert!(
            ids.iter()
                .all(|id| id.starts_with("500") && canonical(id).as_ref() == Some(id))
        );
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
        // Some of them differ in case only: whoever folds case loses records.
        let folded: std::collections::BTreeSet<String> =
            ids.iter().map(|id| id[..15].to_lowercase()).collect();
        assert!(folded.len() < ids.len());
    }
}
