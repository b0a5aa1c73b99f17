use super::*;
use crate::core::record::{DeletionProof, Observation};
use crate::core::value::Value;
use crate::ports::{Remote, RemoteError, RemoteErrorKind};

pub(super) fn deletion(number: u32, table: &str) -> Json {
    json!({"sys_id": id(number + 100).as_str(), "documentkey": id(number).as_str(), "tablename": table})
}

#[tokio::test]
async fn only_a_row_of_the_deletion_log_proves_that_a_record_is_gone() {
    let bench = bench([
        listed(1, &[row(1, "00:01")]),
        listed(2, &[deletion(2, "incident"), deletion(9, "incident")]),
    ]);
    let ids = [id(1), id(2), id(3)];
    let known = bench.service_now.read_ids(&schema(), &ids, &[]).await.unwrap();
    assert!(matches!(known[&id(1)], Observation::Present(_)));
    assert_eq!(known[&id(2)], Observation::Gone(DeletionProof::AuditRow));
    assert_eq!(known[&id(3)], Observation::NotVisible);
    assert_eq!(known.len(), 3);
}

#[tokio::test]
async fn a_deletion_from_another_table_proves_nothing_and_one_from_a_child_table_does() {
    let table =
        |name: &str, parent: &str| json!({"sys_id": id(50).as_str(), "name": name, "super_class": parent});
    let bench = bench([
        listed(0, &[]),
        listed(2, &[deletion(1, "cmdb_ci"), deletion(2, "incident_child")]),
        listed(1, &[table("cmdb_ci", "")]),
        listed(1, &[table("incident", "")]),
        listed(1, &[table("incident_child", id(51).as_str())]),
        listed(1, &[table("incident", "")]),
    ]);
    let known = bench
        .service_now
        .read_ids(&schema(), &[id(1), id(2)], &[])
        .await
        .unwrap();
    assert_eq!(known[&id(1)], Observation::NotVisible);
    assert_eq!(known[&id(2)], Observation::Gone(DeletionProof::AuditRow));
}

#[tokio::test]
async fn a_record_that_is_there_and_hidden_is_not_gone_whatever_the_log_says() {
    let bench = bench([
        listed(1, &[]),
        listed(1, &[deletion(1, "incident")]),
        listed(1, &[]),
    ]);
    let known = bench
        .service_now
        .read_ids(&schema(), &[id(1)], &[])
        .await
        .unwrap();
    assert_eq!(known[&id(1)], Observation::NotVisible);
}

#[tokio::test]
async fn a_deletion_log_that_may_not_be_read_leaves_the_question_open_and_one_that_fails_is_an_error() {
    let denied = refused(403, "User Not Authorized", "Failed API level ACL Validation");
    let bench = bench([listed(0, &[]), denied, listed(0, &[]), Ok(answer(503, ""))]);
    let known = bench
        .service_now
        .read_ids(&schema(), &[id(1)], &[])
        .await
        .unwrap();
    assert_eq!(known[&id(1)], Observation::NotVisible);
    let error = bench
        .service_now
        .read_ids(&schema(), &[id(1)], &[])
        .await
        .unwrap_err();
    assert_eq!(error.kind, RemoteErrorKind::Transient);
}

pub(super) fn stamped(number: u32, stamp: &str) -> Json {
    let mut row = row(number, "00:01");
    row["correlation_id"] = json!(stamp);
    row
}

/// The two questions that prove that a look-up is evaluated.
pub(super) fn proven() -> [Answer; 2] {
    [listed(0, &[]), listed(10, &[])]
}

pub(super) async fn find(bench: &Bench, values: &[&str]) -> Result<Vec<RecordId>, RemoteError> {
    let values: Vec<Value> = values.iter().map(|value| Value::text(*value)).collect();
    let found = bench
        .service_now
        .find(&schema(), &name("correlation_id"), &values, &[])
        .await?;
    Ok(found.into_iter().map(|record| record.id).collect())
}

#[tokio::test]
async fn a_look_up_reads_every_page_and_proves_its_field_once() {
    let first: Vec<Json> = (1..=1000).map(|number| stamped(number, "A")).collect();
    let second = [stamped(1001, "b")];
    let bench = bench(
        proven()
            .into_iter()
            .chain([listed(1001, &first), listed(1, &second), listed(0, &[])]),
    );
    assert_eq!(find(&bench, &["a", "B"]).await.unwrap().len(), 1001);
    assert!(
        bench
            .parameter(3, "sysparm_query")
            .contains(&format!("^sys_id>{}", id(1000)))
    );
    assert!(find(&bench, &["c"]).await.unwrap().is_empty());
    assert_eq!(bench.calls(), 5);
    assert_eq!(
        bench.parameter(2, "sysparm_query"),
        "correlation_idINa,B^ORDERBYsys_id"
    );
}

#[tokio::test]
async fn a_look_up_with_hidden_matches_fails_rather_than_leave_one_out() {
    let bench = bench(proven().into_iter().chain([listed(2, &[stamped(1, "a")])]));
    let error = find(&bench, &["a"]).await.unwrap_err();
    assert_eq!(error.problem.reason.as_str(), "RowsHidden");
}

#[tokio::test]
async fn a_look_up_whose_condition_is_dropped_or_never_holds_fails() {
    let dropped = bench([listed(10, &[])]);
    assert_eq!(
        find(&dropped, &["a"]).await.unwrap_err().problem.reason.as_str(),
        "FilterIgnored"
    );
    let no_rows = bench([listed(0, &[]), listed(0, &[]), listed(10, &[]), listed(0, &[])]);
    assert_eq!(
        find(&no_rows, &["a"]).await.unwrap_err().problem.reason.as_str(),
        "FilterIgnored"
    );
    let late = bench(proven().into_iter().chain([listed(1, &[stamped(1, "other")])]));
    assert_eq!(
        find(&late, &["a"]).await.unwrap_err().problem.reason.as_str(),
        "FilterIgnored"
    );
}

#[tokio::test]
async fn a_value_with_a_caret_is_found_by_a_part_of_it_and_compared_whole() {
    let rows = [stamped(1, "x long part"), stamped(2, "a^long part")];
    let bench = bench(proven().into_iter().chain([listed(2, &rows)]));
    assert_eq!(find(&bench, &["a^long part"]).await.unwrap(), [id(2)]);
    assert_eq!(
        bench.parameter(2, "sysparm_query"),
        "correlation_idLIKElong part^ORDERBYsys_id"
    );
}

#[tokio::test]
async fn a_value_that_cannot_be_asked_for_is_an_error_and_an_empty_one_equals_nothing() {
    let bench = bench([]);
    let error = find(&bench, &["^"]).await.unwrap_err();
    assert_eq!(error.problem.reason.as_str(), "ValueNotSearchable");
    assert_eq!(find(&bench, &[""]).await.unwrap(), []);
    assert_eq!(bench.calls(), 0);
}
