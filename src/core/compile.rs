//! A definition and both schemas → a flow that may run, or every problem at once, each naming its field and remedy.
//!
//! This is where *what only the SaaS can tell* is checked, before the first write.

use std::collections::{BTreeMap, BTreeSet};

use super::definition::{
    FieldDefinition, FlowDefinition, Matching, Operator, SideDefinition, TruncatePolicy,
};
use super::deletion::compile_on_delete;
use super::failure::Problem;
use super::flow::{FieldPair, Flow, FlowSide, OnDelete, Rule};
use super::ident::{FieldKey, FieldName, Stamp};
use super::link::DefinitionHashes;
use super::mapping::{instant, parse};
use super::planted::{Bug, planted};
use super::rights;
use super::schema::{FieldKind, FieldSchema, ObjectSchema};
use super::side::{PerSide, Side};
use super::truncate::check_truncate;
use super::value::Value;

/// The default stamp field on ServiceNow, where the table has it.
pub const DEFAULT_SERVICE_NOW_STAMP: &str = "correlation_id";

/// The field that holds a record's creation time.
#[must_use]
pub const fn created_field(side: Side) -> &'static str {
    match side {
        Side::Salesforce => "CreatedDate",
        Side::ServiceNow => "sys_created_on",
    }
}

/// Compiles a flow. All problems are returned, not the first alone.
pub fn compile(definition: &FlowDefinition, schemas: PerSide<&ObjectSchema>) -> Result<Flow, Vec<Problem>> {
    let mut problems = Vec::new();
    let fields: Vec<FieldPair> = definition
        .fields
        .iter()
        .filter_map(|field| compile_pair(definition, field, schemas, &mut problems))
        .collect();
    let sides = PerSide::from_fn(|side| compile_side(definition, side, schemas[side], &mut problems));
    let stamps = PerSide::from_fn(|side| sides[side].stamp_field.clone());
    problems.extend(rights::missing(definition, schemas, &stamps));
    let on_delete = compile_on_delete(definition, schemas, &mut problems);
    check_writers(&fields, schemas, &mut problems);
    check_required(definition, &fields, &sides, schemas, &mut problems);
    if let Matching::MatchThenCreate { keys } = &definition.matching {
        for key in keys {
            for side in Side::BOTH {
                if known(schemas[side], &key[side], "a matching key", &mut problems)
                    .is_some_and(|field| !field.filterable)
                {
                    problems.push(invalid(format!(
                        "{}.{} cannot be filtered on, so it cannot be a matching key; choose another field",
                        schemas[side].object, key[side]
                    )));
                }
            }
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let hashes = hashes(definition, &fields);
    let mut flow = Flow {
        direction: definition.direction,
        sides,
        fields,
        history: definition.history,
        on_exit: definition.on_exit,
        on_delete,
        guards: definition.guards,
        guarded_writes: definition.guarded_writes,
        matching: definition.matching.clone(),
        interval: definition.interval,
        hashes,
    };
    collect_read_fields(&mut flow, schemas);
    Ok(flow)
}

pub(super) fn invalid(message: String) -> Problem {
    Problem::human("InvalidMapping", message)
}

pub(super) fn known<'a>(
    schema: &'a ObjectSchema,
    field: &FieldName,
    role: &str,
    problems: &mut Vec<Problem>,
) -> Option<&'a FieldSchema> {
    let found = schema.fields.get(field);
    if found.is_none() {
        problems.push(Problem::human(
            "UnknownField",
            format!(
                "{} has no field {field} that the {} user can see ({role}); correct the name, or give the user read access",
                schema.object, schema.side
            ),
        ));
    }
    found
}

