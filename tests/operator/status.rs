//! The one writer of statuses, on a real API server: only what differs, only to the object that was judged.

use jiff::Timestamp;
use k8s_openapi::api::events::v1::Event;
use kube::api::ListParams;
use syncflow::api::conditions::{Cause, Verdict};
use syncflow::api::{FieldMapping, FieldMappingStatus};
use syncflow::controllers::status::StatusWriter;

use super::world::World;

const NAME: &str = "case-incident";

/// A mapping that no operator looks at, and a writer for it.
async fn mapping_and_writer(world: &World) -> (FieldMapping, StatusWriter<FieldMapping>) {
    world.apply_example("field-mapping.yaml").await;
    let mapping = world.api::<FieldMapping>().get(NAME).await.unwrap();
    (mapping, StatusWriter::new(world.client.clone(), "a test"))
}

fn valid(was: &FieldMappingStatus) -> FieldMappingStatus {
    let verdict = Verdict::ready(Cause::new("Valid", "for the test"));
    FieldMappingStatus {
        observed_generation: Some(1),
        conditions: verdict.conditions(&was.conditions, Some(1), Timestamp::now()),
    }
}

async fn version(world: &World) -> String {
    let now = world.api::<FieldMapping>().get(NAME).await.unwrap();
    now.metadata.resource_version.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_judgement_is_written_and_told_once_even_while_the_cache_lags() {
    let world = World::new("status").await;
    let (mapping, writer) = mapping_and_writer(&world).await;
    writer.publish(&mapping.metadata, None, valid).await.unwrap();
    let written = version(&world).await;
    // The cache still shows the object as it was before our own write.
    let mut asked = FieldMappingStatus::default();
    let judge = |was: &FieldMappingStatus| {
        asked = was.clone();
        valid(was)
    };
    writer.publish(&mapping.metadata, None, judge).await.unwrap();
    assert_eq!(
        asked.conditions.len(),
        1,
        "the newest status is what is judged from"
    );
    assert_eq!(version(&world).await, written);
    let events = world.api::<Event>().list(&ListParams::default()).await.unwrap();
    let told: Vec<_> = events
        .items
        .iter()
        .filter(|event| event.reason.as_deref() == Some("Valid"))
        .collect();
    assert_eq!(told.len(), 1);
    assert!(told[0].series.is_none(), "and not counted twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_object_of_the_same_name_is_not_judged_by_what_its_predecessor_was() {
    let world = World::new("status").await;
    let (old, writer) = mapping_and_writer(&world).await;
    world.kubectl(&["delete", "fieldmapping", NAME]).await;
    let (_, _) = mapping_and_writer(&world).await;
    let made = version(&world).await;
    writer.publish(&old.metadata, None, valid).await.unwrap();
    assert_eq!(version(&world).await, made, "its successor was not touched");
    world.kubectl(&["delete", "fieldmapping", NAME]).await;
    writer.publish(&old.metadata, None, valid).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_is_owned_by_its_controller_and_nothing_else_is() {
    let world = World::new("status").await;
    let (mapping, writer) = mapping_and_writer(&world).await;
    writer.publish(&mapping.metadata, None, valid).await.unwrap();
    let now = world.api::<FieldMapping>().get(NAME).await.unwrap();
    let managers = now.metadata.managed_fields.unwrap();
    let ours: Vec<_> = managers
        .iter()
        .filter(|entry| entry.manager.as_deref() == Some("syncflow.io/field-mapping"))
        .collect();
    assert_eq!(ours.len(), 1);
    assert_eq!(ours[0].subresource.as_deref(), Some("status"));
    assert_eq!(ours[0].operation.as_deref(), Some("Apply"));
    assert_eq!(now.spec, mapping.spec);
}
