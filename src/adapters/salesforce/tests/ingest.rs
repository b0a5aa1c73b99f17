//! Making many records by a job: one outcome an item, found by its stamp.

use std::fmt::Write as _;
use std::time::Duration;

use super::*;
use crate::adapters::salesforce::BulkRules;
use crate::ports::{Remote, RemoteErrorKind, WriteOutcome};

fn adapter(answers: Vec<Answer>) -> (Salesforce, Arc<Script>, Arc<TestClock>) {
    let script = Arc::new(Script::new([token("one")].into_iter().chain(answers)));
    let clock = Arc::new(TestClock::default());
    let config = SalesforceConfig {
        bulk: BulkRules {
            ingest_from: 201,
            ingest_most: 1_000,
            ..BulkRules::default()
        },
        ..SalesforceConfig::new(
            Url::parse("https://acme.my.salesforce.com").unwrap(),
            Arc::new(Fixed(client_credentials())),
        )
    };
    (
        Salesforce::new(config, script.clone(), clock.clone()),
        script,
        clock,
    )
}

/// An object without assignment rules.
fn ticket() -> ObjectSchema {
    ObjectSchema {
        object: "Ticket__c".parse().unwrap(),
        ..schema()
    }
}

fn items(count: u32) -> Vec<CreateItem> {
    (0..count).map(new_case).collect()
}

