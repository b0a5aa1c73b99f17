//! Reading: pages that prove themselves, look-ups that are complete, and what an absence means.

use super::*;
use crate::adapters::http::scripted::with_header;
use crate::core::record::{DeletionProof, FieldContent, Observation};
use crate::core::time::Instant;
use crate::ports::{ChangeQuery, Remote, RemoteErrorKind};

const T: i64 = 1_721_642_400;

fn row(number: u32, modified: i64, more: &str) -> String {
    let time = |seconds| {
        Instant::from_seconds(seconds)
            .to_string()
            .replace('Z', ".000+0000")
    };
    format!(
        r#"{{"attributes":{{"type":"Case","url":"/x"}},"Id":"{}","CreatedDate":"{}","LastModifiedDate":"{}",
            "SystemModstamp":"{}"{more}}}"#,
        id(number),
        time(T - 100),
        time(modified - 1),
        time(modified),
    )
}

fn rows(rows: &[String]) -> Answer {
    ok(&format!(
        r#"{{"totalSize":{},"done":true,"records":[{}]}}"#,
        rows.len(),
        rows.join(",")
    ))
}

fn query(after: Option<(i64, Option<u32>)>, limit: usize) -> ChangeQuery {
    ChangeQuery {
        schema: schema(),
        fields: vec![field("Subject"), field("Effort__c")],
        after: after.map(|(at, number)| (Instant::from_seconds(at), number.map(id))),
        created_from: None,
        max_age: std::time::Duration::ZERO,
        limit,
    }
}

#[tokio::test]
async fn a_page_is_asked_for_by_key_and_read_by_the_schema() {
    let page = rows(&[row(
        8,
        T,
        r#","Subject":"O'Hara \\ \"x\"","Effort__c":12345678901234567.25,"Hidden__c":"not asked for""#,
    )]);
    let (salesforce, script) = signed_in([page]);
    let mut asked = query(Some((T, Some(7))), 50);
    asked.created_from = Some(Instant::from_seconds(T - 100));
    let page = salesforce.read_changes(&asked).await.unwrap();
    assert_eq!(
        soql_of(&script.requests()[1]),
        "SELECT Id,CreatedDate,LastModifiedDate,SystemModstamp,Subject,Effort__c FROM Case WHERE ((SystemModstamp = \
         2024-07-22T10:00:00Z AND Id > '500D00000000007IAA') OR SystemModstamp > 2024-07-22T10:00:00Z) AND CreatedDate \
         >= 2024-07-22T09:58:20Z ORDER BY SystemModstamp, Id LIMIT 50"
    );
    assert!(page.complete);
    assert_eq!(page.server_time.to_string(), "2026-11-22T10:00:00Z");
    let record = &page.records[0];
    assert_eq!(record.id, id(8));
    assert_eq!(record.version.modified, Instant::from_seconds(T));
    assert_eq!(record.changed_at, Instant::from_seconds(T - 1));
    assert_eq!(
        record.value(&field("Subject")),
        Some(&Value::Text("O'Hara \\ \"x\"".into()))
    );
    assert_eq!(
        record.value(&field("Effort__c")).unwrap().plain(),
        "12345678901234567.25"
    );
    assert_eq!(record.fields.len(), 2);
}

#[tokio::test]
async fn a_start_without_an_id_includes_that_second() {
    let (salesforce, script) = signed_in([rows(&[row(1, T, "")])]);
    let page = salesforce
        .read_changes(&query(Some((T, None)), 10))
        .await
        .unwrap();
    assert_eq!(page.records.len(), 1);
    assert!(soql_of(&script.requests()[1]).contains("WHERE SystemModstamp >= 2024-07-22T10:00:00Z ORDER"));
}

