//! Jobs that find rows.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::*;

fn search(client: &mut Client, body: &Value) -> String {
    let (status, body) = client.call(Method::POST, "jobs/query", body);
    assert_eq!(
        (status, &body["state"]),
        (StatusCode::OK, &json!("UploadComplete")),
        "{body}"
    );
    body["id"].as_str().unwrap().to_owned()
}

/// The text, the locator and the number of rows of a page of results.
fn page(client: &mut Client, job: &str, parameters: &str) -> (String, String, String) {
    let path = format!("jobs/query/{job}/results{parameters}");
    let request = client.request(Method::GET, &path, &Value::Null);
    let response = client.send(&request);
    let text = String::from_utf8(response.body().to_vec()).unwrap();
    assert_eq!(response.status(), StatusCode::OK, "{text}");
    let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), "text/csv");
    (text, header("sforce-locator"), header("sforce-numberofrecords"))
}

#[test]
fn a_search_is_shown_as_the_service_shows_it() {
    let mut client = Client::new();
    let (_, made) = client.call(
        Method::POST,
        "jobs/query",
        &json!({"operation": "query", "query": "SELECT Id FROM Case", "columnDelimiter": "COMMA", "lineEnding": "LF"}),
    );
    assert_eq!(
        made,
        json!({
            "id": made["id"], "operation": "query", "object": "Case", "createdById": made["createdById"],
            "createdDate": "2024-07-22T10:00:00.000+0000", "systemModstamp": "2024-07-22T10:00:00.000+0000",
            "state": "UploadComplete", "concurrencyMode": "Parallel", "contentType": "CSV", "apiVersion": 62.0,
            "lineEnding": "LF", "columnDelimiter": "COMMA",
        })
    );
    client.wait(1);
    let (_, done) = client.get(&format!("jobs/query/{}", made["id"].as_str().unwrap()));
    assert_eq!(
        [
            &done["state"],
            &done["jobType"],
            &done["numberRecordsProcessed"],
            &done["retries"]
        ],
        [&json!("JobComplete"), &json!("V2Query"), &json!(0), &json!(0)]
    );
}

