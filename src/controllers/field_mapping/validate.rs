//! What can be wrong with a `FieldMapping` by itself (pure).
//!
//! Most of it is rejected at `kubectl apply` by the CRD; it is checked again here because a manifest may have been
//! stored under an older CRD. Whether the fields exist is checked by each flow, against its own org and instance.

use std::collections::BTreeMap;

use crate::api::FieldMappingSpec;
use crate::api::field_mapping::{FieldDirection, FieldPair, Unmapped, UnmappedDefault};
use crate::api::policy::{Conflict, Drift, TruncatePolicy, UnmappedPolicy};
use crate::controllers::names::{NameError, field, object};
use crate::core::definition;
use crate::core::ident::ObjectName;
use crate::core::side::{PerSide, Side};

/// A `FieldMapping` whose names parse and whose pairs do not contradict each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidMapping {
    /// The object and the table that it is for.
    pub objects: PerSide<ObjectName>,
    /// The pairs.
    pub fields: Vec<definition::FieldDefinition>,
}

/// Why a `FieldMapping` cannot be used by any flow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMapping {
    /// A name that neither service could have.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Two pairs write the same field.
    #[error(
        "spec.fields[{second}] and spec.fields[{first}] both write the {side} field {field}: \
         give one of them another direction"
    )]
    TwoWriters {
        /// The side of the field.
        side: Side,
        /// The field.
        field: String,
        /// The first pair.
        first: usize,
        /// The second pair.
        second: usize,
    },
    /// A row of a value table that stands there already.
    #[error("spec.fields[{pair}].values[{second}] repeats values[{first}]: remove one")]
    RepeatedValues {
        /// The pair.
        pair: usize,
        /// The first row.
        first: usize,
        /// The second row.
        second: usize,
    },
    /// A policy that could have no effect.
    #[error("spec.fields[{pair}].{policy} has no effect there: {why}")]
    NoEffect {
        /// The pair.
        pair: usize,
        /// The policy's field.
        policy: &'static str,
        /// When it would have one.
        why: &'static str,
    },
    /// `unmapped` is incomplete.
    #[error("spec.fields[{pair}].unmapped.default lacks the value for {side}, which this pair writes")]
    NoDefault {
        /// The pair.
        pair: usize,
        /// The side that would be written.
        side: Side,
    },
}

/// Parses the names and checks what the pairs say together.
pub fn validate(spec: &FieldMappingSpec) -> Result<ValidMapping, InvalidMapping> {
    let objects = PerSide {
        salesforce: object("spec.salesforceObject", &spec.salesforce_object)?,
        service_now: object("spec.serviceNowTable", &spec.service_now_table)?,
    };
    let mut fields = Vec::with_capacity(spec.fields.len());
    for (index, pair) in spec.fields.iter().enumerate() {
        fields.push(pair_definition(index, pair)?);
    }
    one_writer_each(&fields)?;
    Ok(ValidMapping { objects, fields })
}

fn pair_definition(index: usize, pair: &FieldPair) -> Result<definition::FieldDefinition, InvalidMapping> {
    let fields = PerSide {
        salesforce: field(&format!("spec.fields[{index}].salesforce"), &pair.salesforce)?,
        service_now: field(&format!("spec.fields[{index}].serviceNow"), &pair.service_now)?,
    };
    let direction = field_direction(pair.direction);
    let values = value_pairs(index, pair)?;
    let no_effect = |policy, why| {
        Err(InvalidMapping::NoEffect {
            pair: index,
            policy,
            why,
        })
    };
    if pair.unmapped.is_some() && values.is_empty() {
        return no_effect("unmapped", "without values every value is sent as it is");
    }
    if pair.truncate.is_some() && !values.is_empty() {
        return no_effect("truncate", "a field with values sends none that is too long");
    }
    if pair.conflict.is_some() && pair.direction != FieldDirection::TwoWay {
        return no_effect("conflict", "in a one-way field the source always wins");
    }
    if pair.drift.is_some() && pair.direction == FieldDirection::TwoWay {
        return no_effect("drift", "a TwoWay field has no wrong side to edit");
    }
    Ok(definition::FieldDefinition {
        unmapped: unmapped_policy(index, direction, pair.unmapped.as_ref())?,
        fields,
        direction,
        values,
        truncate: match pair.truncate.unwrap_or_default().policy {
            TruncatePolicy::Quarantine => definition::TruncatePolicy::Quarantine,
            TruncatePolicy::Cut => definition::TruncatePolicy::Cut,
        },
        conflict: pair.conflict.map(conflict_policy),
        drift: pair.drift.map(drift_policy),
    })
}

