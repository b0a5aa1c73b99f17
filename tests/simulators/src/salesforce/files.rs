//! Files: documents and their versions, links to the records they belong to, and attachments.
//!
//! Object Reference: `ContentVersion`, `ContentDocument`, `ContentDocumentLink`, `Attachment`. A client inserts a
//! version; the document and the link to the record named by `FirstPublishLocationId` come of themselves.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response as HttpResponse};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::dispatch::Call;
use super::dml::Save;
use super::error::ApiError;
use super::field::FieldType;
use super::schema::Object;
use super::screen::Author;
use super::store::is_deleted;
use super::{Salesforce, ids};
use crate::model::{Fields, Response, WriteKind};

/// What is remembered of a file that is about to be saved.
pub(crate) fn describe_file(object: &Object, record: &mut Fields) {
    let (content, size) = match object.name.as_str() {
        "ContentVersion" => ("VersionData", "ContentSize"),
        "Attachment" => ("Body", "BodyLength"),
        _ => return,
    };
    let length = record
        .get(content)
        .and_then(Value::as_str)
        .and_then(|text| STANDARD.decode(text).ok())
        .map_or(0, |bytes| bytes.len());
    record.insert(size.to_owned(), json!(length));
    if object.name == "ContentVersion" {
        let path = record
            .get("PathOnClient")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let name = path.rsplit(['/', '\\']).next().unwrap_or_default().to_owned();
        let (stem, extension) = name.rsplit_once('.').unwrap_or((name.as_str(), ""));
        if record.get("Title").is_none_or(Value::is_null) && !stem.is_empty() {
            record.insert("Title".into(), json!(stem));
        }
        if !extension.is_empty() {
            record.insert("FileExtension".into(), json!(extension));
            record.insert("FileType".into(), json!(extension.to_uppercase()));
        }
        record.insert("IsLatest".into(), Value::Bool(true));
    }
}

impl Salesforce {
    /// Does what follows from a new version of a file: its document, and the link to where it was published.
    pub(crate) fn publish(&mut self, version: &str, author: &Author, now: Timestamp) {
        let Some(row) = self.store.row("ContentVersion", version) else {
            return;
        };
        let mut record = row.fields.clone();
        let Some(versions) = self.schema.object("ContentVersion").cloned() else {
            return;
        };
        let known = record
            .get("ContentDocumentId")
            .and_then(Value::as_str)
            .map(str::to_owned);
        let document = if let Some(document) = known {
            let number = 1 + self.supersede(&versions, &document, version, author, now);
            record.insert("VersionNumber".into(), json!(number.to_string()));
            document
        } else {
            let Some(documents) = self.schema.object("ContentDocument").cloned() else {
                return;
            };
            let document = self.store.next_id(&documents);
            record.insert("VersionNumber".into(), json!("1"));
            record.insert("ContentDocumentId".into(), json!(document));
            document
        };
        let copied = ["Title", "FileExtension", "FileType", "ContentSize", "OwnerId"];
        let mut about: Fields = copied
            .iter()
            .map(|&name| (name.to_owned(), record.get(name).cloned().unwrap_or_default()))
            .collect();
        about.insert("LatestPublishedVersionId".into(), json!(version));
        about.insert("IsArchived".into(), Value::Bool(false));
        self.put_whole("ContentDocument", &document, about, author, now);
        // The version is as it was made: naming its document is no second write of it.
        self.store.put(&versions, version, record.clone(), now, now);
        let place = record.get("FirstPublishLocationId").and_then(Value::as_str);
        if let Some(place) = place.map(str::to_owned)
            && let Some(links) = self.schema.object("ContentDocumentLink").cloned()
        {
            let link = self.store.next_id(&links);
            let about = json!({
                "LinkedEntityId": place, "ContentDocumentId": document, "ShareType": "V", "Visibility": "AllUsers",
            });
            if let Value::Object(about) = about {
                self.put_whole("ContentDocumentLink", &link, about, author, now);
            }
        }
    }

    /// Says of the earlier versions of a document that they are not the latest; gives how many there are.
    fn supersede(
        &mut self,
        versions: &Arc<Object>,
        document: &str,
        but: &str,
        author: &Author,
        now: Timestamp,
    ) -> usize {
        let is = |row: &Fields, name: &str, value: &str| row.get(name).and_then(Value::as_str) == Some(value);
        let earlier: Vec<Fields> = self
            .store
            .rows(&versions.name)
            .map(|row| row.fields.clone())
            .filter(|row| is(row, "ContentDocumentId", document) && !is(row, "Id", but) && !is_deleted(row))
            .collect();
        for before in earlier
            .iter()
            .filter(|row| row.get("IsLatest") == Some(&Value::Bool(true)))
        {
            let mut record = before.clone();
            record.insert("IsLatest".into(), Value::Bool(false));
            let id = before.get("Id").and_then(Value::as_str).unwrap_or_default();
            let save = Save {
                before: Some(before),
                ..Save::of_whole(versions, id, author, WriteKind::Updated, now)
            };
            self.commit(&save, record);
        }
        earlier.len()
    }

    /// Makes or rewrites a record that the service keeps by itself.
    fn put_whole(&mut self, object: &str, id: &str, about: Fields, author: &Author, now: Timestamp) {
        let Some(object) = self.schema.object(object).cloned() else {
            return;
        };
        let before = self.store.row(&object.name, id).map(|row| row.fields.clone());
        let mut record = before.clone().unwrap_or_else(|| {
            let made = json!({
                "Id": id, "CreatedDate": super::value::datetime_text(now), "CreatedById": author.id,
            });
            let known = |(name, _): &(String, Value)| object.field(name).is_some();
            made.as_object()
                .cloned()
                .unwrap_or_default()
                .into_iter()
                .filter(known)
                .collect()
        });
        record.extend(about);
        let kind = if before.is_some() {
            WriteKind::Updated
        } else {
            WriteKind::Created
        };
        let save = Save {
            before: before.as_ref(),
            ..Save::of_whole(&object, id, author, kind, now)
        };
        self.commit(&save, record);
    }

    /// `GET sobjects/X/{id}/{field}` of a file's content: the bytes themselves; `None` when the address means something
    /// else.
    pub(crate) fn blob(
        &self,
        object: &Object,
        id: &str,
        field: &str,
        call: &Call<'_>,
    ) -> Option<Result<Response, ApiError>> {
        let id = ids::canonical(id).filter(|id| id.starts_with(&object.key_prefix))?;
        let field = object
            .field(field)
            .filter(|field| field.field_type == FieldType::Base64)
            .filter(|field| !call.user.is_hidden(&object.name, &field.name))?;
        let row = self
            .store
            .row(&object.name, &id)
            .and_then(|row| row.seen_at(call.now));
        let Some(row) = row.filter(|row| !is_deleted(row)) else {
            return Some(Err(ApiError::not_found()));
        };
        let text = row.get(&field.name).and_then(Value::as_str).unwrap_or_default();
        let content = STANDARD.decode(text).unwrap_or_default();
        let mut response = HttpResponse::new(Bytes::from(content));
        let kind = row.get("ContentType").and_then(Value::as_str);
        let kind = kind.and_then(|kind| HeaderValue::from_str(kind).ok());
        response.headers_mut().insert(
            CONTENT_TYPE,
            kind.unwrap_or(HeaderValue::from_static("application/octet-stream")),
        );
        Some(Ok(response))
    }
}
