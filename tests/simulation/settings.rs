//! What a seed draws of a flow's manifests and of the services' habits.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use syncflow::core::definition::{
    ConflictPolicy, DeletePolicy, Direction, DriftPolicy, ExitPolicy, FieldDefinition, FieldDirection,
    FlowDefinition, Guard, Guards, History, MarkDefinition, Matching, OnCreateDefinition, Operator,
    RuleDefinition, SideDefinition, TruncatePolicy, UnmappedPolicy, ValuePair,
};
use syncflow::core::ident::FieldName;
use syncflow::core::side::PerSide;
use syncflow::engine::tuning::Tuning;
use syncflow_simulators::salesforce::{Field, FieldType, Salesforce, Trigger};
use syncflow_simulators::service_now::{BusinessRule, ChosenSysId, Column, ServiceNow};

use crate::chance::Chance;
use crate::remote::Squeeze;
use crate::swarm::{Swarm, Trait};

pub const ORG_URL: &str = "https://acme.my.salesforce.com";
pub const INSTANCE_URL: &str = "https://acme.service-now.com";
pub const SN_USER: &str = "syncflow";
pub const SN_PASSWORD: &str = "instance-password";

/// The moment at which every run begins.
pub fn beginning() -> Timestamp {
    "2026-11-02T08:00:00Z".parse().unwrap()
}

/// What a seed drew.
pub struct Settings {
    pub definition: FlowDefinition,
    pub tuning: Tuning,
    pub squeeze: Option<Squeeze>,
    /// How many records are there at the beginning.
    pub records: u64,
    /// Steps of the troubled phase.
    pub steps: u64,
    /// A crash in so many of ten thousand steps.
    pub crashes: u64,
    /// Somebody acts in so many of a thousand steps.
    pub bustle: u64,
    /// Virtual minutes without trouble before the oracle looks, and then those in which nothing may be written.
    pub quiet: i64,
    pub rest: i64,
}

/// The guide's flow, two-way, with every kind of field.
pub fn guide() -> FlowDefinition {
    definition(Direction::TwoWay)
}

fn definition(direction: Direction) -> FlowDefinition {
    FlowDefinition {
        direction,
        sides: PerSide {
            salesforce: SideDefinition {
                object: "Case".parse().unwrap(),
                stamp_field: Some(name("ServiceNow_Sys_Id__c")),
                rules: vec![RuleDefinition {
                    field: name("ServiceNow_Assignment_Group__c"),
                    operator: Operator::In(vec!["Product".into()]),
                }],
                on_create: on_create(
                    direction.originates(syncflow::core::side::Side::ServiceNow),
                    "Priority",
                    "Medium",
                ),
            },
            service_now: SideDefinition {
                object: "incident".parse().unwrap(),
                stamp_field: None,
                rules: vec![RuleDefinition {
                    field: name("category"),
                    operator: Operator::In(vec!["database".into()]),
                }],
                on_create: on_create(
                    direction.originates(syncflow::core::side::Side::Salesforce),
                    "impact",
                    "2",
                ),
            },
        },
        fields: vec![
            pair("Subject", "short_description", FieldDirection::TwoWay),
            pair("Description", "description", FieldDirection::TwoWay),
            pair("Escalation__c", "u_escalation", FieldDirection::ToServiceNow),
            pair("ServiceNow_Number__c", "number", FieldDirection::ToSalesforce),
            pair("Score__c", "u_score", FieldDirection::TwoWay),
            FieldDefinition {
                values: [
                    ("Email", "email"),
                    ("Web", "virtual_agent"),
                    ("Web", "self-service"),
                    ("Phone", "phone"),
                ]
                .map(|(salesforce, service_now)| ValuePair {
                    values: PerSide {
                        salesforce: salesforce.into(),
                        service_now: service_now.into(),
                    },
                })
                .to_vec(),
                ..pair("Origin", "contact_type", FieldDirection::TwoWay)
            },
        ],
        history: History::All,
        conflict: ConflictPolicy::MostRecent,
        drift: DriftPolicy::Revert,
        on_exit: ExitPolicy::PropagateThenUnlink,
        on_delete: DeletePolicy::Unlink,
        guards: Guards::default(),
        guarded_writes: false,
        matching: Matching::CreateOnly,
        interval: Duration::from_mins(1),
    }
}

