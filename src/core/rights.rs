//! What a flow needs its integration users to be allowed, against what they are: before the first write, and all that is
//! missing at once, by name.
//!
//! | for | the flow needs |
//! |---|---|
//! | the object | Create where it makes records there, Edit where it changes any, Delete where deletions travel to it |
//! | the field of `onDelete.mark` | Edit, where deletions travel to its side |
//! | a field mapped towards the side | Edit; and to set it on a new record where the flow makes them |
//! | the stamp field, where the flow makes records | both |
//! | a field of `onCreate` | to set it on a new record |
//! | every mapped, rule, key and stamp field | Read |
//!
//! Salesforce tells all of it in its describe; a field that its user may not read is no field at all there, and told as
//! such by [`super::compile`]. `ServiceNow` tells of columns that are read-only for everybody, its connector finds those
//! that no record shows, and of what access controls will say to a write nothing is known: there the first refusal tells.

use std::collections::BTreeSet;

use super::definition::{DeletePolicy, FlowDefinition, Matching, SideDefinition};
use super::failure::Problem;
use super::ident::FieldName;
use super::schema::{FieldSchema, ObjectSchema};
use super::side::{PerSide, Side};

/// The reason of the condition.
pub const REASON: &str = "MissingRights";

/// What is missing, one problem a side. `stamps` are the fields that hold stamps, as compiled.
#[must_use]
pub fn missing(
    definition: &FlowDefinition,
    schemas: PerSide<&ObjectSchema>,
    stamps: &PerSide<Option<FieldName>>,
) -> Vec<Problem> {
    let missing = |side| {
        let needs = Needs::of(definition, side, stamps[side].as_ref());
        Missing::of(&needs, schemas[side]).problem(schemas[side])
    };
    Side::BOTH.into_iter().filter_map(missing).collect()
}

/// What a flow does on one side.
struct Needs<'a> {
    /// It makes records.
    makes: bool,
    /// It changes records.
    changes: bool,
    /// It deletes records.
    deletes: bool,
    /// Fields that it looks at.
    reads: BTreeSet<&'a FieldName>,
    /// Fields that it changes on existing records.
    edits: BTreeSet<&'a FieldName>,
    /// Fields that it sets on new records.
    sets: BTreeSet<&'a FieldName>,
}

impl<'a> Needs<'a> {
    fn of(definition: &'a FlowDefinition, side: Side, stamp: Option<&'a FieldName>) -> Self {
        let given: &SideDefinition = &definition.sides[side];
        let makes = definition.direction.originates(side.other());
        let mapped: BTreeSet<&FieldName> = definition
            .fields
            .iter()
            .filter(|field| field.direction.writes(side))
            .map(|field| &field.fields[side])
            .collect();
        let keys = match &definition.matching {
            Matching::CreateOnly => &[][..],
            Matching::MatchThenCreate { keys } => keys,
        };
        let reads = definition
            .fields
            .iter()
            .map(|field| &field.fields[side])
            .chain(given.rules.iter().map(|rule| &rule.field))
            .chain(keys.iter().map(|key| &key[side]))
            .chain(stamp)
            .collect();
        let mut edits = mapped.clone();
        let mut sets = BTreeSet::new();
        if makes {
            edits.extend(stamp);
            sets.extend(mapped);
            sets.extend(stamp);
            sets.extend(given.on_create.iter().map(|set| &set.field));
        }
        // A deletion travels from the side that originates.
        let mut deletes = false;
        match &definition.on_delete {
            DeletePolicy::DeleteCounterpart => deletes = makes,
            DeletePolicy::Mark(marks) if makes => edits.extend(marks[side].as_ref().map(|mark| &mark.field)),
            DeletePolicy::Mark(_) | DeletePolicy::Unlink => {}
        }
        Self {
            makes,
            changes: !edits.is_empty(),
            deletes,
            reads,
            edits,
            sets,
        }
    }
}

/// Rights that are not there.
struct Missing<'a> {
    create: bool,
    edit: bool,
    delete: bool,
    reads: Vec<&'a FieldName>,
    edits: Vec<&'a FieldName>,
    sets: Vec<&'a FieldName>,
}

