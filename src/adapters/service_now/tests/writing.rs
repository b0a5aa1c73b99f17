use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::core::failure::FailureClass;
use crate::core::time::Instant;
use crate::core::value::Value;
use crate::ports::{CallPolicy, CreateItem, Effect, Remote, RemoteErrorKind, UpdateItem, WriteOutcome};

pub(super) fn new_record(number: u32) -> CreateItem {
    CreateItem {
        chosen: Some(id(number)),
        stamp: (name("correlation_id"), format!("salesforce:{number}")),
        fields: [
            (name("short_description"), Value::text("printer on fire")),
            (name("due"), Value::DateTime(Instant::from_seconds(1_795_341_600))),
            (name("empty"), Value::Null),
        ]
        .into(),
    }
}

pub(super) fn change(number: u32) -> UpdateItem {
    UpdateItem {
        id: id(number),
        fields: [(name("short_description"), Value::Null)].into(),
        unmodified_since: None,
    }
}

fn created(number: u32) -> Answer {
    Ok(answer(201, &json!({"result": row(number, "00:01")}).to_string()))
}

/// The answer to a batch: for each item, by its place, a status and a body.
pub(super) fn batch(items: &[(usize, u16, Json)], unserviced: &[&str]) -> Answer {
    let serviced: Vec<Json> = items
        .iter()
        .map(|(place, status, body)| {
            json!({
                "id": place.to_string(), "status_code": status, "status_text": "",
                "body": STANDARD.encode(body.to_string()), "execution_time": 12,
            })
        })
        .collect();
    ok(&json!({"batch_request_id": "1", "serviced_requests": serviced, "unserviced_requests": unserviced}))
}

pub(super) fn error_body(detail: &str) -> Json {
    json!({"error": {"message": "Operation Failed", "detail": detail}, "status": "failure"})
}

async fn create_one(
    answers: impl IntoIterator<Item = Answer>,
) -> Result<WriteOutcome, crate::ports::RemoteError> {
    let bench = bench(answers);
    let outcomes = bench.service_now.create(&schema(), &[new_record(1)]).await?;
    assert_eq!(outcomes.len(), 1);
    Ok(outcomes.into_iter().next().unwrap())
}

#[tokio::test]
async fn a_single_record_is_sent_by_the_table_api_in_the_platforms_own_spelling() {
    let bench = bench([created(1)]);
    let outcomes = bench
        .service_now
        .create(&schema(), &[new_record(1)])
        .await
        .unwrap();
    let WriteOutcome::Applied {
        id: made,
        read_back: Some(record),
    } = &outcomes[0]
    else {
        panic!("{outcomes:?}");
    };
    assert_eq!((made, &record.id), (&id(1), &id(1)));
    assert_eq!(
        record.value(&name("short_description")),
        Some(&Value::text("printer on fire"))
    );
    let request = &bench.script.requests()[0];
    assert_eq!(
        (request.method().as_str(), request.uri().path()),
        ("POST", "/api/now/table/incident")
    );
    let policy = request.extensions().get::<CallPolicy>().unwrap();
    assert_eq!((policy.action, policy.effect), ("create", Effect::Write));
    let body: Json = serde_json::from_slice(request.body()).unwrap();
    assert_eq!(
        body,
        json!({
            "short_description": "printer on fire", "due": "2026-11-22 10:00:00", "empty": "",
            "correlation_id": "salesforce:1", "sys_id": id(1).as_str(),
        })
    );
}

#[tokio::test]
async fn a_record_made_under_another_id_than_asked_for_is_told_as_made() {
    let outcome = create_one([created(99)]).await.unwrap();
    assert!(matches!(outcome, WriteOutcome::Applied { id: made, .. } if made == id(99)));
}

