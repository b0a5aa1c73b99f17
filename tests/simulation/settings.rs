//! What a seed draws of a flow's manifests and of the services' habits.

use std::time::Duration;

use jiff::Timestamp;
use syncflow::core::definition::{
    ConflictPolicy, DeletePolicy, Direction, DriftPolicy, ExitPolicy, FieldDefinition, FieldDirection,
    FlowDefinition, Guards, History, Matching, OnCreateDefinition, Operator, RuleDefinition, SideDefinition,
    TruncatePolicy, UnmappedPolicy, ValuePair,
};
use syncflow::core::ident::FieldName;
use syncflow::core::side::PerSide;
use syncflow::engine::tuning::Tuning;
use syncflow_simulators::salesforce::{Field, FieldType, Salesforce};
use syncflow_simulators::service_now::{ChosenSysId, Column, ServiceNow};

use crate::world::Chance;

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
    /// Steps of the troubled phase.
    pub steps: u64,
    /// A crash in so many of ten thousand steps.
    pub crashes: u64,
    /// Somebody acts in so many of a thousand steps.
    pub bustle: u64,
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

pub fn draw(chance: &mut Chance) -> Settings {
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
    definition.interval = Duration::from_secs(*chance.pick(&[30, 60, 120]));
    let tuning = Tuning {
        // People here are faster than people are: a run of edits back and forth is no automation.
        flip_limit: u32::MAX,
        ..Tuning::default()
    };
    Settings {
        definition,
        tuning,
        steps: 300 + chance.below(900),
        crashes: *chance.pick(&[0, 30, 100, 300]),
        bustle: *chance.pick(&[10, 30, 80]),
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
pub fn salesforce(chance: &mut Chance) -> Salesforce {
    let mut org = Salesforce::new();
    org.settings.late_commit_seconds = *chance.pick(&[0, 0, 3]);
    for field in [
        Field::unique_external_id("ServiceNow_Sys_Id__c", 80),
        Field::picklist("ServiceNow_Assignment_Group__c", &["Product", "Network"], true),
        Field::new("ServiceNow_Number__c", FieldType::String),
        Field::new("Escalation__c", FieldType::String),
        Field::new("Score__c", FieldType::Double),
    ] {
        org.add_custom_field("Case", field).unwrap();
    }
    org
}

/// The instance, with one account and the columns of the flow.
pub fn service_now(chance: &mut Chance, seed: u64) -> ServiceNow {
    let mut instance = ServiceNow::new(INSTANCE_URL, seed, beginning());
    instance.add_user(SN_USER, SN_PASSWORD, &["itil", "admin"]);
    instance.define_column("incident", Column::string("u_escalation", 255));
    instance.define_column("incident", Column::integer("u_score"));
    instance.switches.chosen_sys_id =
        *chance.pick(&[ChosenSysId::Honoured, ChosenSysId::Honoured, ChosenSysId::Ignored]);
    instance.switches.shuffles_ties = chance.permille(300);
    instance.switches.late_commit_seconds = *chance.pick(&[0, 0, 2]);
    instance
}
