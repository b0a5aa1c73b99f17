//! Jobs that write rows, from their making to their end or their failure.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::super::BulkSwitches;
use super::*;

#[test]
fn a_job_is_shown_as_the_service_shows_it() {
    let mut client = Client::new();
    let (_, made) = client.call(
        Method::POST,
        "jobs/ingest",
        &json!({"object": "case", "operation": "upsert", "externalIdFieldName": "stamp__c", "columnDelimiter": "PIPE"}),
    );
    let id = made["id"].as_str().unwrap();
    assert!(id.starts_with("750") && id.len() == 18);
    assert_eq!(
        made,
        json!({
            "id": id, "operation": "upsert", "object": "Case", "createdById": made["createdById"],
            "createdDate": "2024-07-22T10:00:00.000+0000", "systemModstamp": "2024-07-22T10:00:00.000+0000",
            "state": "Open", "externalIdFieldName": "Stamp__c", "concurrencyMode": "Parallel", "contentType": "CSV",
            "apiVersion": 62.0, "contentUrl": format!("services/data/v62.0/jobs/ingest/{id}/batches"),
            "lineEnding": "LF", "columnDelimiter": "PIPE", "jobType": "V2Ingest",
        })
    );
    let id = id.to_owned();
    let looked = client.look(&id);
    for key in [
        "numberRecordsProcessed",
        "numberRecordsFailed",
        "retries",
        "totalProcessingTime",
        "apexProcessingTime",
    ] {
        assert_eq!(looked[key], 0, "{key}");
    }
    let (_, list) = client.get("jobs/ingest/");
    assert_eq!(
        (&list["done"], &list["records"][0]["id"]),
        (&json!(true), &json!(id))
    );
}

#[test]
fn a_job_goes_through_its_states_by_the_clock_and_answers_for_every_row() {
    let mut client = Client::new();
    client.org.settings.bulk.queued_seconds = 5;
    client.org.settings.bulk.running_seconds = 10;
    let job = client.job(&json!({"operation": "insert"}));
    client.upload(
        &job,
        "Subject,Level__c,Cost__c\n\"a, \"\"b\"\"\",One,1.5\nbad,Three,2\nworse,One,x\n",
    );
    client.set_state(&job, "UploadComplete");
    assert_eq!(client.look(&job)["state"], "UploadComplete");
    client.wait(5);
    assert_eq!(client.look(&job)["state"], "InProgress");
    client.wait(10);
    let done = client.look(&job);
    assert_eq!(
        [
            &done["state"],
            &done["numberRecordsProcessed"],
            &done["numberRecordsFailed"]
        ],
        [&json!("JobComplete"), &json!(3), &json!(2)]
    );
    let records = client.records("SELECT Id, Subject, Cost__c FROM Case");
    assert_eq!((records.len(), &records[0]["Subject"]), (1, &json!("a, \"b\"")));
    let id = records[0]["Id"].as_str().unwrap();
    assert_eq!(
        client.rows(&job, "successfulResults"),
        [
            "sf__Id,sf__Created,Subject,Level__c,Cost__c".to_owned(),
            format!("{id},true,a, b,One,1.5")
        ]
    );
    assert_eq!(
        client.rows(&job, "failedResults"),
        [
            "sf__Id,sf__Error,Subject,Level__c,Cost__c",
            ",INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST:Level__c: bad value for restricted picklist field: Three:Level__c --,bad,Three,2",
            ",INVALID_TYPE_ON_FIELD_IN_RECORD:Cost__c: value not of required type: x:Cost__c --,worse,One,x",
        ]
    );
    for spelled in ["unprocessedrecords", "unprocessedRecords"] {
        assert_eq!(client.rows(&job, spelled), ["Subject,Level__c,Cost__c"]);
    }
}

#[test]
fn a_job_takes_one_upload_and_only_the_changes_that_its_state_allows() {
    let mut client = Client::new();
    let job = client.job(&json!({"operation": "insert"}));
    assert_eq!(client.upload(&job, "Subject\na\n").0, StatusCode::CREATED);
    let (status, body) = client.upload(&job, "Subject\nb\n");
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(
        body[0]["message"]
            .as_str()
            .unwrap()
            .contains("Found multiple contents for job")
    );
    let path = format!("jobs/ingest/{job}");
    for path in [
        path.clone() + "/successfulResults",
        path.clone() + "/failedResults",
    ] {
        assert_eq!(
            client.refusal(Method::GET, &path, &Value::Null).1,
            "INVALIDJOBSTATE"
        );
    }
    assert_eq!(
        client.refusal(Method::DELETE, &path, &Value::Null).1,
        "INVALIDJOBSTATE"
    );
    assert_eq!(client.set_state(&job, "Aborted").1["state"], "Aborted");
    client.wait(100);
    assert!(
        client.org.records("Case").is_empty(),
        "nothing of an aborted job is written"
    );
    let (_, _, message) = client.refusal(Method::PATCH, &path, &json!({"state": "UploadComplete"}));
    assert_eq!(message, "Closing already Aborted Job not allowed");
    assert_eq!(
        client.call(Method::DELETE, &path, &Value::Null).0,
        StatusCode::NO_CONTENT
    );
    assert_eq!(client.refusal(Method::GET, &path, &Value::Null).0, 404);
}