fn compile_pair(
    definition: &FlowDefinition,
    field: &FieldDefinition,
    schemas: PerSide<&ObjectSchema>,
    problems: &mut Vec<Problem>,
) -> Option<FieldPair> {
    let before = problems.len();
    let found = PerSide::from_fn(|side| known(schemas[side], &field.fields[side], "mapped", problems));
    let (salesforce, service_now) = (found.salesforce?, found.service_now?);
    let found = PerSide {
        salesforce,
        service_now,
    };
    let names = PerSide::from_fn(|side| format!("{}.{}", schemas[side].object, field.fields[side]));
    for side in Side::BOTH {
        if let FieldKind::Unsupported(kind) = &found[side].kind {
            problems.push(invalid(format!(
                "{} is of type {kind}, which cannot be synced",
                names[side]
            )));
        }
        for row in &field.values {
            check_cell(&row.values[side], found[side], &names[side], problems);
        }
    }
    check_truncate(field, found, &names, problems);
    for side in Side::BOTH
        .into_iter()
        .filter(|side| field.direction.writes(*side))
    {
        let (from, to) = (&found[side.other()].kind, &found[side].kind);
        if field.values.is_empty() && !carries(from, to) {
            problems.push(invalid(format!(
                "{} ({}) cannot be written from {} ({}); map fields of the same type, or add values",
                names[side],
                to.word(),
                names[side.other()],
                from.word()
            )));
        }
    }
    (problems.len() == before).then(|| FieldPair {
        key: FieldKey::of(&field.fields.salesforce, &field.fields.service_now),
        fields: field.fields.clone(),
        kinds: found.map(|_, field| field.kind.clone()),
        direction: field.direction,
        values: field.values.clone(),
        unmapped: field.unmapped.clone(),
        truncate: field.truncate,
        conflict: field.conflict.unwrap_or(definition.conflict),
        drift: field.drift.unwrap_or(definition.drift),
    })
}

/// May a value of one kind be written, as it is, into a field of another?
fn carries(from: &FieldKind, to: &FieldKind) -> bool {
    use FieldKind::{Boolean, Choice, Date, DateTime, MultiChoice, Number, Reference, Text, Unsupported};
    match (from, to) {
        (Unsupported(_), _) | (_, Unsupported(_)) => false,
        (_, Text { .. })
        | (Number { .. }, Number { .. })
        | (Boolean, Boolean)
        | (Date, Date)
        | (DateTime, DateTime)
        | (Text { .. } | Choice(_), Choice(_))
        | (MultiChoice(_), MultiChoice(_)) => true,
        (Text { .. }, Reference) if planted(Bug::ReferenceTakenAsText) => true,
        // An id of one service means nothing to the other.
        (_, Number { .. } | Boolean | Date | DateTime | Choice(_) | MultiChoice(_) | Reference) => false,
    }
}

pub(super) fn check_cell(cell: &str, field: &FieldSchema, name: &str, problems: &mut Vec<Problem>) {
    let fits = match &field.kind {
        FieldKind::Choice(choices) | FieldKind::MultiChoice(choices) => {
            cell.is_empty() || choices.values.contains(cell)
        }
        kind => parse(cell, kind).is_some(),
    };
    if !fits {
        problems.push(Problem::human(
            "UnknownChoice",
            format!(
                "{name} has no value {cell:?} ({}); correct the row of values, or add the choice",
                field.kind.word()
            ),
        ));
    }
}

fn compile_side(
    definition: &FlowDefinition,
    side: Side,
    schema: &ObjectSchema,
    problems: &mut Vec<Problem>,
) -> FlowSide {
    let given = &definition.sides[side];
    let makes = definition.direction.originates(side.other());
    for rule in &given.rules {
        check_rule(&rule.field, &rule.operator, schema, problems);
    }
    FlowSide {
        object: given.object.clone(),
        stamp_field: compile_stamp(given, side, makes, schema, problems),
        rules: given
            .rules
            .iter()
            .map(|rule| Rule {
                field: rule.field.clone(),
                operator: rule.operator.clone(),
            })
            .collect(),
        on_create: compile_on_create(given, makes, schema, problems),
        read_fields: BTreeSet::new(),
        kinds: BTreeMap::new(),
    }
}