fn value_pairs(index: usize, pair: &FieldPair) -> Result<Vec<definition::ValuePair>, InvalidMapping> {
    let mut seen = BTreeMap::new();
    for (row, values) in pair.values.iter().enumerate() {
        if let Some(first) = seen.insert((&values.salesforce, &values.service_now), row) {
            return Err(InvalidMapping::RepeatedValues {
                pair: index,
                first,
                second: row,
            });
        }
    }
    Ok(pair
        .values
        .iter()
        .map(|values| definition::ValuePair {
            values: PerSide {
                salesforce: values.salesforce.clone(),
                service_now: values.service_now.clone(),
            },
        })
        .collect())
}

fn unmapped_policy(
    index: usize,
    direction: definition::FieldDirection,
    unmapped: Option<&Unmapped>,
) -> Result<definition::UnmappedPolicy, InvalidMapping> {
    Ok(
        match unmapped.map(|unmapped| unmapped.policy).unwrap_or_default() {
            UnmappedPolicy::Hold => definition::UnmappedPolicy::Hold,
            UnmappedPolicy::Quarantine => definition::UnmappedPolicy::Quarantine,
            UnmappedPolicy::PassThrough => definition::UnmappedPolicy::PassThrough,
            UnmappedPolicy::Default => {
                let UnmappedDefault {
                    salesforce,
                    service_now,
                } = unmapped
                    .and_then(|unmapped| unmapped.default.clone())
                    .unwrap_or_default();
                let values = PerSide {
                    salesforce,
                    service_now,
                };
                for (side, value) in values.iter() {
                    if direction.writes(side) && value.is_none() {
                        return Err(InvalidMapping::NoDefault { pair: index, side });
                    }
                }
                definition::UnmappedPolicy::Default(values)
            }
        },
    )
}

/// Salesforce field names do not depend on case, so `subject` and `Subject` are one field.
fn one_writer_each(fields: &[definition::FieldDefinition]) -> Result<(), InvalidMapping> {
    let mut writers: BTreeMap<(Side, String), usize> = BTreeMap::new();
    for (second, pair) in fields.iter().enumerate() {
        for (side, name) in pair.fields.iter() {
            if !pair.direction.writes(side) {
                continue;
            }
            let key = (side, name.as_str().to_ascii_lowercase());
            if let Some(first) = writers.insert(key, second) {
                return Err(InvalidMapping::TwoWriters {
                    side,
                    field: name.to_string(),
                    first,
                    second,
                });
            }
        }
    }
    Ok(())
}

const fn field_direction(direction: FieldDirection) -> definition::FieldDirection {
    match direction {
        FieldDirection::TwoWay => definition::FieldDirection::TwoWay,
        FieldDirection::ToSalesforce => definition::FieldDirection::ToSalesforce,
        FieldDirection::ToServiceNow => definition::FieldDirection::ToServiceNow,
    }
}

/// The same policy in the engine's words.
#[must_use]
pub const fn conflict_policy(conflict: Conflict) -> definition::ConflictPolicy {
    use crate::api::policy::ConflictPolicy;
    match conflict.policy {
        ConflictPolicy::MostRecent => definition::ConflictPolicy::MostRecent,
        ConflictPolicy::PreferSalesforce => definition::ConflictPolicy::PreferSalesforce,
        ConflictPolicy::PreferServiceNow => definition::ConflictPolicy::PreferServiceNow,
        ConflictPolicy::Manual => definition::ConflictPolicy::Manual,
    }
}

