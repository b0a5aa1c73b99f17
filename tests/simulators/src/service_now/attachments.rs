//! The Attachment API: files on records.
//!
//! Source: ServiceNow docs, "Attachment API". A file's metadata is a row of `sys_attachment`; who may see and change it
//! is decided by the record that it hangs on. That record is not touched: its `sys_updated_on` says nothing about
//! files (recalled, not documented).

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Method, StatusCode};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;

use super::ServiceNow;
use super::acl::Operation;
use super::answer;
use super::errors::ApiError;
use super::multipart;
use super::pagination::Page;
use super::query::order::Row;
use super::records::Author;
use super::request::{AttachmentPart, Call};
use super::store::{Reading, Values};
use super::users::Principal;
use crate::model::Response;

/// The table of metadata.
const FILES: &str = "sys_attachment";

/// Entries of a page where the client names no limit.
const DEFAULT_LIMIT: usize = 1000;

/// `com.glide.attachment.max_size` in MB where the property is not set.
const DEFAULT_MAX_MB: usize = 1024;

/// A file on its way in.
struct Upload<'a> {
    table: &'a str,
    record: &'a str,
    file_name: &'a str,
    content_type: &'a str,
    content: Bytes,
}

impl ServiceNow {
    /// Answers a request to `/attachment` and what lies under it.
    pub(super) fn attachment(
        &mut self,
        call: &Call<'_>,
        principal: &Principal,
        part: AttachmentPart<'_>,
        now: Timestamp,
    ) -> Result<Response, ApiError> {
        match (&call.method, part) {
            (&Method::GET | &Method::HEAD, AttachmentPart::List) => self.list_files(call, principal, now),
            (&Method::GET | &Method::HEAD, AttachmentPart::Metadata(sys_id)) => {
                let row = self.file(principal, sys_id, now)?;
                let shown = self.file_metadata(row);
                Ok(answer::json(StatusCode::OK, &json!({"result": shown})))
            }
            (&Method::GET | &Method::HEAD, AttachmentPart::Content(sys_id)) => {
                self.download(principal, sys_id, now)
            }
            (&Method::POST, AttachmentPart::Metadata("file")) => self.upload_raw(call, principal, now),
            (&Method::POST, AttachmentPart::Metadata("upload")) => {
                self.upload_multipart(call, principal, now)
            }
            (&Method::DELETE, AttachmentPart::Metadata(sys_id)) => self.delete_file(principal, sys_id, now),
            _ => Err(ApiError::method()),
        }
    }

    fn list_files(
        &self,
        call: &Call<'_>,
        principal: &Principal,
        now: Timestamp,
    ) -> Result<Response, ApiError> {
        self.check_table_read(principal, FILES)?;
        let matched = self.matching(call, principal, FILES, now)?;
        let parameters = &call.parameters;
        let page = Page {
            total: matched.len(),
            limit: parameters.count("sysparm_limit").unwrap_or(DEFAULT_LIMIT),
            offset: parameters.count("sysparm_offset").unwrap_or(0),
        };
        let rows = matched.into_iter().skip(page.offset).take(page.limit);
        let shown: Vec<Value> = rows
            .filter(|row| self.may_on_parent(principal, row.1, Operation::Read, now))
            .map(|row| Value::Object(self.file_metadata(row)))
            .collect();
        let mut response = answer::json(StatusCode::OK, &json!({"result": shown}));
        answer::set(&mut response, "x-total-count", &page.total.to_string());
        if !parameters.flag("sysparm_suppress_pagination_header")
            && let Some(links) = page.links(&self.instance_url, call.request.uri(), false)
        {
            answer::set(&mut response, "link", &links);
        }
        Ok(response)
    }

