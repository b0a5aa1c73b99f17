//! Texts that are longer than the target holds, and how a cut copy is told from an original.
//!
//! A cut copy must be known for one without any memory, or it would flow back over the long original once link state
//! is lost. So it ends with a marker, and a text of such a field that ends with the marker is never carried across.

use super::compile::invalid;
use super::definition::{FieldDefinition, TruncatePolicy};
use super::failure::Problem;
use super::flow::FieldPair;
use super::planted::{Bug, planted};
use super::schema::{FieldKind, FieldSchema};
use super::side::{PerSide, Side};
use super::value::Value;

/// Stands at the end of every cut copy. ASCII, so that every service counts it alike. Known again in any letter case: a
/// rule of the service that rewrites texts rewrites it with them.
pub const CUT_MARKER: &str = "... [cut]";

/// The shortest field that may hold a cut copy, in characters.
pub const SHORTEST_CUT: u32 = 32;

/// The beginning of a text, with the marker, in at most `max_length` characters.
#[must_use]
pub fn cut(text: &str, max_length: u32) -> String {
    let room = (max_length as usize).saturating_sub(CUT_MARKER.chars().count());
    let beginning: String = text.chars().take(room).collect();
    // Blanks before the marker would come and go with the service's own trimming of lines.
    format!("{}{CUT_MARKER}", beginning.trim_end())
}

impl FieldPair {
    /// Is this, on this side, a copy of which the other side holds the whole? Known by the marker alone.
    #[must_use]
    pub fn is_cut_copy(&self, side: Side, value: &Value) -> bool {
        self.truncate == TruncatePolicy::Cut
            && !planted(Bug::CutTextFlowsBack)
            && self.direction.writes(side)
            && matches!(self.kinds[side], FieldKind::Text { max_length: Some(_) })
            && matches!(value.canonical(), Value::Text(text) if ends_with_marker(&text))
    }
}

fn ends_with_marker(text: &str) -> bool {
    let start = text.len().checked_sub(CUT_MARKER.len());
    start
        .and_then(|start| text.get(start..))
        .is_some_and(|end| end.eq_ignore_ascii_case(CUT_MARKER))
}

/// A cut copy needs room for the marker and for something worth reading before it.
pub(super) fn check_truncate(
    field: &FieldDefinition,
    found: PerSide<&FieldSchema>,
    names: &PerSide<String>,
    problems: &mut Vec<Problem>,
) {
    if field.truncate == TruncatePolicy::Quarantine {
        return;
    }
    for (side, schema) in found.iter().filter(|(side, _)| field.direction.writes(*side)) {
        let too_short = match &schema.kind {
            FieldKind::Text { max_length } => max_length.is_some_and(|max| max < SHORTEST_CUT),
            _ => true,
        };
        if too_short {
            problems.push(invalid(format!(
                "{} ({}) cannot hold a cut text: truncate Cut is for text fields of at least {SHORTEST_CUT} characters",
                names[side],
                schema.kind.word()
            )));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_cut_text_fits_ends_with_the_marker_and_is_cut_no_further(text in "\\PC{0,80}", max_length in SHORTEST_CUT..60) {
            let once = cut(&text, max_length);
            prop_assert!(once.chars().count() <= max_length as usize);
            prop_assert!(once.ends_with(CUT_MARKER));
            prop_assert_eq!(Value::text(once.clone()).canonical(), Value::text(once.trim_start()));
        }

        #[test]
        fn what_is_cut_is_the_beginning(text in "[a-z]{60,80}", max_length in SHORTEST_CUT..60) {
            let once = cut(&text, max_length);
            prop_assert_eq!(once.chars().count(), max_length as usize);
            prop_assert!(text.starts_with(once.strip_suffix(CUT_MARKER).unwrap()));
        }
    }
}
