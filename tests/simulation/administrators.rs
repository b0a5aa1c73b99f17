//! What administrators do: of the services (rights, rules that refuse), of the cluster (the store, backups), and of the
//! flow (its manifests).

use std::time::Duration;

use syncflow::adapters::link_store::memory::StoreFault;
use syncflow::core::definition::{ConflictPolicy, DriftPolicy, ExitPolicy, FieldDefinition, FlowDefinition};
use syncflow::core::side::Side;
use syncflow_simulators::salesforce::{FieldAccess, INTEGRATION_USER, ObjectRights};
use syncflow_simulators::service_now::{Acl, BusinessRule, Grant, Operation};

use crate::chance::Chance;
use crate::counts::Deed;
use crate::operator::Operator;
use crate::swarm::{Swarm, Trait};
use crate::world::{Shared, World, lock};

/// The rule that refuses some incidents.
const REFUSES: &str = "no round scores";

/// What was changed and has to be put back.
pub struct Administrators {
    /// The manifests as they were applied first.
    original: FlowDefinition,
}

impl Administrators {
    pub fn new(original: FlowDefinition) -> Self {
        Self { original }
    }

    /// One change, of the kinds that the run has.
    pub fn change(&self, world: &Shared, operator: &mut Operator, swarm: &Swarm, chance: &mut Chance) {
        let kinds: Vec<Trait> = [
            Trait::ConfigEdits,
            Trait::StateLoss,
            Trait::StoreFaults,
            Trait::Permissions,
            Trait::Refusals,
            Trait::ClockSetBack,
            Trait::Suspensions,
            Trait::ManualConflicts,
            Trait::Guards,
        ]
        .into_iter()
        .filter(|kind| swarm.has(*kind))
        .collect();
        if kinds.is_empty() {
            return;
        }
        match chance.pick(&kinds) {
            Trait::ConfigEdits => {
                let edited = self.edit_manifests(&operator.definition, chance);
                lock(world).counts.note(Deed::ManifestsEdited);
                if chance.permille(500) {
                    operator.apply(edited);
                } else {
                    operator.apply_when_drained(edited);
                }
            }
            Trait::StateLoss => {
                if chance.permille(600) {
                    lock(world).counts.note(Deed::StateCopied);
                    operator.copy_state();
                } else {
                    lock(world).counts.note(Deed::StateLost);
                    operator.lose_state(chance);
                }
            }
            Trait::StoreFaults => {
                lock(world).counts.note(Deed::StoreFailed);
                operator.store.inject(match chance.below(4) {
                    0 => StoreFault::LoadFails,
                    1 => StoreFault::CommitFailsBefore,
                    2 => StoreFault::CommitFailsAfter,
                    _ => StoreFault::CommitStopsAfter(usize::try_from(chance.below(3)).unwrap()),
                });
            }
            Trait::ClockSetBack => set_clock_back(&mut lock(world), chance),
            Trait::Suspensions => {
                lock(world).counts.note(Deed::Suspended);
                operator.suspend(10 + chance.below(60));
            }
            Trait::ManualConflicts => resolve(world, operator, chance),
            Trait::Guards => approve(world, operator),
            Trait::Permissions => change_rights(&mut lock(world), chance),
            _ => {
                let mut world = lock(world);
                world.counts.note(Deed::RefusalsChanged);
                let instance = &mut world.service_now.model;
                instance.remove_rule(REFUSES);
                if chance.permille(600) {
                    instance.add_rule(BusinessRule::abort(REFUSES, "incident", "u_scoreENDSWITH4"));
                }
            }
        }
    }

    fn edit_manifests(&self, now: &FlowDefinition, chance: &mut Chance) -> FlowDefinition {
        let mut edited = now.clone();
        match chance.below(7) {
            0 if edited.conflict != ConflictPolicy::Manual => {
                edited.conflict = *chance.pick(&[
                    ConflictPolicy::MostRecent,
                    ConflictPolicy::PreferSalesforce,
                    ConflictPolicy::PreferServiceNow,
                ]);
            }
            1 => edited.drift = *chance.pick(&[DriftPolicy::Revert, DriftPolicy::Ignore]),
            2 => {
                edited.on_exit = *chance.pick(&[
                    ExitPolicy::PropagateThenUnlink,
                    ExitPolicy::Unlink,
                    ExitPolicy::KeepSyncing,
                ]);
            }
            3 => edited.interval = Duration::from_secs(*chance.pick(&[20, 40])),
            // A pair of fields goes, and comes back.
            4 => {
                let named = |field: &&FieldDefinition| field.fields.salesforce.as_str() == "Description";
                if edited.fields.iter().any(|field| named(&field)) {
                    edited.fields.retain(|field| !named(&field));
                } else {
                    edited
                        .fields
                        .extend(self.original.fields.iter().find(named).cloned());
                }
            }
            5 => edited.guarded_writes = !edited.guarded_writes,
            _ => edited.fields.reverse(),
        }
        edited
    }