#[tokio::test]
async fn what_is_not_certainly_refused_is_unknown() {
    let unclear = [
        Err(TransportError::NoAnswer("reset".into())),
        Err(TransportError::TooLarge { limit: 9 }),
        Ok(answer(202, "")),
        Ok(answer(200, "<html>hibernating</html>")),
        Ok(answer(201, r#"{"result":{"sys_id":"#)),
        Ok(answer(201, "{}")),
        Ok(answer(
            200,
            r#"{"error":{"message":"Transaction cancelled"},"status":"failure"}"#,
        )),
        Ok(answer(408, "")),
        Ok(answer(500, "")),
        Ok(answer(502, "<html>")),
        Ok(answer(204, "")),
    ];
    for answer in unclear {
        let single = create_one([answer.clone()]).await.unwrap();
        assert!(
            matches!(single, WriteOutcome::Unknown { .. }),
            "{answer:?}: {single:?}"
        );
        let bench = bench([answer.clone()]);
        let items = [change(1), change(2)];
        let several = bench.service_now.update(&schema(), &items).await.unwrap();
        assert_eq!(several.len(), 2);
        for outcome in several {
            assert!(
                matches!(outcome, WriteOutcome::Unknown { .. }),
                "{answer:?}: {outcome:?}"
            );
        }
        assert_eq!(bench.calls(), 1, "a write has one attempt");
    }
}

#[tokio::test]
async fn an_error_of_the_whole_call_means_that_nothing_was_sent_or_taken() {
    for (answer, kind) in [
        (
            Err(TransportError::NotSent("refused".into())),
            RemoteErrorKind::Transient,
        ),
        (
            refused(429, "Rate limit exceeded", ""),
            RemoteErrorKind::Throttled,
        ),
        (
            refused(401, "User Not Authenticated", ""),
            RemoteErrorKind::Unauthenticated,
        ),
        (Ok(answer(302, "")), RemoteErrorKind::Misconfigured),
        (
            Ok(answer(403, "<html>blocked</html>")),
            RemoteErrorKind::Misconfigured,
        ),
    ] {
        assert_eq!(
            create_one([answer.clone()]).await.unwrap_err().kind,
            kind,
            "{answer:?}"
        );
        // Where it is the Batch API that is refused, each record is tried by itself.
        let error = bench([answer.clone(), answer.clone(), answer])
            .service_now
            .update(&schema(), &[change(1), change(2)])
            .await
            .unwrap_err();
        assert_eq!(error.kind, kind);
    }
}

#[tokio::test]
async fn each_item_of_a_batch_has_its_own_outcome_in_the_order_asked() {
    let policy = "Data Policy Exception: The following fields are mandatory: Resolution code";
    let bench = bench([batch(
        &[
            (
                2,
                404,
                error_body("Record doesn't exist or ACL restricts the record retrieval"),
            ),
            (1, 403, error_body(policy)),
            (0, 200, json!({"result": row(1, "00:09")})),
            (4, 429, error_body("")),
        ],
        &["3"],
    )]);
    let items: Vec<UpdateItem> = (1..=5).map(change).collect();
    let outcomes = bench.service_now.update(&schema(), &items).await.unwrap();
    assert!(matches!(&outcomes[0], WriteOutcome::Applied { id: made, read_back: Some(_) } if *made == id(1)));
    let rejected = |place: usize| match &outcomes[place] {
        WriteOutcome::Rejected(rejection) => rejection,
        other => panic!("{other:?}"),
    };
    assert_eq!(rejected(1).problem.reason.as_str(), "DataPolicy");
    assert_eq!(rejected(2).problem.reason.as_str(), "NotVisible");
    assert!(!rejected(2).gone, "a 404 does not tell deleted from hidden");
    assert!(
        matches!(outcomes[3], WriteOutcome::Unknown { .. }),
        "unserviced may have been cut off in its middle"
    );
    assert_eq!(rejected(4).problem.class, FailureClass::Transient);

    let request = &bench.script.requests()[0];
    assert_eq!(request.uri().path(), "/api/now/v1/batch");
    let sent: Json = serde_json::from_slice(request.body()).unwrap();
    let first = &sent["rest_requests"][0];
    assert_eq!(first["method"], "PATCH");
    let url = first["url"].as_str().unwrap();
    assert!(url.starts_with(&format!("/api/now/table/incident/{}?", id(1))));
    let body = STANDARD.decode(first["body"].as_str().unwrap()).unwrap();
    assert_eq!(
        serde_json::from_slice::<Json>(&body).unwrap(),
        json!({"short_description": ""})
    );
}

#[tokio::test]
async fn a_database_refusal_is_settled_by_looking_who_has_the_id_or_the_stamp() {
    let refusal = || {
        refused(
            403,
            "Operation Failed",
            "Error during insert of incident (INC0010001)",
        )
    };
    let stamped = |number: u32, stamp: &str| json!({"sys_id": id(number).as_str(), "correlation_id": stamp});

    let outcome = create_one([refusal(), listed(1, &[stamped(1, "salesforce:1")])])
        .await
        .unwrap();
    assert!(matches!(outcome, WriteOutcome::Exists { id: Some(found) } if found == id(1)));
    let outcome = create_one([refusal(), listed(1, &[stamped(7, "salesforce:1")])])
        .await
        .unwrap();
    assert!(matches!(outcome, WriteOutcome::Exists { id: Some(found) } if found == id(7)));
    let outcome = create_one([refusal(), listed(1, &[])]).await.unwrap();
    assert!(
        matches!(outcome, WriteOutcome::Exists { id: None }),
        "it is there, and hidden"
    );
    let outcome = create_one([refusal(), listed(0, &[])]).await.unwrap();
    let WriteOutcome::Rejected(rejection) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(rejection.problem.reason.as_str(), "DatabaseRefused");
    let outcome = create_one([refusal(), Ok(answer(503, ""))]).await.unwrap();
    assert!(matches!(outcome, WriteOutcome::Unknown { .. }));
}

#[tokio::test]
async fn nothing_to_write_is_no_call() {
    let bench = bench([]);
    assert!(bench.service_now.create(&schema(), &[]).await.unwrap().is_empty());
    assert!(bench.service_now.update(&schema(), &[]).await.unwrap().is_empty());
    assert_eq!(bench.calls(), 0);
}

#[tokio::test]
async fn a_record_whose_answer_cannot_be_read_whole_is_applied_without_a_read_back() {
    let bare = json!({"result": {"sys_id": id(1).as_str(), "short_description": "printer on fire"}});
    let outcome = create_one([Ok(answer(201, &bare.to_string()))]).await.unwrap();
    assert!(matches!(outcome, WriteOutcome::Applied { read_back: None, .. }));
}

#[tokio::test]
async fn a_record_that_the_account_may_write_and_not_read_is_known_by_its_address() {
    let mut response = answer(201, &json!({"result": {}}).to_string());
    let address = format!("https://acme.service-now.com/api/now/table/incident/{}", id(5));
    response
        .headers_mut()
        .insert("location", HeaderValue::try_from(address.clone()).unwrap());
    let outcome = create_one([Ok(response)]).await.unwrap();
    assert!(matches!(outcome, WriteOutcome::Applied { id: made, read_back: None } if made == id(5)));

    let inner = |place: u32, headers: Json| {
        let body = STANDARD.encode(json!({"result": {}}).to_string());
        json!({"id": place.to_string(), "status_code": 201, "body": body, "headers": headers})
    };
    let serviced = [
        inner(0, json!([{"name": "Location", "value": address}])),
        inner(1, json!([])),
    ];
    let bench = bench([ok(
        &json!({"serviced_requests": serviced, "unserviced_requests": []}),
    )]);
    let outcomes = bench
        .service_now
        .create(&schema(), &[new_record(1), new_record(2)])
        .await
        .unwrap();
    assert!(matches!(&outcomes[0], WriteOutcome::Applied { id: made, .. } if *made == id(5)));
    assert!(matches!(outcomes[1], WriteOutcome::Unknown { .. }));

    let hidden = batch(
        &[(0, 200, json!({"result": {}})), (1, 200, json!({"result": {}}))],
        &[],
    );
    let outcomes = self::bench([hidden])
        .service_now
        .update(&schema(), &[change(1), change(2)])
        .await
        .unwrap();
    assert!(matches!(&outcomes[1], WriteOutcome::Applied { id: made, read_back: None } if *made == id(2)));
}

#[tokio::test]
async fn an_answer_that_shows_another_record_is_no_proof_of_the_change() {
    let other = || json!({"result": row(9, "00:01")});
    let own = || json!({"result": row(2, "00:01")});
    let single = bench([ok(&other())]);
    let outcomes = single.service_now.update(&schema(), &[change(1)]).await.unwrap();
    assert!(
        matches!(outcomes[0], WriteOutcome::Unknown { .. }),
        "{outcomes:?}"
    );
    let several = bench([batch(&[(0, 200, other()), (1, 200, own())], &[])]);
    let items = [change(1), change(2)];
    let outcomes = several.service_now.update(&schema(), &items).await.unwrap();
    assert!(
        matches!(outcomes[0], WriteOutcome::Unknown { .. }),
        "{outcomes:?}"
    );
    assert!(matches!(&outcomes[1], WriteOutcome::Applied { id: done, .. } if *done == id(2)));
}