pub fn draw(seed: u64, chance: &mut Chance, swarm: &Swarm) -> Settings {
    let mut definition = definition(*chance.pick(&[
        Direction::TwoWay,
        Direction::TwoWay,
        Direction::SalesforceToServiceNow,
        Direction::ServiceNowToSalesforce,
    ]));
    definition.conflict = *chance.pick(&[
        ConflictPolicy::MostRecent,
        ConflictPolicy::MostRecent,
        ConflictPolicy::PreferSalesforce,
        ConflictPolicy::PreferServiceNow,
    ]);
    definition.drift = *chance.pick(&[DriftPolicy::Revert, DriftPolicy::Ignore]);
    definition.on_exit = *chance.pick(&[
        ExitPolicy::PropagateThenUnlink,
        ExitPolicy::Unlink,
        ExitPolicy::KeepSyncing,
    ]);
    if swarm.has(Trait::ManualConflicts) {
        definition.conflict = ConflictPolicy::Manual;
    }
    definition.guarded_writes = swarm.has(Trait::GuardedWrites);
    if swarm.has(Trait::Deletions) || swarm.has(Trait::Merges) {
        definition.on_delete = on_delete(&mut Chance::of(seed, "onDelete", 0));
    }
    if swarm.has(Trait::Guards) {
        definition.guards = Guards {
            deletions: Guard {
                records: 1,
                percent: 1,
            },
            changes: Guard {
                records: 2,
                percent: 20,
            },
        };
    }
    if swarm.has(Trait::CutTexts) {
        for field in &mut definition.fields {
            if CUT_FIELDS.contains(&field.fields.salesforce.as_str()) {
                field.truncate = TruncatePolicy::Cut;
            }
        }
    }
    definition.interval = Duration::from_secs(*chance.pick(&[45, 45, 90]));
    let crashes = *chance.pick(&[30, 100, 300]);
    let bustle = *chance.pick(&[15, 40, 100]);
    // One run of forty has the product's own times and sizes, and waits as long as those ask for.
    let own_times = chance.permille(25);
    Settings {
        definition,
        tuning: if own_times { patient() } else { hurried() },
        squeeze: (!own_times).then(|| squeeze(chance, swarm)),
        records: 1 + chance.below(6),
        steps: 100 + chance.below(500),
        crashes: if swarm.has(Trait::Crashes) || swarm.has(Trait::Zombies) {
            crashes
        } else {
            0
        },
        bustle,
        // What is stamped after a clock was set back looks older than what was seen before, until the clock is past that.
        quiet: if own_times { 45 } else { 7 } + if swarm.has(Trait::ClockSetBack) { 6 } else { 0 },
        rest: if own_times { 25 } else { 4 },
    }
}

/// The fields whose texts are cut, where texts are cut.
const CUT_FIELDS: [&str; 2] = ["Subject", "Escalation__c"];

/// What stands at the end of a cut copy.
pub const CUT_MARK: &str = "... [cut]";

/// A text as ServiceNow holds it where it is too long for it: every text of the run begins with what is unique in it.
pub fn cut(field: &FieldDefinition, text: String) -> String {
    let room = match field.fields.salesforce.as_str() {
        "Subject" => 160,
        "Escalation__c" => 255,
        _ => return text,
    };
    if text.chars().count() <= room {
        return text;
    }
    let beginning: String = text.chars().take(room - CUT_MARK.len()).collect();
    format!("{}{CUT_MARK}", beginning.trim_end())
}

fn on_delete(chance: &mut Chance) -> DeletePolicy {
    match chance.below(10) {
        0..=1 => DeletePolicy::Unlink,
        2..=5 => DeletePolicy::DeleteCounterpart,
        _ => DeletePolicy::Mark(PerSide {
            salesforce: Some(MarkDefinition {
                field: name(MARKED.salesforce.0),
                value: MARKED.salesforce.1.into(),
            }),
            service_now: Some(MarkDefinition {
                field: name(MARKED.service_now.0),
                value: MARKED.service_now.1.into(),
            }),
        }),
    }
}

/// The field that says that the partner is gone, and what it says.
pub const MARKED: PerSide<(&str, &str)> = PerSide {
    salesforce: ("Partner__c", "its incident was deleted"),
    service_now: ("u_partner", "its case was deleted"),
};

/// People here are faster than people are: a run of edits back and forth is no automation.
fn patient() -> Tuning {
    Tuning {
        flip_limit: u32::MAX,
        ..Tuning::default()
    }
}