#[test]
fn what_no_job_can_be_made_of_is_refused() {
    let mut client = Client::new();
    let refusals = [
        (
            json!({"object": "Nothing", "operation": "insert"}),
            "INVALIDENTITY",
        ),
        (json!({"object": "Case", "operation": "upsert"}), "INVALIDJOB"),
        (
            json!({"object": "Case", "operation": "upsert", "externalIdFieldName": "Subject"}),
            "INVALIDJOB",
        ),
        (
            json!({"object": "Case", "operation": "insert", "contentType": "XML"}),
            "INVALIDJOB",
        ),
        (
            json!({"object": "Case", "operation": "dance"}),
            "JSON_PARSER_ERROR",
        ),
    ];
    for (body, code) in refusals {
        let refusal = client.refusal(Method::POST, "jobs/ingest", &body);
        assert_eq!((refusal.0, refusal.1.as_str()), (400, code), "{body}");
    }
    let job = client.job(&json!({"operation": "insert"}));
    client.org.settings.bulk.most_upload_bytes = 4;
    assert_eq!(client.upload(&job, "Subject\na\n").0, StatusCode::BAD_REQUEST);
}

#[test]
fn an_upload_that_cannot_be_read_fails_its_job_and_an_empty_one_does_nothing() {
    let mut client = Client::new();
    let insert = json!({"operation": "insert"});
    let failures = [
        (
            "Subject\r\na\r\n",
            "LineEnding is invalid on user data. Current LineEnding setting is LF",
        ),
        ("Subject,Reason\na\n", "row 1 has not the 2 columns"),
        ("Nothing\na\n", "InvalidBatch : Field name not found : Nothing"),
        ("Subject\n\"a\n", "Failed to parse CSV"),
    ];
    for (rows, wording) in failures {
        let job = client.load(&insert, rows);
        let job = client.look(&job);
        assert_eq!(job["state"], "Failed", "{rows:?}");
        assert!(job["errorMessage"].as_str().unwrap().contains(wording), "{job}");
    }
    let job = client.load(&insert, "");
    assert_eq!(client.look(&job)["state"], "JobComplete");
    assert_eq!(client.rows(&job, "successfulResults"), ["sf__Id,sf__Created"]);
    assert!(client.org.records("Case").is_empty());
}

/// A hundred rows.
fn many() -> String {
    let rows: Vec<String> = (0..100).map(|at| format!("{at}\n")).collect();
    let rows = rows.concat();
    format!("Subject\n{rows}")
}

#[test]
fn chunks_are_written_at_their_own_moments_however_often_a_client_looks() {
    let stamps = |looks: bool| {
        let mut client = Client::new();
        client.org.settings.bulk = BulkSwitches {
            running_seconds: 10,
            rows_per_chunk: 20,
            ..BulkSwitches::default()
        };
        let job = client.load(&json!({"operation": "insert"}), &many());
        for _ in 0..9 {
            if looks {
                client.look(&job);
            }
            client.wait(1);
        }
        client.look(&job);
        let writes = client.org.writes().iter();
        writes
            .map(|write| (write.at, write.id.clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(stamps(true), stamps(false));
    let stamps = stamps(true);
    assert_eq!(stamps.len(), 100);
    assert_eq!(
        stamps[0].0,
        START.checked_add(SignedDuration::from_secs(2)).unwrap()
    );
    assert_eq!(
        stamps[99].0,
        START.checked_add(SignedDuration::from_secs(10)).unwrap()
    );
}

#[test]
fn a_job_can_be_stuck_and_goes_on_when_it_is_no_more() {
    let mut client = Client::new();
    client.org.settings.bulk.stuck_after_rows = Some(30);
    let job = client.load(&json!({"operation": "insert"}), &many());
    client.wait(3600);
    let stuck = client.look(&job);
    assert_eq!(
        (&stuck["state"], &stuck["numberRecordsProcessed"]),
        (&json!("InProgress"), &json!(30))
    );
    client.org.settings.bulk.stuck_after_rows = None;
    client.wait(1);
    assert_eq!(client.look(&job)["state"], "JobComplete");
    let writes = client.org.writes();
    assert!(
        writes.windows(2).all(|pair| pair[0].at <= pair[1].at),
        "nothing is stamped in the past"
    );
    assert_eq!(writes.len(), 100);
}

#[test]
fn a_job_can_fail_half_way_and_lose_its_results() {
    let mut client = Client::new();
    client.org.settings.bulk.fails_after_rows = Some(40);
    let job = client.load(&json!({"operation": "insert"}), &many());
    let failed = client.look(&job);
    assert_eq!(
        (&failed["state"], &failed["numberRecordsProcessed"]),
        (&json!("Failed"), &json!(40))
    );
    assert_eq!(failed["errorMessage"], "InternalServerError : System unavailable");
    assert_eq!(client.org.records("Case").len(), 40);
    assert_eq!(client.rows(&job, "successfulResults").len(), 41);
    assert_eq!(client.rows(&job, "unprocessedrecords").len(), 61);
    let body = json!({"bulk": {"resultsLost": true}});
    client.org.administer("settings", &body, client.now).unwrap();
    let path = format!("jobs/ingest/{job}/successfulResults");
    assert_eq!(client.refusal(Method::GET, &path, &Value::Null).0, 404);
    client.wait(8 * 86_400);
    client.sign_in();
    assert_eq!(
        client
            .refusal(Method::GET, &format!("jobs/ingest/{job}"), &Value::Null)
            .0,
        404,
        "kept for a week"
    );
}

#[test]
fn what_jobs_write_counts_as_theirs_and_not_as_the_call_that_came_next() {
    let mut client = Client::new();
    let job = client.job(&json!({"operation": "insert"}));
    client.upload(&job, &many());
    client.set_state(&job, "UploadComplete");
    let mut simulator = crate::Simulator::new(client.org);
    let later = START.checked_add(SignedDuration::from_secs(9)).unwrap();
    simulator.settle(later);
    assert_eq!(simulator.model.records("Case").len(), 100);
    assert_eq!(simulator.calls.effective_writes("salesforce.bulk.run"), 100);
    assert_eq!(simulator.calls.effective_writes(""), 100);
    assert_eq!(simulator.calls.calls(""), 0);
}
