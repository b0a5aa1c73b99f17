//! Files, attachments and comments.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::*;

impl Client {
    fn make(&mut self, object: &str, fields: &Value) -> String {
        let (status, body) = self.call(Method::POST, &format!("sobjects/{object}"), fields);
        assert_eq!(status, StatusCode::CREATED, "{body}");
        body["id"].as_str().unwrap().to_owned()
    }

    fn stored(&self, object: &str, id: &str) -> Fields {
        self.org.record(object, id).unwrap()
    }
}

/// Bytes that are no text in any encoding.
const CONTENT: &[u8] = b"\x00\xff\r\n--not the end\r\n";

#[test]
fn a_file_comes_with_its_document_and_a_link_to_where_it_was_published() {
    let mut client = Client::new();
    let case = client.create_case(&json!({}));
    let version = client.make(
        "ContentVersion",
        &json!({"PathOnClient": "log/a.bin", "VersionData": STANDARD.encode(CONTENT), "FirstPublishLocationId": case}),
    );
    let stored = client.stored("ContentVersion", &version);
    assert_eq!(
        (&stored["Title"], &stored["FileExtension"], &stored["ContentSize"]),
        (&json!("a"), &json!("bin"), &json!(CONTENT.len()))
    );
    let document = stored["ContentDocumentId"].as_str().unwrap().to_owned();
    assert!(document.starts_with("069"));
    let about = client.stored("ContentDocument", &document);
    assert_eq!(about["LatestPublishedVersionId"], json!(version));
    let links = client.org.records("ContentDocumentLink");
    assert_eq!(
        (
            &links[0]["LinkedEntityId"],
            &links[0]["ContentDocumentId"],
            links.len()
        ),
        (&json!(case), &json!(document), 1)
    );

    let path = format!("sobjects/ContentVersion/{version}");
    let (_, read) = client.get(&path);
    let address = format!("/services/data/v62.0/{path}/VersionData");
    assert_eq!(read["VersionData"], json!(address));
    let request = client.request(Method::GET, &format!("{path}/VersionData"), &Value::Null);
    let response = client.send(&request);
    assert_eq!(response.body().as_ref(), CONTENT);
    assert_eq!(response.headers()["content-type"], "application/octet-stream");
}

#[test]
fn a_second_version_of_a_document_is_the_latest() {
    let mut client = Client::new();
    let content = STANDARD.encode(CONTENT);
    let first = client.make(
        "ContentVersion",
        &json!({"PathOnClient": "a.txt", "VersionData": content}),
    );
    let document = client.stored("ContentVersion", &first)["ContentDocumentId"].clone();
    let second = client.make(
        "ContentVersion",
        &json!({"PathOnClient": "b.txt", "VersionData": content, "ContentDocumentId": document}),
    );
    let latest = |client: &Client, id: &str| {
        let version = client.stored("ContentVersion", id);
        (version["IsLatest"].clone(), version["VersionNumber"].clone())
    };
    assert_eq!(latest(&client, &first), (json!(false), json!("1")));
    assert_eq!(latest(&client, &second), (json!(true), json!("2")));
    let document = client.stored("ContentDocument", document.as_str().unwrap());
    assert_eq!(
        (&document["Title"], &document["LatestPublishedVersionId"]),
        (&json!("b"), &json!(second))
    );
}

#[test]
fn a_file_may_come_beside_its_record() {
    let mut client = Client::new();
    let head = "--b1\r\nContent-Disposition: form-data; name=\"entity_content\"\r\nContent-Type: application/json\r\n\r\n\
                {\"Title\": \"t\", \"PathOnClient\": \"t.bin\"}\r\n--b1\r\nContent-Disposition: form-data; \
                name=\"VersionData\"; filename=\"t.bin\"\r\nContent-Type: application/octet-stream\r\n\r\n";
    let body = [head.as_bytes(), CONTENT, b"\r\n--b1--\r\n"].concat();
    let mut request = client.request(Method::POST, "sobjects/ContentVersion", &Value::Null);
    *request.body_mut() = Bytes::from(body);
    request.headers_mut().insert(
        CONTENT_TYPE,
        "multipart/form-data; boundary=\"b1\"".parse().unwrap(),
    );
    let (status, made) = parts(&client.send(&request));
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let version = client.stored("ContentVersion", made["id"].as_str().unwrap());
    assert_eq!(version["VersionData"], json!(STANDARD.encode(CONTENT)));
}

#[test]
fn an_attachment_belongs_to_a_record_and_gives_its_body() {
    let mut client = Client::new();
    let case = client.create_case(&json!({}));
    let id = client.make(
        "Attachment",
        &json!({"ParentId": case, "Name": "a.txt", "ContentType": "text/plain", "Body": STANDARD.encode("text")}),
    );
    assert_eq!(client.stored("Attachment", &id)["BodyLength"], 4);
    let request = client.request(
        Method::GET,
        &format!("sobjects/Attachment/{id}/Body"),
        &Value::Null,
    );
    let response = client.send(&request);
    assert_eq!(response.headers()["content-type"], "text/plain");
    assert_eq!(response.body().as_ref(), b"text");
    let refused = client.refusal(
        Method::POST,
        "sobjects/Attachment",
        &json!({"ParentId": case, "Name": "a", "Body": "not base64!"}),
    );
    assert_eq!(refused.1, "JSON_PARSER_ERROR");
    let refused = client.refusal(
        Method::POST,
        "sobjects/Attachment",
        &json!({"ParentId": case, "Name": "a"}),
    );
    assert_eq!(refused.1, "REQUIRED_FIELD_MISSING");
}

#[test]
fn whether_a_comment_moves_its_cases_stamps_is_switched() {
    for touches in [true, false] {
        let mut client = Client::new();
        client.org.settings.comments_touch_cases = touches;
        let case = client.create_case(&json!({"Subject": "a"}));
        client.wait(60);
        client.make("CaseComment", &json!({"ParentId": case, "CommentBody": "hello"}));
        let moved = client.case(&case)["SystemModstamp"] == "2024-07-22T10:01:00.000+0000";
        assert_eq!(moved, touches);
        assert!(
            client
                .org
                .writes()
                .iter()
                .all(|write| { write.object == "CaseComment" || !write.is_effective() || write.at == START })
        );
    }
}

#[test]
fn what_belongs_to_a_deleted_record_goes_and_comes_back_with_it() {
    let mut client = Client::new();
    let case = client.create_case(&json!({}));
    let comment = |body: &str| json!({"ParentId": case, "CommentBody": body});
    let kept = client.make("CaseComment", &comment("kept"));
    let dropped = client.make("CaseComment", &comment("dropped"));
    client.call(
        Method::DELETE,
        &format!("sobjects/CaseComment/{dropped}"),
        &Value::Null,
    );
    client.wait(60);
    client.call(Method::DELETE, &format!("sobjects/Case/{case}"), &Value::Null);
    assert!(client.org.records("CaseComment").is_empty());
    client
        .org
        .undelete_as_person("Case", &case, client.now, "alice")
        .unwrap();
    let comments = client.org.records("CaseComment");
    assert_eq!((comments.len(), &comments[0]["Id"]), (1, &json!(kept)));
}