fn check_rule(field: &FieldName, operator: &Operator, schema: &ObjectSchema, problems: &mut Vec<Problem>) {
    let Some(found) = known(schema, field, "in a rule", problems) else {
        return;
    };
    let name = format!("{}.{field}", schema.object);
    let mut wrong = |expected: &str| {
        problems.push(Problem::human(
            "InvalidRule",
            format!("the rule on {name} ({}) needs {expected}", found.kind.word()),
        ));
    };
    match operator {
        Operator::OnOrAfter(value) | Operator::Before(value) => {
            if !matches!(found.kind, FieldKind::Date | FieldKind::DateTime) {
                wrong("a date or datetime field");
            } else if instant(value).is_none() {
                wrong("a value such as 2024-07-22 or 2024-07-22T08:00:00Z");
            }
        }
        Operator::GreaterThan(value) | Operator::LessThan(value) => {
            if value.parse::<rust_decimal::Decimal>().is_err() {
                wrong("a number as its value");
            }
        }
        Operator::In(values) | Operator::NotIn(values) => {
            for value in values {
                check_cell(value, found, &name, problems);
            }
        }
        Operator::Equals(value) | Operator::NotEquals(value) => check_cell(value, found, &name, problems),
        Operator::Contains(_) | Operator::StartsWith(_) | Operator::Exists | Operator::DoesNotExist => {}
    }
}

fn compile_stamp(
    given: &SideDefinition,
    side: Side,
    makes: bool,
    schema: &ObjectSchema,
    problems: &mut Vec<Problem>,
) -> Option<FieldName> {
    let default = || {
        let field: FieldName = DEFAULT_SERVICE_NOW_STAMP.parse().ok()?;
        (side == Side::ServiceNow && schema.fields.contains_key(&field)).then_some(field)
    };
    let Some(field) = given.stamp_field.clone().or_else(default) else {
        if makes {
            problems.push(Problem::human(
                "StampFieldMissing",
                format!(
                    "the flow makes {} records, so {} needs a stampField: a text field of at least {} characters{}",
                    side,
                    schema.object,
                    Stamp::MAX_LENGTH,
                    if side == Side::Salesforce { ", external id and unique" } else { "" }
                ),
            ));
        }
        return None;
    };
    let found = known(schema, &field, "the stampField", problems)?;
    let name = format!("{}.{field}", schema.object);
    let fits = matches!(found.kind, FieldKind::Text { max_length } if max_length.is_none_or(|max| max >= Stamp::MAX_LENGTH));
    let unique = !makes || side == Side::ServiceNow || found.unique;
    if !fits || !found.filterable {
        problems.push(Problem::human(
            "StampFieldUnfit",
            format!(
                "{name} cannot hold stamps: it must be a text field of at least {} characters that the {side} user can \
                 filter on",
                Stamp::MAX_LENGTH
            ),
        ));
    } else if !unique {
        problems.push(Problem::human(
            "StampFieldNotUnique",
            format!("{name} must be unique (and an external id): without it a lost answer could make a second record"),
        ));
    }
    Some(field)
}

fn compile_on_create(
    given: &SideDefinition,
    makes: bool,
    schema: &ObjectSchema,
    problems: &mut Vec<Problem>,
) -> BTreeMap<FieldName, Value> {
    let mut values = BTreeMap::new();
    for set in &given.on_create {
        let Some(field) = known(schema, &set.field, "in onCreate", problems) else {
            continue;
        };
        let name = format!("{}.{}", schema.object, set.field);
        check_cell(&set.value, field, &name, problems);
        if !makes {
            problems.push(invalid(format!(
                "onCreate sets {name}, but the flow's direction makes no {} records; remove it, or change direction",
                schema.side
            )));
        }
        if let Some(value) = parse(&set.value, &field.kind) {
            values.insert(set.field.clone(), value);
        }
    }
    values
}

