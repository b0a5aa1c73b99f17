//! From what manifests say to what the engine runs (pure). Every error names the manifest field it is about.

use jiff::Timestamp;
use jiff::civil::Date;

use crate::api::policy::{DeletePolicy, ExitPolicy, Guard, MarkField};
use crate::api::rule::{OnCreateValue, Operator, RecordRule};
use crate::api::sync_flow::{Direction, History, MatchingMode, SyncFlowSpec};
use crate::controllers::field_mapping::validate::{ValidMapping, conflict_policy, drift_policy};
use crate::controllers::names::{NameError, field, object};
use crate::core::definition;
use crate::core::ident::FieldName;
use crate::core::side::{PerSide, Side};

/// Why a `SyncFlow`'s own manifest cannot be run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFlow {
    /// A name that neither service could have.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A rule whose operator and operands do not fit.
    #[error("{path}: operator {operator:?} {why}")]
    Rule {
        /// Where the rule stands.
        path: String,
        /// Its operator.
        operator: Operator,
        /// What is wrong.
        why: &'static str,
    },
    /// The flow makes Salesforce records and has nowhere to stamp them.
    #[error(
        "spec.salesforce.stampField is needed where the flow makes Salesforce records: name a text field that is an external id and unique"
    )]
    NoStampField,
    /// `MatchThenCreate` without keys, or keys without it.
    #[error("spec.matching.keys are for mode MatchThenCreate, which needs at least one pair")]
    MatchingKeys,
    /// `Mark` without a field where one is needed, or a mark that has no effect.
    #[error(
        "spec.onDelete.mark is for policy Mark, which needs a field on each side that a deletion travels to, and none elsewhere"
    )]
    Mark,
}

/// Builds the definition of the flow. The mapping is taken as it is; that the two fit is
/// [`super::validate`]'s to say.
pub fn translate(
    spec: &SyncFlowSpec,
    mapping: &ValidMapping,
) -> Result<definition::FlowDefinition, InvalidFlow> {
    let direction = flow_direction(spec.direction);
    let sides = PerSide {
        salesforce: definition::SideDefinition {
            object: object("spec.salesforce.object", &spec.salesforce.object)?,
            stamp_field: stamp_field(Side::Salesforce, spec.salesforce.stamp_field.as_deref())?,
            rules: rules(Side::Salesforce, &spec.salesforce.rules)?,
            on_create: on_create(Side::Salesforce, &spec.salesforce.on_create)?,
        },
        service_now: definition::SideDefinition {
            object: object("spec.serviceNow.table", &spec.service_now.table)?,
            stamp_field: stamp_field(Side::ServiceNow, spec.service_now.stamp_field.as_deref())?,
            rules: rules(Side::ServiceNow, &spec.service_now.rules)?,
            on_create: on_create(Side::ServiceNow, &spec.service_now.on_create)?,
        },
    };
    if direction.originates(Side::ServiceNow) && sides.salesforce.stamp_field.is_none() {
        return Err(InvalidFlow::NoStampField);
    }
    Ok(definition::FlowDefinition {
        direction,
        sides,
        fields: mapping.fields.clone(),
        history: match spec.history {
            History::All => definition::History::All,
            History::New => definition::History::New,
        },
        conflict: conflict_policy(spec.conflict),
        drift: drift_policy(spec.drift),
        on_exit: match spec.on_exit.policy {
            ExitPolicy::PropagateThenUnlink => definition::ExitPolicy::PropagateThenUnlink,
            ExitPolicy::Unlink => definition::ExitPolicy::Unlink,
            ExitPolicy::KeepSyncing => definition::ExitPolicy::KeepSyncing,
        },
        on_delete: on_delete(spec)?,
        guards: definition::Guards {
            deletions: guard(spec.guards.deletions),
            changes: guard(spec.guards.changes),
        },
        guarded_writes: spec.guarded_writes,
        matching: matching(spec)?,
        interval: spec.interval.as_duration(),
    })
}

const fn flow_direction(direction: Direction) -> definition::Direction {
    match direction {
        Direction::TwoWay => definition::Direction::TwoWay,
        Direction::SalesforceToServiceNow => definition::Direction::SalesforceToServiceNow,
        Direction::ServiceNowToSalesforce => definition::Direction::ServiceNowToSalesforce,
    }
}

/// The manifest field of a side.
const fn side_path(side: Side) -> &'static str {
    match side {
        Side::Salesforce => "spec.salesforce",
        Side::ServiceNow => "spec.serviceNow",
    }
}

fn stamp_field(side: Side, name: Option<&str>) -> Result<Option<FieldName>, InvalidFlow> {
    let path = format!("{}.stampField", side_path(side));
    Ok(name.map(|name| field(&path, name)).transpose()?)
}

fn rules(side: Side, rules: &[RecordRule]) -> Result<Vec<definition::RuleDefinition>, InvalidFlow> {
    let mut parsed = Vec::with_capacity(rules.len());
    for (index, rule) in rules.iter().enumerate() {
        let path = format!("{}.rules[{index}]", side_path(side));
        parsed.push(definition::RuleDefinition {
            field: field(&format!("{path}.field"), &rule.field)?,
            operator: operator(&path, rule)?,
        });
    }
    Ok(parsed)
}

