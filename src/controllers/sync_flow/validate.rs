//! What a `SyncFlow` and its `FieldMapping` say together (pure).

use crate::api::sync_flow::SyncFlowSpec;
use crate::controllers::field_mapping::validate::ValidMapping;
use crate::controllers::sync_flow::translate::{InvalidFlow, translate};
use crate::core::definition::{DeletePolicy, FlowDefinition};
use crate::core::failure::Problem;
use crate::core::side::Side;

/// Why a flow cannot run with this mapping.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPairing {
    /// The flow's own manifest is at fault.
    #[error(transparent)]
    Flow(#[from] InvalidFlow),
    /// The mapping is for another object or table.
    #[error(
        "FieldMapping {mapping} is for {side} {theirs}, this flow for {ours}: refer to a mapping of {ours}"
    )]
    OtherObject {
        /// The name of the mapping.
        mapping: String,
        /// The side on which they differ.
        side: Side,
        /// The mapping's object.
        theirs: String,
        /// The flow's object.
        ours: String,
    },
    /// A pair would overwrite the stamps.
    #[error(
        "FieldMapping {mapping} writes {field}, the stamp field of this flow on {side}: \
         stamps would be lost; map another field, or stamp another one"
    )]
    StampFieldMapped {
        /// The name of the mapping.
        mapping: String,
        /// The side.
        side: Side,
        /// The stamp field.
        field: String,
    },
    /// A mark would overwrite the stamps.
    #[error("onDelete.mark sets {field} on {side}, which holds the stamp: mark another field")]
    StampFieldMarked {
        /// The side.
        side: Side,
        /// The stamp field.
        field: String,
    },
    /// An `onCreate` value would overwrite the stamps.
    #[error(
        "the onCreate value of {field} on {side} would overwrite the stamp: remove it, or stamp another field"
    )]
    StampFieldSet {
        /// The side.
        side: Side,
        /// The stamp field.
        field: String,
    },
}

impl InvalidPairing {
    /// As a condition shows it: always a person's to solve.
    pub fn problem(&self) -> Problem {
        let reason = match self {
            Self::Flow(_) | Self::StampFieldSet { .. } | Self::StampFieldMarked { .. } => "InvalidSpec",
            Self::OtherObject { .. } | Self::StampFieldMapped { .. } => "InvalidMapping",
        };
        Problem::human(reason, self.to_string())
    }
}

/// Checks the two together and gives the definition that a worker runs. `mapping_name` is for messages.
pub fn validate(
    spec: &SyncFlowSpec,
    mapping_name: &str,
    mapping: &ValidMapping,
) -> Result<FlowDefinition, InvalidPairing> {
    let definition = translate(spec, mapping)?;
    for (side, ours) in definition.sides.iter() {
        let theirs = &mapping.objects[side];
        if !same_name(side, theirs.as_str(), ours.object.as_str()) {
            return Err(InvalidPairing::OtherObject {
                mapping: mapping_name.to_owned(),
                side,
                theirs: theirs.to_string(),
                ours: ours.object.to_string(),
            });
        }
        let Some(stamp) = &ours.stamp_field else {
            continue;
        };
        let is_stamp = |name: &str| same_name(side, name, stamp.as_str());
        if ours.on_create.iter().any(|value| is_stamp(value.field.as_str())) {
            return Err(InvalidPairing::StampFieldSet {
                side,
                field: stamp.to_string(),
            });
        }
        let marked = match &definition.on_delete {
            DeletePolicy::Mark(marks) => marks[side].as_ref(),
            DeletePolicy::Unlink | DeletePolicy::DeleteCounterpart => None,
        };
        if marked.is_some_and(|mark| is_stamp(mark.field.as_str())) {
            return Err(InvalidPairing::StampFieldMarked {
                side,
                field: stamp.to_string(),
            });
        }
        let overwritten = definition
            .fields
            .iter()
            .any(|pair| pair.direction.writes(side) && is_stamp(pair.fields[side].as_str()));
        if overwritten {
            return Err(InvalidPairing::StampFieldMapped {
                mapping: mapping_name.to_owned(),
                side,
                field: stamp.to_string(),
            });
        }
    }
    Ok(definition)
}

/// Salesforce names do not depend on case; ServiceNow names do.
fn same_name(side: Side, one: &str, other: &str) -> bool {
    match side {
        Side::Salesforce => one.eq_ignore_ascii_case(other),
        Side::ServiceNow => one == other,
    }
}
