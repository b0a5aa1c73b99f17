//! Jobs that write rows: what becomes of each row. What becomes of the job itself: [`super::bulk_jobs`].

use http::header::CONTENT_TYPE;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::super::{FieldAccess, INTEGRATION_USER, RowLock, Trigger};
use super::*;

impl Client {
    /// Makes a job of cases and gives its id.
    pub(super) fn job(&mut self, body: &Value) -> String {
        let mut job = json!({"object": "Case", "contentType": "CSV", "lineEnding": "LF"});
        job.as_object_mut().unwrap().extend(as_fields(body));
        let (status, body) = self.call(Method::POST, "jobs/ingest", &job);
        assert_eq!(
            (status, &body["state"]),
            (StatusCode::OK, &json!("Open")),
            "{body}"
        );
        body["id"].as_str().unwrap().to_owned()
    }

    pub(super) fn upload(&mut self, job: &str, rows: &str) -> (StatusCode, Value) {
        let mut request = self.request(Method::PUT, &format!("jobs/ingest/{job}/batches"), &Value::Null);
        *request.body_mut() = Bytes::from(rows.to_owned());
        request
            .headers_mut()
            .insert(CONTENT_TYPE, "text/csv; charset=UTF-8".parse().unwrap());
        parts(&self.send(&request))
    }

    pub(super) fn set_state(&mut self, job: &str, state: &str) -> (StatusCode, Value) {
        self.call(
            Method::PATCH,
            &format!("jobs/ingest/{job}"),
            &json!({"state": state}),
        )
    }

    /// How the job is now.
    pub(super) fn look(&mut self, job: &str) -> Value {
        let (status, body) = self.get(&format!("jobs/ingest/{job}"));
        assert_eq!(status, StatusCode::OK, "{body}");
        body
    }

    /// A job from its making to its end.
    pub(super) fn load(&mut self, body: &Value, rows: &str) -> String {
        let job = self.job(body);
        let (status, body) = self.upload(&job, rows);
        assert_eq!((status, body), (StatusCode::CREATED, Value::Null));
        let (status, body) = self.set_state(&job, "UploadComplete");
        assert_eq!(
            (status, &body["state"]),
            (StatusCode::OK, &json!("UploadComplete"))
        );
        self.wait(1);
        self.org.settle(self.now);
        job
    }

    /// The rows of a result without their quotes, the header first, the others sorted.
    pub(super) fn rows(&mut self, job: &str, which: &str) -> Vec<String> {
        let request = self.request(Method::GET, &format!("jobs/ingest/{job}/{which}"), &Value::Null);
        let response = self.send(&request);
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[CONTENT_TYPE], "text/csv");
        let text = String::from_utf8(response.body().to_vec())
            .unwrap()
            .replace('"', "");
        let mut rows: Vec<String> = text.lines().map(str::to_owned).collect();
        rows[1..].sort();
        rows
    }
}

#[test]
fn a_missing_required_field_is_told_as_recorded() {
    let mut client = Client::new();
    let job = client.load(
        &json!({"object": "Account", "operation": "insert"}),
        "BillingState\nCA\n",
    );
    assert_eq!(
        client.rows(&job, "failedResults")[1],
        ",REQUIRED_FIELD_MISSING:Required fields are missing: [Name]:Name --,CA"
    );
}

#[test]
fn an_update_clears_by_mark_and_leaves_alone_what_is_empty() {
    let mut client = Client::new();
    let id = client.create_case(&json!({"Subject": "a", "Cost__c": 3}));
    client.wait(7);
    let job = client.load(
        &json!({"operation": "update", "lineEnding": "CRLF", "columnDelimiter": "SEMICOLON"}),
        &format!("Id;Subject;Cost__c;IsEscalated\r\n{id};;#N/A;yes\r\n;x;;\r\n500000000000000AAA;x;;\r\n"),
    );
    let case = client.case(&id);
    assert_eq!(
        (&case["Subject"], &case["Cost__c"], &case["IsEscalated"]),
        (&json!("a"), &Value::Null, &json!(true))
    );
    assert_eq!(
        case["SystemModstamp"], "2024-07-22T10:00:08.000+0000",
        "at the chunk's own moment"
    );
    assert_eq!(
        client.rows(&job, "successfulResults")[1],
        format!("{id};false;{id};;#N/A;yes")
    );
    let failed = client.rows(&job, "failedResults").join("\n");
    assert!(
        failed.contains(";MISSING_ARGUMENT:Id not specified in an update call:Id --;;x"),
        "{failed}"
    );
    assert!(failed.contains("500000000000000AAA;NOT_FOUND:"), "{failed}");
}