impl<'a> Missing<'a> {
    fn of(needs: &Needs<'a>, schema: &ObjectSchema) -> Self {
        let without = |fields: &BTreeSet<&'a FieldName>, right: fn(&FieldSchema) -> bool| {
            // One that our user cannot see is told as an unknown field.
            let lacks = |name: &&'a FieldName| schema.fields.get(*name).is_some_and(|field| !right(field));
            fields.iter().copied().filter(lacks).collect::<Vec<_>>()
        };
        let create = needs.makes && schema.createable == Some(false);
        let edit = needs.changes && schema.updateable == Some(false);
        Self {
            create,
            edit,
            delete: needs.deletes && schema.deletable == Some(false),
            reads: without(&needs.reads, |field| field.readable),
            // Without the right on the object, no field has it either, and naming each would hide what is wrong.
            edits: if edit {
                Vec::new()
            } else {
                without(&needs.edits, |field| field.updateable)
            },
            sets: if create {
                Vec::new()
            } else {
                without(&needs.sets, |field| field.createable)
            },
        }
    }

    fn problem(&self, schema: &ObjectSchema) -> Option<Problem> {
        let (side, object) = (schema.side, &schema.object);
        let named = |fields: &[&FieldName]| {
            let names: Vec<String> = fields.iter().map(|field| format!("{object}.{field}")).collect();
            names.join(", ")
        };
        let on_the_object = [
            (self.create, "Create"),
            (self.edit, "Edit"),
            (self.delete, "Delete"),
        ];
        let mut lacks: Vec<String> = on_the_object
            .into_iter()
            .filter(|(lacks, _)| *lacks)
            .map(|(_, right)| format!("{right} on {object}"))
            .collect();
        if !self.reads.is_empty() {
            lacks.push(format!("Read on {}", named(&self.reads)));
        }
        if !self.edits.is_empty() {
            lacks.push(format!("Edit on {}", named(&self.edits)));
        }
        // What cannot be edited can hardly be set either, and is named already.
        let sets: Vec<&FieldName> = self
            .sets
            .iter()
            .copied()
            .filter(|field| !self.edits.contains(field))
            .collect();
        if !sets.is_empty() {
            lacks.push(format!("to set {} on a new record", named(&sets)));
        }
        if lacks.is_empty() {
            return None;
        }
        let remedy = match side {
            Side::Salesforce => {
                "Give its profile or a permission set these rights (Setup > Permission Sets > Object Settings: object \
                 and field permissions)"
            }
            Side::ServiceNow => {
                "Give the account these rights (System Security > Access Control), or take Read only off the columns \
                 (System Definition > Dictionary)"
            }
        };
        Some(Problem::human(
            REASON,
            format!(
                "the {side} user lacks: {}. {remedy}; a field that nobody can write, such as a formula, is mapped one-way \
                 from this side",
                lacks.join("; ")
            ),
        ))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;
    use crate::core::definition::{
        ConflictPolicy, Direction, DriftPolicy, ExitPolicy, FieldDefinition, FieldDirection, Guards, History,
        MarkDefinition, Matching, OnCreateDefinition, TruncatePolicy, UnmappedPolicy,
    };
    use crate::core::schema::FieldKind;

    fn name(text: &str) -> FieldName {
        text.parse().unwrap()
    }

    /// Cases and incidents with a field that goes each way, a stamp and an `onCreate` value on the case.
    fn definition(direction: Direction) -> FlowDefinition {
        let side = |object: &str, on_create: &[&str]| SideDefinition {
            object: object.parse().unwrap(),
            stamp_field: None,
            rules: Vec::new(),
            on_create: on_create
                .iter()
                .map(|field| OnCreateDefinition {
                    field: name(field),
                    value: "x".to_owned(),
                })
                .collect(),
        };
        let pair = |salesforce: &str, service_now: &str, direction| FieldDefinition {
            fields: PerSide {
                salesforce: name(salesforce),
                service_now: name(service_now),
            },
            direction,
            values: Vec::new(),
            unmapped: UnmappedPolicy::Hold,
            truncate: TruncatePolicy::Quarantine,
            conflict: None,
            drift: None,
        };
        FlowDefinition {
            direction,
            sides: PerSide {
                salesforce: side("Case", &["Priority"]),
                service_now: side("incident", &[]),
            },
            fields: vec![
                pair("Subject", "short_description", FieldDirection::TwoWay),
                pair("Number__c", "number", FieldDirection::ToSalesforce),
                pair("Escalated__c", "u_escalated", FieldDirection::ToServiceNow),
            ],
            history: History::All,
            conflict: ConflictPolicy::MostRecent,
            drift: DriftPolicy::Revert,
            on_exit: ExitPolicy::Unlink,
            matching: Matching::CreateOnly,
            on_delete: DeletePolicy::Unlink,
            guards: Guards::default(),
            guarded_writes: false,
            interval: Duration::from_mins(1),
        }
    }

    fn field() -> FieldSchema {
        FieldSchema {
            kind: FieldKind::Text { max_length: None },
            readable: true,
            createable: true,
            updateable: true,
            required_on_create: false,
            unique: false,
            external_id: false,
            filterable: true,
        }
    }

    fn schemas() -> PerSide<ObjectSchema> {
        let schema = |side, object: &str, fields: &[&str]| ObjectSchema {
            side,
            object: object.parse().unwrap(),
            createable: (side == Side::Salesforce).then_some(true),
            updateable: (side == Side::Salesforce).then_some(true),
            deletable: (side == Side::Salesforce).then_some(true),
            fields: fields
                .iter()
                .map(|text| (name(text), field()))
                .collect::<BTreeMap<_, _>>(),
        };
        let case = ["Subject", "Number__c", "Escalated__c", "Priority", "Stamp__c"];
        let incident = ["short_description", "number", "u_escalated", "correlation_id"];
        PerSide {
            salesforce: schema(Side::Salesforce, "Case", &case),
            service_now: schema(Side::ServiceNow, "incident", &incident),
        }
    }

    fn change(schemas: &mut PerSide<ObjectSchema>, side: Side, field: &str, change: fn(&mut FieldSchema)) {
        change(schemas[side].fields.get_mut(&name(field)).unwrap());
    }

    fn told(direction: Direction, schemas: &PerSide<ObjectSchema>) -> Vec<String> {
        told_of(&definition(direction), schemas)
    }

    fn told_of(definition: &FlowDefinition, schemas: &PerSide<ObjectSchema>) -> Vec<String> {
        let stamps = PerSide {
            salesforce: Some(name("Stamp__c")),
            service_now: Some(name("correlation_id")),
        };
        let problems = missing(definition, schemas.as_ref(), &stamps);
        assert!(problems.iter().all(|problem| problem.reason.as_str() == REASON));
        problems
            .into_iter()
            .map(|problem| {
                let (_, lacks) = problem.message.split_once("lacks: ").unwrap();
                lacks.split(". Give").next().unwrap().to_owned()
            })
            .collect()
    }

    #[test]
    fn nothing_is_missing_where_all_is_there_and_where_the_service_does_not_say() {
        assert!(told(Direction::TwoWay, &schemas()).is_empty());
    }

    #[test]
    fn every_missing_right_of_both_sides_is_told_at_once_by_name() {
        let mut schemas = schemas();
        let (salesforce, service_now) = (Side::Salesforce, Side::ServiceNow);
        schemas.salesforce.createable = Some(false);
        change(&mut schemas, salesforce, "Subject", |field| {
            field.updateable = false;
        });
        change(&mut schemas, salesforce, "Stamp__c", |field| {
            field.updateable = false;
        });
        change(&mut schemas, service_now, "u_escalated", |field| {
            field.createable = false;
        });
        assert_eq!(
            told(Direction::TwoWay, &schemas),
            [
                "Create on Case; Edit on Case.Stamp__c, Case.Subject",
                "to set incident.u_escalated on a new record"
            ]
        );
    }

    #[test]
    fn a_field_of_on_create_and_one_that_can_be_edited_only_are_named_for_new_records() {
        let mut schemas = schemas();
        for field in ["Priority", "Number__c"] {
            change(&mut schemas, Side::Salesforce, field, |field| {
                field.createable = false;
            });
        }
        assert_eq!(
            told(Direction::TwoWay, &schemas),
            ["to set Case.Number__c, Case.Priority on a new record"]
        );
    }

    #[test]
    fn what_the_flow_does_not_do_needs_no_right() {
        let mut schemas = schemas();
        schemas.salesforce.createable = Some(false);
        for field in ["Escalated__c", "Stamp__c"] {
            change(&mut schemas, Side::Salesforce, field, |field| {
                field.updateable = false;
                field.createable = false;
            });
        }
        assert!(told(Direction::SalesforceToServiceNow, &schemas).is_empty());
    }

    #[test]
    fn without_a_right_on_the_object_its_fields_are_not_listed() {
        let mut schemas = schemas();
        schemas.salesforce.updateable = Some(false);
        for field in ["Subject", "Number__c"] {
            change(&mut schemas, Side::Salesforce, field, |field| {
                field.updateable = false;
            });
        }
        assert_eq!(
            told(Direction::SalesforceToServiceNow, &schemas),
            ["Edit on Case"]
        );
    }

    #[test]
    fn a_field_that_no_record_shows_is_named_whatever_it_is_for() {
        let mut schemas = schemas();
        for field in ["number", "correlation_id"] {
            change(&mut schemas, Side::ServiceNow, field, |field| {
                field.readable = false;
            });
        }
        assert_eq!(
            told(Direction::TwoWay, &schemas),
            ["Read on incident.correlation_id, incident.number"]
        );
    }

    #[test]
    fn a_field_that_our_user_cannot_see_is_not_told_twice() {
        let mut schemas = schemas();
        schemas.salesforce.fields.remove(&name("Subject"));
        assert!(told(Direction::TwoWay, &schemas).is_empty());
    }

    #[test]
    fn deleting_and_marking_need_their_right_where_deletions_travel_to() {
        let mut schemas = schemas();
        schemas.salesforce.deletable = Some(false);
        change(&mut schemas, Side::Salesforce, "Priority", |field| {
            field.updateable = false;
        });
        let mut flow = definition(Direction::TwoWay);
        flow.on_delete = DeletePolicy::DeleteCounterpart;
        assert_eq!(told_of(&flow, &schemas), ["Delete on Case"]);
        let mark = MarkDefinition {
            field: name("Priority"),
            value: "x".to_owned(),
        };
        flow.on_delete = DeletePolicy::Mark(PerSide {
            salesforce: Some(mark),
            service_now: None,
        });
        assert_eq!(told_of(&flow, &schemas), ["Edit on Case.Priority"]);
        flow.direction = Direction::SalesforceToServiceNow;
        assert!(told_of(&flow, &schemas).is_empty());
    }
}