fn operator(path: &str, rule: &RecordRule) -> Result<definition::Operator, InvalidFlow> {
    let wrong = |why| InvalidFlow::Rule {
        path: path.to_owned(),
        operator: rule.operator,
        why,
    };
    let value = || match (&rule.value, rule.values.is_empty()) {
        (Some(value), true) => Ok(value.clone()),
        _ => Err(wrong("needs value, and takes no values")),
    };
    let values = || match (&rule.value, rule.values.is_empty()) {
        (None, false) => Ok(rule.values.clone()),
        _ => Err(wrong("needs values, and takes no value")),
    };
    let nothing = || match (&rule.value, rule.values.is_empty()) {
        (None, true) => Ok(()),
        _ => Err(wrong("takes neither value nor values")),
    };
    let moment = || {
        let value = value()?;
        if is_moment(&value) {
            Ok(value)
        } else {
            Err(wrong(
                "needs a date (2024-07-22) or a time with its zone (2024-07-22T08:00:00Z) that exists",
            ))
        }
    };
    let number = || {
        let value = value()?;
        if value.parse::<rust_decimal::Decimal>().is_ok() {
            Ok(value)
        } else {
            Err(wrong("needs a number"))
        }
    };
    Ok(match rule.operator {
        Operator::In => definition::Operator::In(values()?),
        Operator::NotIn => definition::Operator::NotIn(values()?),
        Operator::Equals => definition::Operator::Equals(value()?),
        Operator::NotEquals => definition::Operator::NotEquals(value()?),
        Operator::Contains => definition::Operator::Contains(value()?),
        Operator::StartsWith => definition::Operator::StartsWith(value()?),
        Operator::OnOrAfter => definition::Operator::OnOrAfter(moment()?),
        Operator::Before => definition::Operator::Before(moment()?),
        Operator::GreaterThan => definition::Operator::GreaterThan(number()?),
        Operator::LessThan => definition::Operator::LessThan(number()?),
        Operator::Exists => nothing().map(|()| definition::Operator::Exists)?,
        Operator::DoesNotExist => nothing().map(|()| definition::Operator::DoesNotExist)?,
    })
}

/// The CRD checks the form; that the day exists is checked here.
fn is_moment(text: &str) -> bool {
    if text.contains('T') {
        text.parse::<Timestamp>().is_ok()
    } else {
        text.parse::<Date>().is_ok()
    }
}

fn on_create(
    side: Side,
    values: &[OnCreateValue],
) -> Result<Vec<definition::OnCreateDefinition>, InvalidFlow> {
    let mut parsed = Vec::with_capacity(values.len());
    for (index, value) in values.iter().enumerate() {
        parsed.push(definition::OnCreateDefinition {
            field: field(
                &format!("{}.onCreate[{index}].field", side_path(side)),
                &value.field,
            )?,
            value: value.value.clone(),
        });
    }
    Ok(parsed)
}

fn on_delete(spec: &SyncFlowSpec) -> Result<definition::DeletePolicy, InvalidFlow> {
    let mark = |side: Side, mark: Option<&MarkField>| -> Result<_, InvalidFlow> {
        let Some(mark) = mark else { return Ok(None) };
        let path = match side {
            Side::Salesforce => "spec.onDelete.mark.salesforce.field",
            Side::ServiceNow => "spec.onDelete.mark.serviceNow.field",
        };
        Ok(Some(definition::MarkDefinition {
            field: field(path, &mark.field)?,
            value: mark.value.clone(),
        }))
    };
    let marks = spec.on_delete.mark.as_ref();
    match (spec.on_delete.policy, marks) {
        (DeletePolicy::Unlink, None) => Ok(definition::DeletePolicy::Unlink),
        (DeletePolicy::DeleteCounterpart, None) => Ok(definition::DeletePolicy::DeleteCounterpart),
        (DeletePolicy::Mark, Some(marks)) => {
            let direction = flow_direction(spec.direction);
            let marks = PerSide {
                salesforce: mark(Side::Salesforce, marks.salesforce.as_ref())?,
                service_now: mark(Side::ServiceNow, marks.service_now.as_ref())?,
            };
            if Side::BOTH
                .into_iter()
                .any(|side| marks[side].is_some() != direction.originates(side.other()))
            {
                return Err(InvalidFlow::Mark);
            }
            Ok(definition::DeletePolicy::Mark(marks))
        }
        (DeletePolicy::Mark, None) | (DeletePolicy::Unlink | DeletePolicy::DeleteCounterpart, Some(_)) => {
            Err(InvalidFlow::Mark)
        }
    }
}

fn guard(guard: Guard) -> definition::Guard {
    definition::Guard {
        records: u64::try_from(guard.records).unwrap_or(0),
        percent: u8::try_from(guard.percent.clamp(0, 100)).unwrap_or(100),
    }
}

fn matching(spec: &SyncFlowSpec) -> Result<definition::Matching, InvalidFlow> {
    let mut keys = Vec::with_capacity(spec.matching.keys.len());
    for (index, key) in spec.matching.keys.iter().enumerate() {
        let path = format!("spec.matching.keys[{index}]");
        keys.push(PerSide {
            salesforce: field(&format!("{path}.salesforce"), &key.salesforce)?,
            service_now: field(&format!("{path}.serviceNow"), &key.service_now)?,
        });
    }
    match (spec.matching.mode, keys.is_empty()) {
        (MatchingMode::CreateOnly, true) => Ok(definition::Matching::CreateOnly),
        (MatchingMode::MatchThenCreate, false) => Ok(definition::Matching::MatchThenCreate { keys }),
        (MatchingMode::CreateOnly, false) | (MatchingMode::MatchThenCreate, true) => {
            Err(InvalidFlow::MatchingKeys)
        }
    }
}

#[cfg(test)]
mod tests;