    /// Everything is put back, as the flow needs it.
    pub fn put_back(&self, world: &Shared, operator: &mut Operator) {
        let mut now = lock(world);
        give_rights(&mut now);
        now.service_now.model.remove_rule(REFUSES);
        drop(now);
        operator.resume();
        let mut definition = operator.definition.clone();
        definition.fields.clone_from(&self.original.fields);
        if definition != operator.definition {
            operator.apply(definition);
        }
    }
}

/// A person lets the plan pass that a guard holds back.
pub fn approve(world: &Shared, operator: &mut Operator) {
    if let Some(plan) = operator.report().held_plan {
        operator.ask(|requests, _| requests.approved_plan = Some(plan.token));
        lock(world).counts.note(Deed::Approved);
    }
}

/// A person picks a side in each conflict that waits, or in one of them.
pub fn resolve(world: &Shared, operator: &mut Operator, chance: &mut Chance) {
    let disputes = operator.report().disputes;
    if disputes.is_empty() {
        return;
    }
    let one = chance.permille(500).then(|| chance.pick(&disputes).clone());
    let picked = one.map_or(disputes, |one| vec![one]);
    let picks: Vec<String> = picked
        .iter()
        .map(|dispute| {
            let (named, wins) = (*chance.pick(&Side::BOTH), *chance.pick(&Side::BOTH));
            let (record, field) = (&dispute.ids[named], &dispute.fields[named]);
            format!("{record}/{field}={}", wins.label())
        })
        .collect();
    operator.ask(|requests, number| requests.resolve = Some(format!("{}#{number}", picks.join(","))));
    lock(world).counts.note(Deed::Resolved);
}

/// Somebody sets a service's clock right, which was fast. Where commits show late, the models would hide them until the
/// clock is there again, which no service does.
fn set_clock_back(world: &mut World, chance: &mut Chance) {
    let side = *chance.pick(&Side::BOTH);
    let by = 1_000 * (1 + chance.below(240));
    // What is underway takes as long as it takes, whatever the clock says; in the models it is the clock that lets it arrive.
    if world.shows_at_once(side) && !world.is_underway(side) {
        world.counts.note(Deed::ClockSetBack);
        world.skew[side] -= i64::try_from(by).unwrap();
    }
}

const USER: &str = INTEGRATION_USER;

fn change_rights(world: &mut World, chance: &mut Chance) {
    world.counts.note(Deed::RightsChanged);
    let org = &mut world.salesforce.model;
    let rights = |update, create| ObjectRights {
        read: true,
        create,
        update,
        delete: true,
    };
    let denied = |field| Acl::field("incident", field, Operation::Write, Grant::Nobody);
    match chance.below(8) {
        0 => org
            .set_field_access(USER, "Case", "Escalation__c", FieldAccess::Hidden)
            .unwrap(),
        1 => org
            .set_field_access(USER, "Case", "Subject", FieldAccess::ReadOnly)
            .unwrap(),
        2 => org.set_object_rights(USER, "Case", rights(false, true)).unwrap(),
        3 => org.set_object_rights(USER, "Case", rights(true, false)).unwrap(),
        4 => world.service_now.model.add_acl(denied("u_score")),
        _ => give_rights(world),
    }
    world.schemas_changed();
}

fn give_rights(world: &mut World) {
    let org = &mut world.salesforce.model;
    for field in ["Escalation__c", "Subject"] {
        org.set_field_access(USER, "Case", field, FieldAccess::Write)
            .unwrap();
    }
    let all = ObjectRights {
        read: true,
        create: true,
        update: true,
        delete: true,
    };
    org.set_object_rights(USER, "Case", all).unwrap();
    world
        .service_now
        .model
        .remove_acls("incident", Some("u_score"), Operation::Write);
    world.schemas_changed();
}