#[tokio::test]
async fn a_field_that_the_answer_lacks_is_absent_and_one_of_another_kind_is_unreadable() {
    let (salesforce, _) = signed_in([rows(&[
        row(1, T, r#","Subject":null"#),
        row(2, T, r#","Effort__c":"many""#),
    ])]);
    let page = salesforce.read_changes(&query(None, 10)).await.unwrap();
    let [first, second] = &page.records[..] else {
        panic!("two rows");
    };
    assert_eq!(
        first.fields.get(&field("Subject")),
        Some(&FieldContent::Value(Value::Null))
    );
    assert_eq!(first.fields.get(&field("Effort__c")), None);
    assert_eq!(
        second.fields.get(&field("Effort__c")),
        Some(&FieldContent::Unreadable)
    );
}

#[tokio::test]
async fn a_full_or_split_page_does_not_claim_to_be_complete() {
    let (salesforce, _) = signed_in([
        rows(&[row(1, T, ""), row(2, T, "")]),
        ok(&format!(
            r#"{{"totalSize":2,"done":false,"nextRecordsUrl":"/services/data/v62.0/query/01g-1","records":[{}]}}"#,
            row(1, T, "")
        )),
    ]);
    assert!(!salesforce.read_changes(&query(None, 2)).await.unwrap().complete);
    let split = salesforce.read_changes(&query(None, 2)).await.unwrap();
    assert!(!split.complete);
    assert_eq!(split.records.len(), 1);
}

#[tokio::test]
async fn rows_outside_the_filter_or_out_of_order_stop_the_flow() {
    let mut created = query(None, 10);
    created.created_from = Some(Instant::from_seconds(T - 99));
    for (asked, answer) in [
        (query(Some((T, Some(5))), 10), rows(&[row(5, T, "")])),
        (query(Some((T, None)), 10), rows(&[row(5, T - 1, "")])),
        (created, rows(&[row(5, T, "")])),
        (query(None, 10), rows(&[row(5, T, ""), row(4, T, "")])),
        (query(None, 10), rows(&[row(5, T, ""), row(5, T, "")])),
        (query(None, 10), rows(&[row(5, T, ""), row(6, T - 1, "")])),
        (query(None, 1), rows(&[row(5, T, ""), row(6, T, "")])),
    ] {
        let (salesforce, _) = signed_in([answer]);
        let error = salesforce.read_changes(&asked).await.unwrap_err();
        assert_eq!(error.problem.reason.as_str(), "FilterIgnored");
        assert_eq!(error.kind, RemoteErrorKind::Misconfigured);
    }
}

#[tokio::test]
async fn a_page_too_large_to_accept_is_asked_for_in_halves() {
    let too_large = || Err(TransportError::TooLarge { limit: 9 });
    let (salesforce, script) = signed_in([too_large(), too_large(), rows(&[row(1, T, "")])]);
    let page = salesforce.read_changes(&query(None, 100)).await.unwrap();
    assert!(page.complete);
    assert!(soql_of(&script.requests()[3]).ends_with("LIMIT 25"));
}

#[tokio::test]
async fn an_answer_that_is_no_page_is_transient_and_names_no_value() {
    for (answer, reason) in [
        (ok(""), "EmptyAnswer"),
        (ok("<html>"), "HtmlAnswer"),
        (ok(r#"{"done":true,"records":[{"Id":"50"#), "TruncatedAnswer"),
        (ok("[]"), "UnexpectedAnswer"),
        (rows(&[r#"{"Id":"Jane Roe"}"#.to_owned()]), "UnexpectedAnswer"),
        (Ok(answer(503, "<html>")), "ServiceUnavailable"),
        (Err(TransportError::NoAnswer("reset".into())), "NoAnswer"),
    ] {
        let (salesforce, _) = signed_in([answer]);
        let error = salesforce.read_changes(&query(None, 10)).await.unwrap_err();
        assert_eq!(error.problem.reason.as_str(), reason);
        assert_eq!(error.kind, RemoteErrorKind::Transient);
        assert!(!error.to_string().contains("Jane"));
    }
}

#[tokio::test]
async fn a_look_up_is_typed_escaped_and_complete_over_batches() {
    let split = ok(&format!(
        r#"{{"totalSize":2,"done":false,"nextRecordsUrl":"/services/data/v62.0/query/01gD-2000","records":[{}]}}"#,
        row(2, T, "")
    ));
    let (salesforce, script) = signed_in([split, rows(&[row(1, T, "")])]);
    let values = [Value::text("O'Hara\\"), Value::Null, Value::text("b")];
    let found = salesforce
        .find(&schema(), &field("Subject"), &values, &[field("Subject")])
        .await
        .unwrap();
    assert_eq!(
        found.iter().map(|record| &record.id).collect::<Vec<_>>(),
        [&id(1), &id(2)]
    );
    let requests = script.requests();
    assert!(soql_of(&requests[1]).ends_with(r"FROM Case WHERE Subject IN ('O\'Hara\\','b')"));
    assert_eq!(requests[2].uri().path(), "/services/data/v62.0/query/01gD-2000");
}

#[tokio::test]
async fn nothing_is_looked_up_where_nothing_can_match() {
    let (salesforce, script, _) = scripted([]);
    let found = salesforce
        .find(
            &schema(),
            &field("Effort__c"),
            &[Value::text("x"), Value::Null],
            &[],
        )
        .await
        .unwrap();
    assert!(found.is_empty() && script.requests().is_empty());
}

#[tokio::test]
async fn a_look_up_that_half_the_org_answers_is_a_mistake_of_the_mapping() {
    let crowd: Vec<String> = (0..=10_000).map(|number| row(number, T, "")).collect();
    let (salesforce, _) = signed_in([rows(&crowd)]);
    let error = salesforce
        .find(&schema(), &field("Subject"), &[Value::text("a")], &[])
        .await
        .unwrap_err();
    assert_eq!(error.problem.reason.as_str(), "TooManyMatches");
    assert_eq!(error.kind, RemoteErrorKind::Misconfigured);
}

#[tokio::test]
async fn a_look_up_whose_rows_never_end_is_given_up() {
    let part = |number: u32| {
        ok(&format!(
            r#"{{"totalSize":3000,"done":false,"nextRecordsUrl":"/services/data/v62.0/query/01g-{number}","records":[]}}"#
        ))
    };
    // Each answer tells how many calls are used, so that nothing else is asked in between.
    let counted =
        |answer: http::Response<Bytes>| with_header(answer, "sforce-limit-info", "api-usage=1/100000");
    let (salesforce, script) = signed_in((0..1_000).map(|number| part(number).map(counted)));
    let error = salesforce
        .find(&schema(), &field("Subject"), &[Value::text("a")], &[])
        .await
        .unwrap_err();
    assert_eq!(error.problem.reason.as_str(), "EndlessAnswer");
    assert_eq!(error.kind, RemoteErrorKind::Transient);
    assert_eq!(script.requests().len(), 251, "with signing in");
}

#[tokio::test]
async fn many_long_values_are_looked_up_in_queries_that_salesforce_takes() {
    let (salesforce, script) = signed_in((0..20).map(|_| rows(&[])));
    let values: Vec<Value> = (0..200)
        .map(|number| Value::text(format!("{number:04} {}", "ü".repeat(200))))
        .collect();
    salesforce
        .find(&schema(), &field("Subject"), &values, &[])
        .await
        .unwrap();
    let requests = script.requests();
    assert!(requests.len() > 2);
    assert!(
        requests
            .iter()
            .all(|request| request.uri().to_string().len() < 16_000)
    );
    let asked: Vec<String> = requests[1..].iter().map(soql_of).collect();
    assert_eq!(
        asked
            .iter()
            .map(|soql| soql.matches("ü '").count() + soql.matches("ü'").count())
            .sum::<usize>(),
        200
    );
}

#[tokio::test]
async fn a_forgotten_locator_begins_the_look_up_anew_once() {
    let split = || {
        ok(&format!(
            r#"{{"totalSize":2,"done":false,"nextRecordsUrl":"/services/data/v62.0/query/01g-1","records":[{}]}}"#,
            row(1, T, "")
        ))
    };
    let forgotten = || {
        Ok(answer(
            400,
            r#"[{"message":"invalid query locator","errorCode":"INVALID_QUERY_LOCATOR"}]"#,
        ))
    };
    let (salesforce, _) = signed_in([split(), forgotten(), split(), rows(&[row(2, T, "")])]);
    let values = [Value::text("a")];
    let found = salesforce
        .find(&schema(), &field("Subject"), &values, &[])
        .await
        .unwrap();
    assert_eq!(found.len(), 2);
    let (salesforce, _) = signed_in([split(), forgotten(), split(), forgotten()]);
    let error = salesforce
        .find(&schema(), &field("Subject"), &values, &[])
        .await
        .unwrap_err();
    assert_eq!(error.kind, RemoteErrorKind::Transient);
}

#[tokio::test]
async fn a_link_to_further_rows_that_leaves_the_instance_is_not_followed() {
    let (salesforce, script) = signed_in([ok(
        r#"{"totalSize":1,"done":false,"nextRecordsUrl":"https://evil.example/services/data","records":[]}"#,
    )]);
    let error = salesforce
        .find(&schema(), &field("Subject"), &[Value::text("a")], &[])
        .await
        .unwrap_err();
    assert_eq!(error.problem.reason.as_str(), "LinkRefused");
    assert_eq!(script.requests().len(), 2);
}

#[tokio::test]
async fn a_row_in_the_recycle_bin_proves_its_deletion() {
    let (salesforce, script) = signed_in([rows(&[
        row(1, T, r#","IsDeleted":false,"Subject":"a""#),
        row(2, T, r#","IsDeleted":true"#),
    ])]);
    let seen = salesforce
        .read_ids(&schema(), &[id(1), id(2)], &[field("Subject")])
        .await
        .unwrap();
    assert!(script.requests()[1].uri().path().ends_with("/queryAll"));
    assert!(seen[&id(1)].present().is_some());
    assert_eq!(seen[&id(2)], Observation::Gone(DeletionProof::SoftDeleted));
}

#[tokio::test]
async fn an_absent_record_is_gone_only_for_a_user_who_sees_every_record() {
    let missing = || {
        Ok(answer(
            404,
            r#"[{"errorCode":"NOT_FOUND","message":"The requested resource does not exist"}]"#,
        ))
    };
    let permitted = || {
        ok(
            r#"{"totalSize":1,"done":true,"records":[{"attributes":{"type":"ObjectPermissions"},"Id":"110"}]}"#,
        )
    };
    let (salesforce, _) = signed_in([rows(&[]), permitted(), missing()]);
    let seen = salesforce.read_ids(&schema(), &[id(1)], &[]).await.unwrap();
    assert_eq!(seen[&id(1)], Observation::Gone(DeletionProof::NotFound));

    for no_proof in [
        rows(&[]),
        Ok(answer(400, r#"[{"errorCode":"INVALID_TYPE","message":"x"}]"#)),
    ] {
        let (salesforce, script) = signed_in([rows(&[]), no_proof]);
        let seen = salesforce.read_ids(&schema(), &[id(1)], &[]).await.unwrap();
        assert_eq!(seen[&id(1)], Observation::NotVisible);
        assert_eq!(script.requests().len(), 3);
    }
}

#[tokio::test]
async fn an_unknown_object_is_named_with_its_remedy() {
    for answer in [
        Ok(answer(
            404,
            r#"[{"errorCode":"NOT_FOUND","message":"The requested resource does not exist"}]"#,
        )),
        Ok(answer(400, r#"[{"errorCode":"INVALID_TYPE","message":"x"}]"#)),
    ] {
        let (salesforce, _) = signed_in([answer]);
        let error = salesforce
            .describe(&"Tikcet__c".parse().unwrap())
            .await
            .unwrap_err();
        assert_eq!(error.problem.reason.as_str(), "UnknownObject");
        assert_eq!(error.kind, RemoteErrorKind::Misconfigured);
        assert!(error.problem.message.contains("Tikcet__c"));
    }
}