    /// The metadata row of a file that the user may see.
    fn file<'a>(&'a self, principal: &Principal, sys_id: &str, now: Timestamp) -> Result<Row<'a>, ApiError> {
        let found = self.store.find(&self.schema, FILES, sys_id, Reading::NEWEST);
        found
            .filter(|row| self.may_on_parent(principal, row.1, Operation::Read, now))
            .ok_or_else(ApiError::no_record)
    }

    /// Whether the user may do this to the record that a file hangs on.
    fn may_on_parent(
        &self,
        principal: &Principal,
        file: &Values,
        operation: Operation,
        now: Timestamp,
    ) -> bool {
        let text = |column: &str| file.get(column).map_or("", String::as_str);
        self.parent(
            principal,
            text("table_name"),
            text("table_sys_id"),
            operation,
            now,
        )
        .is_some()
    }

    fn parent<'a>(
        &'a self,
        principal: &Principal,
        table: &'a str,
        sys_id: &str,
        operation: Operation,
        now: Timestamp,
    ) -> Option<Row<'a>> {
        let scope = self.scope(principal, now);
        let found = self.store.find(&self.schema, table, sys_id, Reading::NEWEST);
        let may = |row: Row<'_>| self.acls.may(&scope, &principal.roles, row, None, operation);
        found.filter(|row| may(*row))
    }

    fn download(&self, principal: &Principal, sys_id: &str, now: Timestamp) -> Result<Response, ApiError> {
        let row = self.file(principal, sys_id, now)?;
        let text = |column: &str| row.1.get(column).map_or("", String::as_str);
        let content = self.files.get(text("sys_id")).cloned().unwrap_or_default();
        let mut response = answer::empty(StatusCode::OK).map(|_| content);
        answer::set(&mut response, "content-type", text("content_type"));
        let metadata = Value::Object(self.file_metadata(row)).to_string();
        answer::set(&mut response, "x-attachment-metadata", &metadata);
        Ok(response)
    }

    fn upload_raw(
        &mut self,
        call: &Call<'_>,
        principal: &Principal,
        now: Timestamp,
    ) -> Result<Response, ApiError> {
        let parameter = |name: &str| {
            let given = call.parameters.get(name);
            given.ok_or_else(|| ApiError::unreadable(&format!("Missing required parameter: {name}")))
        };
        let content_type = call
            .header(CONTENT_TYPE.as_str())
            .ok_or_else(ApiError::content_type)?;
        let upload = Upload {
            table: parameter("table_name")?,
            record: parameter("table_sys_id")?,
            file_name: parameter("file_name")?,
            content_type,
            content: call.request.body().clone(),
        };
        self.attach(call, principal, upload, now)
    }

    fn upload_multipart(
        &mut self,
        call: &Call<'_>,
        principal: &Principal,
        now: Timestamp,
    ) -> Result<Response, ApiError> {
        let content_type = call.header(CONTENT_TYPE.as_str()).unwrap_or_default();
        let parts = multipart::parts(content_type, call.request.body())
            .ok_or_else(|| ApiError::unreadable("The payload is not multipart/form-data"))?;
        let missing = |name: &str| ApiError::unreadable(&format!("Missing required form field: {name}"));
        let field = |name: &str| {
            let part = parts.iter().find(|part| part.name == name);
            let text = part.and_then(|part| std::str::from_utf8(&part.content).ok());
            text.ok_or_else(|| missing(name))
        };
        // Only the last part may be the file.
        let file = parts
            .last()
            .filter(|part| part.file_name.is_some())
            .ok_or_else(|| missing("uploadFile"))?;
        let upload = Upload {
            table: field("table_name")?,
            record: field("table_sys_id")?,
            file_name: file.file_name.as_deref().unwrap_or_default(),
            content_type: &file.content_type,
            content: file.content.clone(),
        };
        self.attach(call, principal, upload, now)
    }

    fn attach(
        &mut self,
        call: &Call<'_>,
        principal: &Principal,
        upload: Upload<'_>,
        now: Timestamp,
    ) -> Result<Response, ApiError> {
        let parent = self.parent(principal, upload.table, upload.record, Operation::Read, now);
        parent.ok_or_else(ApiError::no_record)?;
        if self
            .parent(principal, upload.table, upload.record, Operation::Write, now)
            .is_none()
        {
            return Err(ApiError::acl("Insert"));
        }
        self.check_file_rules(&upload)?;
        let hash = digest(&SHA256, &upload.content)
            .as_ref()
            .iter()
            .fold(String::new(), |mut hex, byte| {
                let _ = write!(hex, "{byte:02x}");
                hex
            });
        let values = [
            ("file_name", upload.file_name.to_owned()),
            ("content_type", upload.content_type.to_owned()),
            ("size_bytes", upload.content.len().to_string()),
            // Kept as it came, so there is no compressed size to tell.
            ("compressed", "false".to_owned()),
            ("table_name", upload.table.to_owned()),
            ("table_sys_id", upload.record.to_owned()),
            ("hash", hash),
        ];
        let values = values
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        let sys_id = self.insert(&Author::api(principal), FILES, values, now)?;
        self.files.insert(sys_id.clone(), upload.content);
        let row = self.file(principal, &sys_id, now)?;
        let shown = self.file_metadata(row);
        let mut response = answer::json(StatusCode::CREATED, &json!({"result": shown}));
        // PySNC's upstream suite: the address of the content, under the version that the request named.
        let version = call.path.iter().find(|part| matches!(**part, "v1" | "v2"));
        let version = version.map(|version| format!("{version}/")).unwrap_or_default();
        let location = format!("{}/api/now/{version}attachment/{sys_id}/file", self.instance_url);
        answer::set(&mut response, "location", &location);
        Ok(response)
    }

    /// `com.glide.attachment.max_size` and `glide.attachment.extensions`. How the API words these refusals is recalled
    /// from no source.
    fn check_file_rules(&self, upload: &Upload<'_>) -> Result<(), ApiError> {
        let limit = self
            .property("com.glide.attachment.max_size")
            .parse()
            .unwrap_or(DEFAULT_MAX_MB);
        if upload.content.len() > limit.saturating_mul(1 << 20) {
            return Err(ApiError::unreadable(&format!(
                "Attachment size exceeds the maximum of {limit} MB"
            )));
        }
        let allowed = self.property("glide.attachment.extensions");
        let extension = upload
            .file_name
            .rsplit_once('.')
            .map_or("", |(_, extension)| extension);
        let listed = allowed
            .split(',')
            .any(|one| one.trim().eq_ignore_ascii_case(extension));
        if allowed.is_empty() || listed {
            Ok(())
        } else {
            Err(ApiError::unreadable(&format!(
                "Invalid file extension of {}",
                upload.file_name
            )))
        }
    }

    fn delete_file(
        &mut self,
        principal: &Principal,
        sys_id: &str,
        now: Timestamp,
    ) -> Result<Response, ApiError> {
        let (_, row) = self.file(principal, sys_id, now)?;
        if !self.may_on_parent(principal, row, Operation::Write, now) {
            return Err(ApiError::acl("Delete"));
        }
        self.remove(&Author::api(principal), FILES, sys_id, now)?;
        Ok(answer::empty(StatusCode::NO_CONTENT))
    }

    /// Removes the files of a record that is being deleted.
    pub(super) fn remove_files_of(&mut self, author: &Author, class: &str, record: &str, now: Timestamp) {
        if class == FILES {
            self.files.remove(record);
            return;
        }
        let files = self.store.rows_of_class(FILES, Reading::NEWEST);
        let orphans: Vec<String> = files
            .filter(|file| file.get("table_sys_id").is_some_and(|parent| parent == record))
            .filter_map(|file| file.get("sys_id").cloned())
            .collect();
        for orphan in orphans {
            // The record goes all the same; no rule guards its files.
            let _ = self.remove(author, FILES, &orphan, now);
        }
    }

    /// The row as this API shows it: plain strings, and where to get the content.
    fn file_metadata(&self, row: Row<'_>) -> Map<String, Value> {
        let text = |column: &str| row.1.get(column).map_or("", String::as_str);
        let visible = |column: &str| column != "sys_class_name";
        let columns = self
            .schema
            .columns(FILES)
            .into_keys()
            .filter(|column| visible(column));
        let mut shown: Map<String, Value> = columns
            .map(|column| (column.to_owned(), json!(text(column))))
            .collect();
        let link = format!("{}/api/now/attachment/{}/file", self.instance_url, text("sys_id"));
        shown.insert("download_link".to_owned(), json!(link));
        for (name, by) in [
            ("created_by_name", "sys_created_by"),
            ("updated_by_name", "sys_updated_by"),
        ] {
            let full_name = self
                .user(text(by))
                .and_then(|user| user.get("name"))
                .cloned()
                .unwrap_or_default();
            shown.insert(name.to_owned(), json!(full_name));
        }
        shown
    }
}