#[test]
fn an_upsert_tells_what_it_made_from_what_it_found() {
    let mut client = Client::new();
    let old = client.create_case(&json!({"Stamp__c": "s1"}));
    let upsert = json!({"operation": "upsert", "externalIdFieldName": "Stamp__c"});
    let job = client.load(&upsert, "Stamp__c,Subject\ns1,found\ns2,made\n,lost\n");
    let rows = client.rows(&job, "successfulResults").join("\n");
    assert!(
        rows.contains(&format!("{old},false,s1,found")) && rows.contains(",true,s2,made"),
        "{rows}"
    );
    assert_eq!(
        client.rows(&job, "failedResults")[1],
        ",MISSING_ARGUMENT:Stamp__c not specified:Stamp__c --,,lost"
    );
    let job = client.load(
        &json!({"operation": "upsert", "externalIdFieldName": "Id"}),
        &format!("Id,Subject\n{old},b\n,new\n"),
    );
    assert_eq!(client.rows(&job, "successfulResults").len(), 3);
    assert_eq!(client.org.records("Case").len(), 3);
}

#[test]
fn rows_can_be_deleted_to_the_bin_or_for_good() {
    let mut client = Client::new();
    let ids: Vec<String> = (0..2).map(|_| client.create_case(&json!({}))).collect();
    client.load(&json!({"operation": "delete"}), &format!("Id\n{}\n", ids[0]));
    client.load(&json!({"operation": "hardDelete"}), &format!("Id\n{}\n", ids[1]));
    let (_, all) = client.get(&query_path("queryAll", "SELECT Id, IsDeleted FROM Case"));
    assert_eq!(
        (&all["totalSize"], &all["records"][0]["Id"]),
        (&json!(1), &json!(ids[0]))
    );
    let job = client.load(
        &json!({"operation": "delete"}),
        "Id,Subject\n500000000000000AAA,x\n",
    );
    let failed = client.look(&job);
    assert_eq!(
        (&failed["state"], &failed["errorMessage"]),
        (
            &json!("Failed"),
            &json!("InvalidBatch : The 'delete' batch must contain only ids")
        )
    );
    client.org.settings.bulk.hard_delete_is_allowed = false;
    let refusal = client.refusal(
        Method::POST,
        "jobs/ingest",
        &json!({"object": "Case", "operation": "hardDelete"}),
    );
    assert_eq!((refusal.0, refusal.1.as_str()), (400, "FEATURENOTENABLED"));
}

#[test]
fn rows_pass_the_same_rules_rights_locks_and_triggers_as_every_write() {
    let mut client = Client::new();
    let ids: Vec<String> = (0..3).map(|_| client.create_case(&json!({}))).collect();
    let trigger = Trigger {
        object: "Case".into(),
        name: "shout".into(),
        when: Some("Subject = 'a'".into()),
        set: as_fields(&json!({"Subject": "A!"})),
    };
    client.org.add_trigger(trigger).unwrap();
    client.org.lock_row(RowLock {
        id: Some(ids[1].clone()),
        times: 1,
        during: Some("salesforce.bulk.run".into()),
    });
    client
        .org
        .set_field_access(INTEGRATION_USER, "Case", "Cost__c", FieldAccess::ReadOnly)
        .unwrap();
    let job = client.load(
        &json!({"operation": "update"}),
        &format!(
            "Id,Subject,Cost__c\n{},a,\n{},a,\n{},a,3\n",
            ids[0], ids[1], ids[2]
        ),
    );
    assert_eq!(client.case(&ids[0])["Subject"], "A!");
    let failed = client.rows(&job, "failedResults").join("\n");
    assert!(
        failed.contains("UNABLE_TO_LOCK_ROW:") && failed.contains("INVALID_FIELD_FOR_INSERT_UPDATE:"),
        "{failed}"
    );
    let last = client.org.writes().last().unwrap();
    assert_eq!(
        (last.id.as_str(), &last.actor),
        (ids[0].as_str(), &crate::Actor::Api(INTEGRATION_USER.into()))
    );
    client
        .org
        .set_field_access(INTEGRATION_USER, "Case", "Cost__c", FieldAccess::Hidden)
        .unwrap();
    let job = client.load(&json!({"operation": "insert"}), "Subject,Cost__c\na,1\n");
    assert_eq!(
        client.look(&job)["errorMessage"],
        "InvalidBatch : Field name not found : Cost__c"
    );
    assert_eq!(client.rows(&job, "unprocessedRecords").len(), 2);
}

#[test]
fn a_parent_can_be_named_by_a_key_of_its_own() {
    let mut client = Client::new();
    client
        .org
        .add_custom_field("Account", Field::unique_external_id("Key__c", 20))
        .unwrap();
    let account = client
        .org
        .seed(
            "Account",
            &as_fields(&json!({"Name": "Acme", "Key__c": "k1"})),
            START,
        )
        .unwrap();
    let job = client.load(
        &json!({"operation": "insert"}),
        "Subject,Account.Key__c\na,k1\nb,k2\n",
    );
    assert_eq!(
        client.records("SELECT AccountId FROM Case")[0]["AccountId"],
        json!(account)
    );
    assert_eq!(
        client.rows(&job, "failedResults")[1],
        ",INVALID_FIELD:Foreign key external ID: k2 not found for field Key__c in entity Account:--,b,k2"
    );
}
