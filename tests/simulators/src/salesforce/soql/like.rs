//! `LIKE`: text against a pattern of `%` and `_`.

use super::lexer::LITERAL_WILDCARD;

/// A pattern, read once and matched often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    AnyRun,
    AnyOne,
    Only(char),
}

impl Pattern {
    /// Reads a pattern; escaped wildcards carry their mark.
    pub fn new(pattern: &str) -> Self {
        let mut parts = Vec::new();
        let mut characters = pattern.chars();
        while let Some(character) = characters.next() {
            match character {
                '%' => parts.push(Part::AnyRun),
                '_' => parts.push(Part::AnyOne),
                LITERAL_WILDCARD => parts.extend(characters.next().map(Part::Only)),
                other => parts.extend(other.to_lowercase().map(Part::Only)),
            }
        }
        Self(parts)
    }

    /// Whether text matches, without regard to case.
    pub fn matches(&self, text: &str) -> bool {
        let parts = &self.0;
        let text: Vec<char> = text.chars().flat_map(char::to_lowercase).collect();
        // The classic two-finger match: on a mismatch, let the last run take one character more.
        let (mut at, mut part, mut retry) = (0, 0, None);
        while at < text.len() {
            match parts.get(part) {
                Some(Part::AnyRun) => {
                    retry = Some((at, part));
                    part += 1;
                }
                Some(Part::AnyOne) => (at, part) = (at + 1, part + 1),
                Some(Part::Only(character)) if *character == text[at] => (at, part) = (at + 1, part + 1),
                _ => {
                    let Some((run_at, run_part)) = retry else {
                        return false;
                    };
                    retry = Some((run_at + 1, run_part));
                    (at, part) = (run_at + 1, run_part + 1);
                }
            }
        }
        parts[part..].iter().all(|part| *part == Part::AnyRun)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_knows_both_wildcards_their_escapes_and_no_case() {
        let like = |text: &str, pattern: &str| Pattern::new(pattern).matches(text);
        assert!(like("Printer on fire", "print%FIRE"));
        assert!(like("cat", "c_t") && !like("ct", "c_t"));
        assert!(like("aXbXc", "%x%c") && !like("aXb", "%x"));
        assert!(like("", "%") && !like("a", ""));
        assert!(
            like("a_b", &format!("a{LITERAL_WILDCARD}_b")) && !like("axb", &format!("a{LITERAL_WILDCARD}_b"))
        );
    }
}