#[test]
fn results_come_in_pages_with_every_cell_quoted_and_moments_in_utc() {
    let mut client = Client::new();
    for at in 0..3 {
        client.create_case(&json!({"Subject": format!("\"{at}\", x"), "Cost__c": at}));
    }
    let soql =
        "SELECT Subject, Cost__c, IsClosed, Reason, CreatedDate, Account.Name FROM Case ORDER BY Cost__c";
    let job = search(&mut client, &json!({"operation": "query", "query": soql}));
    let path = format!("jobs/query/{job}/results");
    assert_eq!(
        client.refusal(Method::GET, &path, &Value::Null).1,
        "INVALIDJOBSTATE"
    );
    client.wait(1);
    let (first, locator, many) = page(&mut client, &job, "?maxRecords=2");
    let header = r#""Subject","Cost__c","IsClosed","Reason","CreatedDate","Account.Name""#;
    let row = |at: usize| format!(r#""""{at}"", x","{at}.0","false","","2024-07-22T10:00:00.000Z","""#);
    assert_eq!(first, format!("{header}\n{}\n{}\n", row(0), row(1)));
    assert_eq!((locator.as_str(), many.as_str()), ("Mg", "2"));
    let (last, locator, many) = page(&mut client, &job, &format!("?locator={locator}&maxRecords=2"));
    assert_eq!(last, format!("{header}\n{}\n", row(2)));
    assert_eq!((locator.as_str(), many.as_str()), ("null", "1"));
    client.org.settings.bulk.results_page = 1;
    assert_eq!(
        page(&mut client, &job, "").2,
        "1",
        "fewer rows at the service's whim"
    );
    assert_eq!(
        client
            .refusal(Method::GET, &format!("{path}?locator=nonsense"), &Value::Null)
            .0,
        400
    );
}

#[test]
fn a_search_sees_the_bin_only_when_told_and_rows_as_they_are_when_it_runs() {
    let mut client = Client::new();
    let id = client.create_case(&json!({"Subject": "a"}));
    let kept = client.create_case(&json!({"Subject": "b"}));
    client
        .org
        .delete_as_person("Case", &id, client.now, "alice")
        .unwrap();
    client.org.settings.bulk.running_seconds = 60;
    let all = search(
        &mut client,
        &json!({"operation": "queryAll", "query": "SELECT Subject FROM Case ORDER BY Id"}),
    );
    let live = search(
        &mut client,
        &json!({"operation": "query", "query": "SELECT Subject FROM Case"}),
    );
    client.wait(30);
    let edit = as_fields(&json!({"Subject": "c"}));
    client
        .org
        .edit_as_person("Case", &kept, &edit, client.now, "alice")
        .unwrap();
    client.wait(30);
    assert_eq!(page(&mut client, &all, "").0, "\"Subject\"\n\"a\"\n\"c\"\n");
    let edit = as_fields(&json!({"Subject": "d"}));
    client
        .org
        .edit_as_person("Case", &kept, &edit, client.now, "alice")
        .unwrap();
    assert_eq!(page(&mut client, &live, "").0, "\"Subject\"\n\"c\"\n");
}

#[test]
fn what_searches_cannot_do_is_refused_at_once() {
    let mut client = Client::new();
    let refusals = [
        (
            "SELECT Id FORM Case",
            "MALFORMED_QUERY",
            "unexpected token: 'FORM'",
        ),
        (
            "SELECT Nothing FROM Case",
            "INVALID_FIELD",
            "No such column 'Nothing'",
        ),
        (
            "SELECT COUNT() FROM Case",
            "API_ERROR",
            "not supported in Bulk Query",
        ),
        (
            "SELECT (SELECT Id FROM Contacts) FROM Account",
            "API_ERROR",
            "not supported in Bulk Query",
        ),
        (
            "SELECT Id FROM Case OFFSET 3",
            "API_ERROR",
            "not supported in Bulk Query",
        ),
        (
            "SELECT BillingAddress FROM Account",
            "API_ERROR",
            "Selecting compound data not supported in Bulk Query",
        ),
    ];
    for (soql, code, wording) in refusals {
        let refusal = client.refusal(
            Method::POST,
            "jobs/query",
            &json!({"operation": "query", "query": soql}),
        );
        assert_eq!((refusal.0, refusal.1.as_str()), (400, code), "{soql}");
        assert!(refusal.2.contains(wording), "{}", refusal.2);
    }
    client.org.settings.bulk.query_jobs_per_day = 1;
    let body = json!({"operation": "query", "query": "SELECT Id FROM Case"});
    search(&mut client, &body);
    assert_eq!(
        client.refusal(Method::POST, "jobs/query", &body).1,
        "LIMIT_EXCEEDED"
    );
}

#[test]
fn a_search_can_be_aborted_deleted_or_stuck() {
    let mut client = Client::new();
    let body = json!({"operation": "query", "query": "SELECT Id FROM Case"});
    let job = search(&mut client, &body);
    let path = format!("jobs/query/{job}");
    let (_, aborted) = client.call(Method::PATCH, &path, &json!({"state": "Aborted"}));
    assert_eq!(aborted["state"], "Aborted");
    assert_eq!(
        client.call(Method::DELETE, &path, &Value::Null).0,
        StatusCode::NO_CONTENT
    );
    assert_eq!(client.refusal(Method::GET, &path, &Value::Null).0, 404);
    client.org.settings.bulk.stuck_after_rows = Some(0);
    let job = search(&mut client, &body);
    client.wait(3600);
    assert_eq!(client.get(&format!("jobs/query/{job}")).1["state"], "InProgress");
    assert_eq!(
        client.get(&format!("jobs/ingest/{job}")).0,
        StatusCode::NOT_FOUND,
        "of the other family"
    );
}