/// The slower looks taken sooner, so that less time without trouble is needed to see what they find.
pub fn hurried() -> Tuning {
    Tuning {
        deep_overlap: Duration::from_mins(2),
        deep_every: Duration::from_secs(100),
        sweep_every: Duration::from_secs(150),
        recheck_every: Duration::from_mins(6),
        retry: (Duration::from_secs(1), Duration::from_secs(30)),
        ..patient()
    }
}

fn squeeze(chance: &mut Chance, swarm: &Swarm) -> Squeeze {
    let small = swarm.has(Trait::SmallPages);
    let mut pick = |sizes: &[usize], usual: usize| if small { *chance.pick(sizes) } else { usual };
    Squeeze {
        page: pick(&[2, 3, 5], 200),
        read_ids: pick(&[1, 2, 100], 100),
        write_batch: pick(&[1, 2, 3, 20], 20),
        write_timeout: Duration::from_secs(5),
        longest_transaction: Duration::from_secs(20),
    }
}

fn on_create(makes: bool, field: &str, value: &str) -> Vec<OnCreateDefinition> {
    if makes {
        vec![OnCreateDefinition {
            field: name(field),
            value: value.into(),
        }]
    } else {
        Vec::new()
    }
}

fn name(text: &str) -> FieldName {
    text.parse().unwrap()
}

fn pair(salesforce: &str, service_now: &str, direction: FieldDirection) -> FieldDefinition {
    FieldDefinition {
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
    }
}

/// The org, with the fields of the guide.
pub fn salesforce() -> Salesforce {
    let mut org = Salesforce::new();
    for field in [
        Field::unique_external_id("ServiceNow_Sys_Id__c", 80),
        Field::picklist("ServiceNow_Assignment_Group__c", &["Product", "Network"], true),
        Field::new("ServiceNow_Number__c", FieldType::String),
        Field::new("Escalation__c", FieldType::String),
        Field::new("Score__c", FieldType::Double),
        Field::new("Partner__c", FieldType::String),
    ] {
        org.add_custom_field("Case", field).unwrap();
    }
    org
}

/// The instance, with one account and the columns of the flow.
pub fn service_now(seed: u64) -> ServiceNow {
    let mut instance = ServiceNow::new(INSTANCE_URL, seed, beginning());
    instance.add_user(SN_USER, SN_PASSWORD, &["itil", "admin"]);
    instance.define_column("incident", Column::string("u_escalation", 255));
    instance.define_column("incident", Column::integer("u_score"));
    instance.define_column("incident", Column::string("u_partner", 100));
    instance
}

/// What the business rule `normaliser` makes of a text.
pub fn normalised(text: &str) -> String {
    text.to_uppercase()
}

/// What the rules of both services set.
pub const SET_BY_RULES: [&str; 2] = ["checked by a rule", "set by a trigger"];

/// The services' habits in a run.
pub fn give_habits(chance: &mut Chance, swarm: &Swarm, org: &mut Salesforce, instance: &mut ServiceNow) {
    let late = swarm.has(Trait::LateCommits);
    if late {
        org.settings.late_commit_seconds = *chance.pick(&[1, 3]);
        instance.switches.late_commit_seconds = *chance.pick(&[1, 2]);
    }
    instance.switches.shuffles_ties = swarm.has(Trait::ShuffledTies);
    if swarm.has(Trait::ReplicaLag) {
        instance.switches.replica_lag_seconds = *chance.pick(&[1, 4]);
    }
    if swarm.has(Trait::IdsIgnored) {
        instance.switches.chosen_sys_id = ChosenSysId::Ignored;
    }
    if swarm.has(Trait::Normaliser) {
        instance.add_rule(BusinessRule::before("normaliser", "incident", |row| {
            if let Some(text) = row.get_mut("short_description") {
                *text = normalised(text);
            }
        }));
    }
    if swarm.has(Trait::AsyncRule) {
        let rule = BusinessRule::async_set("checks", "incident", 7, &[("description", SET_BY_RULES[0])]);
        instance.add_rule(rule.when("contact_type=email"));
    }
    if swarm.has(Trait::Trigger) {
        let set = json!({"Escalation__c": SET_BY_RULES[1]});
        org.add_trigger(Trigger {
            object: "Case".into(),
            name: "escalates".into(),
            when: Some("Origin = 'Phone'".into()),
            set: set.as_object().unwrap().clone(),
        })
        .unwrap();
    }
}