fn job(state: &str) -> Answer {
    ok(&format!(r#"{{"id":"750D00000000001","state":"{state}"}}"#))
}

fn stamp(number: u32) -> String {
    format!("servicenow:{number:032}")
}

/// The list of the rows that were made.
fn made(numbers: impl IntoIterator<Item = u32>) -> Answer {
    let mut csv = "\"sf__Id\",\"sf__Created\",\"Stamp__c\",\"Subject\"\n".to_owned();
    for number in numbers {
        writeln!(csv, "\"{}\",\"true\",\"{}\",\"x\"", id(number), stamp(number)).unwrap();
    }
    ok(&csv)
}

fn failed(rows: &[(u32, &str)]) -> Answer {
    let mut csv = "\"sf__Id\",\"sf__Error\",\"Stamp__c\",\"Subject\"\n".to_owned();
    for (number, error) in rows {
        writeln!(csv, "\"\",\"{error}\",\"{}\",\"x\"", stamp(*number)).unwrap();
    }
    ok(&csv)
}

fn unprocessed(numbers: &[u32]) -> Answer {
    let mut csv = "\"Stamp__c\",\"Subject\"\n".to_owned();
    for number in numbers {
        writeln!(csv, "\"{}\",\"x\"", stamp(*number)).unwrap();
    }
    ok(&csv)
}

fn is_unknown(outcome: &WriteOutcome) -> bool {
    matches!(outcome, WriteOutcome::Unknown { .. })
}

#[tokio::test]
async fn each_row_has_the_outcome_that_its_stamp_is_named_with_in_whatever_order() {
    let (salesforce, script, _) = adapter(vec![
        job("Open"),
        Ok(answer(201, "")),
        job("UploadComplete"),
        job("InProgress"),
        job("JobComplete"),
        made((4..300).rev()),
        failed(&[
            (
                0,
                "REQUIRED_FIELD_MISSING:Required fields are missing: [Origin]:Origin --",
            ),
            (
                1,
                "DUPLICATE_VALUE:duplicate value found: Stamp__c duplicates value on record with id: 500D00000000009:Stamp__c --",
            ),
        ]),
        unprocessed(&[2]),
    ]);
    let outcomes = salesforce.create(&ticket(), &items(300)).await.unwrap();
    assert_eq!(outcomes.len(), 300);
    assert!(
        matches!(&outcomes[0], WriteOutcome::Rejected(refused) if refused.problem.reason.as_str() == "RequiredFieldMissing")
    );
    assert!(matches!(&outcomes[1], WriteOutcome::Exists { id: Some(twin) } if *twin == id(9)));
    assert!(
        matches!(&outcomes[2], WriteOutcome::Rejected(refused) if refused.problem.reason.as_str() == "ServiceUnavailable")
    );
    assert!(is_unknown(&outcomes[3]), "no list names it");
    for number in 4..300 {
        let outcome = &outcomes[usize::try_from(number).unwrap()];
        assert!(matches!(outcome, WriteOutcome::Applied { id: done, .. } if *done == id(number)));
    }
    let requests = script.requests();
    let paths: Vec<String> = requests[1..]
        .iter()
        .map(|request| {
            let path = request.uri().path();
            format!(
                "{} {}",
                request.method(),
                path.strip_prefix("/services/data/v62.0/jobs/ingest").unwrap()
            )
        })
        .collect();
    assert_eq!(
        paths,
        [
            "POST ",
            "PUT /750D00000000001/batches",
            "PATCH /750D00000000001",
            "GET /750D00000000001",
            "GET /750D00000000001",
            "GET /750D00000000001/successfulResults",
            "GET /750D00000000001/failedResults",
            "GET /750D00000000001/unprocessedrecords",
        ]
    );
    assert_eq!(requests[2].headers()["content-type"], "text/csv");
    let csv = std::str::from_utf8(requests[2].body()).unwrap();
    assert!(
        csv.starts_with(&format!("Stamp__c,Subject\n{},case 0\n", stamp(0))),
        "{csv}"
    );
    assert_eq!(csv.lines().count(), 301);
}

#[tokio::test]
async fn a_job_that_takes_too_long_is_stopped_and_what_it_does_not_name_is_unknown() {
    let mut answers = vec![job("Open"), Ok(answer(201, "")), job("UploadComplete")];
    answers.extend((0..9).map(|_| job("InProgress")));
    // Asked to stop, stopped, and what it did until then.
    answers.extend([job("Aborted"), job("Aborted"), made(0..100), failed(&[])]);
    let (salesforce, script, clock) = adapter(answers);
    let outcomes = salesforce.create(&ticket(), &items(250)).await.unwrap();
    assert!(
        outcomes[..100]
            .iter()
            .all(|outcome| matches!(outcome, WriteOutcome::Applied { .. }))
    );
    assert!(outcomes[100..].iter().all(is_unknown));
    assert!(clock.sleeps().iter().sum::<Duration>() <= Duration::from_mins(1));
    let stop = script
        .requests()
        .into_iter()
        .rfind(|request| request.method() == "PATCH")
        .unwrap();
    assert_eq!(json_of(&stop)["state"], "Aborted");
}

#[tokio::test]
async fn a_job_whose_state_cannot_be_read_leaves_every_row_unknown() {
    let (salesforce, _, _) = adapter(vec![job("Open"), Ok(answer(201, "")), job("UploadComplete")]);
    let outcomes = salesforce.create(&ticket(), &items(250)).await.unwrap();
    assert_eq!(outcomes.len(), 250);
    assert!(outcomes.iter().all(is_unknown));
}

#[tokio::test]
async fn a_job_that_was_never_let_go_made_nothing() {
    let lost = || Err(TransportError::NoAnswer("reset".into()));
    for answers in [
        vec![job("Open"), lost(), job("Aborted")],
        vec![job("Open"), Ok(answer(503, "<html>")), job("Aborted")],
        // The answer to letting it go is lost, and it is seen that it did not begin.
        vec![
            job("Open"),
            Ok(answer(201, "")),
            lost(),
            job("Open"),
            job("Aborted"),
        ],
    ] {
        let (salesforce, _, _) = adapter(answers);
        let error = salesforce.create(&ticket(), &items(250)).await.unwrap_err();
        assert_eq!(error.kind, RemoteErrorKind::Transient);
    }
}

#[tokio::test]
async fn where_a_job_is_not_to_be_had_or_not_safe_the_records_are_made_by_collections() {
    let batch = |from: u32, to: u32| {
        let rows: Vec<String> = (from..to)
            .map(|number| format!(r#"{{"id":"{}","success":true,"errors":[]}}"#, id(number)))
            .collect();
        ok(&format!("[{}]", rows.join(",")))
    };
    let refused = Ok(answer(400, r#"[{"errorCode":"INVALIDENTITY","message":"x"}]"#));
    // Cases get their owner from assignment rules, which a job does not run.
    for (schema, answers) in [
        (ticket(), vec![refused, batch(0, 200), batch(200, 250)]),
        (schema(), vec![batch(0, 200), batch(200, 250)]),
    ] {
        let (salesforce, script, _) = adapter(answers);
        let outcomes = salesforce.create(&schema, &items(250)).await.unwrap();
        for (number, outcome) in (0..250).zip(&outcomes) {
            assert!(matches!(outcome, WriteOutcome::Applied { id: done, .. } if *done == id(number)));
        }
        let last = script.requests().pop().unwrap();
        assert_eq!(last.uri().path(), "/services/data/v62.0/composite/sobjects");
    }
}

#[tokio::test]
async fn a_job_that_was_refused_late_leaves_the_other_way_no_time_of_its_own() {
    let clock = Arc::new(TestClock::default());
    let refused = Ok(answer(400, r#"[{"errorCode":"INVALIDENTITY","message":"x"}]"#));
    let script =
        Arc::new(Script::new([token("one"), refused]).taking(clock.clone(), Duration::from_secs(35)));
    let config = SalesforceConfig {
        bulk: BulkRules {
            ingest_from: 201,
            ingest_most: 1_000,
            ..BulkRules::default()
        },
        ..SalesforceConfig::new(
            Url::parse("https://acme.my.salesforce.com").unwrap(),
            Arc::new(Fixed(client_credentials())),
        )
    };
    let salesforce = Salesforce::new(config, script.clone(), clock);
    let error = salesforce.create(&ticket(), &items(250)).await.unwrap_err();
    assert_eq!(error.problem.reason.as_str(), "TimeUsedUp");
    assert_eq!(script.requests().len(), 2, "no record was sent");
}

#[tokio::test]
async fn values_stand_in_the_data_as_they_are_and_an_empty_one_empties_its_field_or_unchecks_it() {
    let (salesforce, script, _) = adapter(vec![
        job("Open"),
        Ok(answer(201, "")),
        job("UploadComplete"),
        job("JobComplete"),
        made(0..250),
        failed(&[]),
        unprocessed(&[]),
    ]);
    let mut all = items(250);
    all[4].fields.insert(field("Escalated__c"), Value::Null);
    all[0]
        .fields
        .insert(field("Effort__c"), Value::Number("4.50".parse().unwrap()));
    all[0].fields.insert(field("Subject"), Value::text("a, \"b\"\nc"));
    all[1].fields.insert(field("Effort__c"), Value::Null);
    all[2].fields.insert(field("Subject"), Value::text("#N/A"));
    let mut schema = ticket();
    let checkbox = FieldSchema {
        kind: FieldKind::Boolean,
        ..schema.fields[&field("Effort__c")].clone()
    };
    schema.fields.insert(field("Escalated__c"), checkbox);
    let outcomes = salesforce.create(&schema, &all).await.unwrap();
    assert!(
        matches!(&outcomes[2], WriteOutcome::Rejected(refused) if refused.problem.reason.as_str() == "ValueNotOfKind")
    );
    let csv = String::from_utf8(script.requests()[2].body().to_vec()).unwrap();
    let expected = format!(
        "Stamp__c,Effort__c,Escalated__c,Subject\n{},4.5,,\"a, \"\"b\"\"\nc\"\n{},#N/A,,case 1\n{},,,case 3\n\
         {},,false,case 4\n",
        stamp(0),
        stamp(1),
        stamp(3),
        stamp(4)
    );
    assert!(csv.starts_with(&expected), "{csv}");
}