/// At most one writer per target field.
fn check_writers(fields: &[FieldPair], schemas: PerSide<&ObjectSchema>, problems: &mut Vec<Problem>) {
    for side in Side::BOTH {
        let mut seen = BTreeSet::new();
        for pair in fields.iter().filter(|pair| pair.direction.writes(side)) {
            if !seen.insert(&pair.fields[side]) {
                problems.push(invalid(format!(
                    "{}.{} is written by two mappings; keep one of them",
                    schemas[side].object, pair.fields[side]
                )));
            }
        }
    }
}

/// A field that a new record must bring has to come from the mapping or from `onCreate`.
fn check_required(
    definition: &FlowDefinition,
    fields: &[FieldPair],
    sides: &PerSide<FlowSide>,
    schemas: PerSide<&ObjectSchema>,
    problems: &mut Vec<Problem>,
) {
    for side in Side::BOTH
        .into_iter()
        .filter(|side| definition.direction.originates(side.other()))
    {
        let brought: BTreeSet<&FieldName> = fields
            .iter()
            .filter(|pair| pair.direction.writes(side))
            .map(|pair| &pair.fields[side])
            .chain(sides[side].on_create.keys())
            .chain(sides[side].stamp_field.as_ref())
            .collect();
        for (name, _) in schemas[side]
            .fields
            .iter()
            .filter(|(name, field)| field.required_on_create && field.createable && !brought.contains(name))
        {
            problems.push(Problem::human(
                "RequiredFieldUnmapped",
                format!(
                    "{}.{name} is required on a new record, and nothing brings it; map it, or set it in onCreate",
                    schemas[side].object
                ),
            ));
        }
    }
}

fn collect_read_fields(flow: &mut Flow, schemas: PerSide<&ObjectSchema>) {
    for side in Side::BOTH {
        let keys = match &flow.matching {
            Matching::CreateOnly => Vec::new(),
            Matching::MatchThenCreate { keys } => keys.iter().map(|key| key[side].clone()).collect(),
        };
        let mark = match &flow.on_delete {
            OnDelete::Mark(marks) => marks[side].as_ref().map(|(field, _)| field.clone()),
            OnDelete::Unlink | OnDelete::DeleteCounterpart => None,
        };
        let part = &mut flow.sides[side];
        part.read_fields = flow
            .fields
            .iter()
            .map(|pair| pair.fields[side].clone())
            .chain(part.rules.iter().map(|rule| rule.field.clone()))
            .chain(part.stamp_field.clone())
            .chain(mark)
            .chain(keys)
            .collect();
        let on_create: Vec<FieldName> = part.on_create.keys().cloned().collect();
        part.kinds = part
            .read_fields
            .iter()
            .cloned()
            .chain(on_create)
            .filter_map(|name| {
                schemas[side]
                    .fields
                    .get(&name)
                    .map(|field| (name.clone(), field.kind.clone()))
            })
            .collect();
    }
}

fn hashes(definition: &FlowDefinition, fields: &[FieldPair]) -> DefinitionHashes {
    // The policies that decide a conflict are left out: changing one says how the next difference is settled, and
    // does not make old agreements void.
    let pairs = fields
        .iter()
        .map(|pair| {
            let text = format!(
                "{:?}|{:?}|{:?}|{:?}{}",
                pair.direction,
                pair.values,
                pair.unmapped,
                pair.kinds.as_ref().map(|_, kind| kind.word().to_owned()),
                // Added later: what was stored without it stays what it was.
                Some("|cut")
                    .filter(|_| pair.truncate == TruncatePolicy::Cut)
                    .unwrap_or_default(),
            );
            (pair.key.clone(), super::ident::digest_of(&text))
        })
        .collect();
    let sides = definition
        .sides
        .as_ref()
        .map(|_, side| (side.rules.clone(), side.stamp_field.clone()));
    let rules = format!(
        "{:?}|{sides:?}|{:?}|{:?}|{:?}",
        definition.direction, definition.matching, definition.history, definition.on_exit
    );
    DefinitionHashes {
        pairs,
        rules: super::ident::digest_of(&rules),
        whole: super::ident::digest_of(&format!("{definition:?}")),
    }
}