/// The same policy in the engine's words.
#[must_use]
pub const fn drift_policy(drift: Drift) -> definition::DriftPolicy {
    use crate::api::policy::DriftPolicy;
    match drift.policy {
        DriftPolicy::Revert => definition::DriftPolicy::Revert,
        DriftPolicy::Ignore => definition::DriftPolicy::Ignore,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn spec(fields: &Value) -> FieldMappingSpec {
        serde_json::from_value(json!({
            "salesforceObject": "Case",
            "serviceNowTable": "incident",
            "fields": fields,
        }))
        .unwrap()
    }

    fn message(fields: &Value) -> String {
        validate(&spec(fields)).unwrap_err().to_string()
    }

    #[test]
    fn the_mapping_of_the_guide_is_valid_and_keeps_its_order() {
        let valid = validate(&spec(&json!([
            {"salesforce": "Subject", "serviceNow": "short_description", "direction": "TwoWay"},
            {"salesforce": "ServiceNow_Number__c", "serviceNow": "number", "direction": "ToSalesforce"},
            {"salesforce": "Origin", "serviceNow": "contact_type", "direction": "TwoWay", "values": [
                {"salesforce": "Email", "serviceNow": "email"},
                {"salesforce": "Web", "serviceNow": "virtual_agent"},
                {"salesforce": "Web", "serviceNow": "self-service"},
            ]},
        ])))
        .unwrap();
        assert_eq!(valid.objects.salesforce.as_str(), "Case");
        assert_eq!(
            valid.fields[1].direction,
            definition::FieldDirection::ToSalesforce
        );
        let images: Vec<_> = valid.fields[2]
            .values
            .iter()
            .map(|row| row.values.service_now.as_str())
            .collect();
        assert_eq!(images, ["email", "virtual_agent", "self-service"]);
        assert_eq!(valid.fields[2].unmapped, definition::UnmappedPolicy::Hold);
    }

    #[test]
    fn a_field_with_two_writers_is_refused_by_its_place_in_the_manifest() {
        let text = message(&json!([
            {"salesforce": "Subject", "serviceNow": "short_description", "direction": "TwoWay"},
            {"salesforce": "subject", "serviceNow": "description", "direction": "ToSalesforce"},
        ]));
        assert!(
            text.contains("spec.fields[1]") && text.contains("spec.fields[0]"),
            "{text}"
        );
        assert!(text.contains("Salesforce field subject"), "{text}");
    }

    #[test]
    fn fan_out_from_one_source_is_allowed() {
        let fields = json!([
            {"salesforce": "Subject", "serviceNow": "short_description", "direction": "ToServiceNow"},
            {"salesforce": "Subject", "serviceNow": "u_title", "direction": "ToServiceNow"},
        ]);
        assert!(validate(&spec(&fields)).is_ok());
    }

    #[test]
    fn a_name_that_could_change_a_query_is_refused() {
        let text = message(&json!([
            {"salesforce": "Subject FROM User", "serviceNow": "description", "direction": "TwoWay"},
        ]));
        assert!(text.starts_with("spec.fields[0].salesforce"), "{text}");
    }

    #[test]
    fn a_policy_that_could_have_no_effect_is_refused_and_says_when_it_would() {
        let pair = |direction: &str, extra: Value| {
            let mut pair = json!({"salesforce": "A", "serviceNow": "a", "direction": direction});
            pair.as_object_mut()
                .unwrap()
                .extend(extra.as_object().unwrap().clone());
            json!([pair])
        };
        assert!(message(&pair("TwoWay", json!({"drift": {"policy": "Ignore"}}))).contains("no wrong side"));
        assert!(
            message(&pair(
                "ToSalesforce",
                json!({"conflict": {"policy": "MostRecent"}})
            ))
            .contains("the source always wins")
        );
        assert!(message(&pair("TwoWay", json!({"unmapped": {"policy": "Hold"}}))).contains("unmapped"));
    }

    #[test]
    fn a_default_is_needed_for_each_side_that_is_written() {
        let text = message(&json!([
            {"salesforce": "A", "serviceNow": "a", "direction": "TwoWay",
             "values": [{"salesforce": "x", "serviceNow": "y"}],
             "unmapped": {"policy": "Default", "default": {"salesforce": "x"}}},
        ]));
        assert!(text.contains("lacks the value for ServiceNow"), "{text}");
    }

    #[test]
    fn a_repeated_row_of_a_value_table_is_refused() {
        let text = message(&json!([
            {"salesforce": "A", "serviceNow": "a", "direction": "TwoWay", "values": [
                {"salesforce": "x", "serviceNow": "y"},
                {"salesforce": "z", "serviceNow": "y"},
                {"salesforce": "x", "serviceNow": "y"},
            ]},
        ]));
        assert_eq!(text, "spec.fields[0].values[2] repeats values[0]: remove one");
    }
}
