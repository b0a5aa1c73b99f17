//! Which part of the model answers a resource, and what all of them know of the call.

use std::sync::Arc;

use http::{Method, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::collections::Verb;
use super::conditional::{Version, not_modified};
use super::duplicates::DuplicateOptions;
use super::error::{ApiError, respond};
use super::routes::{Resource, method, parameters};
use super::screen::Author;
use super::users::User;
use super::{Salesforce, base_url, multipart, not_allowed};
use crate::model::{Fields, Request, Response};

/// One request on its way through the model, with who sent it and when.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    pub request: &'a Request,
    /// The API version asked for, as `v62.0`.
    pub version: &'a str,
    pub user: &'a Arc<User>,
    pub now: Timestamp,
}

impl Call<'_> {
    /// Who writes what the call writes.
    pub fn author(&self) -> Author {
        let header = self.request.headers().get("Sforce-Duplicate-Rule-Header");
        let header = header.and_then(|value| value.to_str().ok()).unwrap_or_default();
        Author {
            duplicates: Some(DuplicateOptions::read(header)),
            ..Author::api(self.user)
        }
    }

    /// The number of the API version: 62 for `v62.0`.
    pub fn version_number(&self) -> u32 {
        let number = self.version.trim_start_matches('v').split('.').next();
        number.and_then(|number| number.parse().ok()).unwrap_or_default()
    }

    /// A query parameter.
    pub fn parameter(&self, name: &str) -> Option<String> {
        parameters(self.request).remove(name)
    }

    /// Whether a query parameter is there and says yes.
    pub fn is_set(&self, name: &str) -> bool {
        self.parameter(name)
            .is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }
}

impl Salesforce {
    /// Answers a request that may be made: by one signed in, within the limits, for a known version.
    pub(crate) fn dispatch(&mut self, resource: &Resource, call: &Call<'_>) -> Result<Response, ApiError> {
        let &Call {
            request,
            version,
            user,
            now,
        } = call;
        let ok = |body: &Value| Ok(respond(StatusCode::OK, body));
        match (resource, method(request)) {
            (Resource::Root, Method::GET) => ok(&self.resources(call)),
            (Resource::Recent, Method::GET) => ok(&json!([])),
            (Resource::RecordCount, Method::GET) => ok(&self.record_count(call)),
            (Resource::Limits, Method::GET) => ok(&self.limits.to_json(now, self.settings.daily_requests)),
            (Resource::Objects, Method::GET) => {
                let version = Version::of_description(self.schema.modified(None));
                Ok(unless_known(&version, call, || {
                    self.describe_global(call.version, user)
                }))
            }
            (Resource::Object(name), Method::GET) => ok(&Self::basic_information(
                &*self.visible_object(name, user)?,
                version,
                user,
            )),
            (Resource::Describe(name), Method::GET) => {
                let object = self.visible_object(name, user)?;
                let version = Version::of_description(self.schema.modified(Some(&object.name)));
                Ok(unless_known(&version, call, || {
                    Self::describe(&object, call.version, user)
                }))
            }
            (
                Resource::Query | Resource::QueryAll | Resource::QueryMore(_) | Resource::QueryAllMore(_),
                Method::GET,
            ) => self.dispatch_query(resource, call),
            (Resource::Bulk(address), _) => self.dispatch_bulk(address, call),
            (
                Resource::Object(name)
                | Resource::Record { object: name, .. }
                | Resource::ByExternalId { object: name, .. }
                | Resource::Updated(name)
                | Resource::Deleted(name),
                method,
            ) => {
                let object = self.visible_object(name, user)?;
                self.dispatch_record(resource, &object, &method, call)
            }
            (Resource::Collections | Resource::CollectionOf(_) | Resource::CollectionBy { .. }, method) => {
                self.dispatch_collection(resource, &method, call)
            }
            (Resource::Composite, Method::POST) => self.composite(&json_in(request)?, call),
            (Resource::Batch, Method::POST) => self.batch(&json_in(request)?, call),
            (Resource::Tree(name), Method::POST) => {
                let object = self.visible_object(name, user)?;
                self.tree(&object, &json_in(request)?, call)
            }
            (_, method) => Err(not_allowed(&method)),
        }
    }

    /// `GET /services/data/vXX.0`: what there is, and who is asking.
    fn resources(&self, call: &Call<'_>) -> Value {
        let names = ["composite", "limits", "query", "queryAll", "recent", "sobjects"];
        let base = format!("/services/data/{}", call.version);
        let mut resources: Fields = names
            .iter()
            .map(|name| ((*name).to_owned(), json!(format!("{base}/{name}"))))
            .collect();
        let identity = format!(
            "{}/id/{}/{}",
            base_url(call.request),
            self.settings.organization_id,
            call.user.id
        );
        resources.insert("identity".into(), json!(identity));
        Value::Object(resources)
    }

    /// `GET limits/recordCount[?sObjects=A,B]`. An object without records is left out, as recorded.
    fn record_count(&self, call: &Call<'_>) -> Value {
        let asked = call.parameter("sObjects");
        let is_asked = |name: &str| {
            let asked = asked.as_deref();
            asked.is_none_or(|names| {
                names
                    .split(',')
                    .any(|asked| asked.trim().eq_ignore_ascii_case(name))
            })
        };
        let counted: Vec<Value> = self
            .schema
            .objects()
            .filter(|object| is_asked(&object.name) && call.user.rights(&object.name).read)
            .map(|object| {
                (
                    object,
                    self.store
                        .rows(&object.name)
                        .filter(|row| !row.is_deleted())
                        .count(),
                )
            })
            .filter(|(_, count)| *count > 0)
            .map(|(object, count)| json!({"count": count, "name": object.name}))
            .collect();
        json!({"sObjects": counted})
    }

    fn dispatch_record(
        &mut self,
        resource: &Resource,
        object: &Arc<super::Object>,
        method: &Method,
        call: &Call<'_>,
    ) -> Result<Response, ApiError> {
        let request = call.request;
        match (resource, method) {
            (Resource::Object(_), &Method::POST) => {
                Ok(self.create_record(object, &record_in(request)?, call))
            }
            // `POST sobjects/X/Id`: an upsert by an id that is not there yet.
            (Resource::Record { id, .. }, &Method::POST) if id.eq_ignore_ascii_case("id") => {
                Ok(self.create_record(object, &record_in(request)?, call))
            }
            (Resource::Record { id, .. }, &Method::GET) => self.get_record(object, id, call),
            (Resource::Record { id, .. }, &Method::PATCH) => {
                self.update_record(object, id, &record_in(request)?, call)
            }
            (Resource::Updated(_), &Method::GET) => self.updated(object, call),
            (Resource::Deleted(_), &Method::GET) => self.deleted(object, call),
            (Resource::Record { id, .. }, &Method::DELETE) => self.delete_record(object, id, call),
            (Resource::ByExternalId { field, value, .. }, &Method::GET) => {
                if let Some(content) = self.blob(object, field, value, call) {
                    return content;
                }
                self.get_by_external_id(object, field, value, call)
            }
            (Resource::ByExternalId { field, value, .. }, &Method::PATCH | &Method::POST) => {
                self.upsert_record(object, field, value, &record_in(request)?, call)
            }
            (Resource::ByExternalId { field, value, .. }, &Method::DELETE) => {
                self.delete_by_external_id(object, field, value, call)
            }
            (_, method) => Err(not_allowed(method)),
        }
    }

    fn dispatch_collection(
        &mut self,
        resource: &Resource,
        method: &Method,
        call: &Call<'_>,
    ) -> Result<Response, ApiError> {
        let request = call.request;
        match (resource, method) {
            (Resource::Collections, &Method::POST) => {
                self.write_collection(&Verb::Create, &json_in(request)?, call)
            }
            (Resource::Collections, &Method::PATCH) => {
                self.write_collection(&Verb::Update, &json_in(request)?, call)
            }
            (Resource::Collections, &Method::DELETE) => {
                let ids = call.parameter("ids").unwrap_or_default();
                self.delete_collection(&ids, call.is_set("allOrNone"), call)
            }
            (Resource::CollectionBy { object, field }, &Method::PATCH) => {
                let object = self.visible_object(object, call.user)?;
                let verb = Verb::upsert(object, field, call.user)?;
                self.write_collection(&verb, &json_in(request)?, call)
            }
            (Resource::CollectionOf(name), &Method::POST) => {
                let object = self.visible_object(name, call.user)?;
                self.retrieve_collection(&object, &json_in(request)?, call)
            }
            (Resource::CollectionOf(name), &Method::GET) => {
                let object = self.visible_object(name, call.user)?;
                let list = |name: &str| -> Option<Value> {
                    let joined = call.parameter(name)?;
                    Some(joined.split(',').map(|item| json!(item.trim())).collect())
                };
                let body = json!({"ids": list("ids"), "fields": list("fields")});
                self.retrieve_collection(&object, &body, call)
            }
            (_, method) => Err(not_allowed(method)),
        }
    }
}

/// A description, unless the client has it.
fn unless_known(version: &Version, call: &Call<'_>, describe: impl FnOnce() -> Value) -> Response {
    let mut response = if version.is_known(call.request.headers()) {
        not_modified()
    } else {
        respond(StatusCode::OK, &describe())
    };
    version.tell(&mut response);
    response
}

/// The request's body as JSON, which it must say it is.
pub(super) fn json_in(request: &Request) -> Result<Value, ApiError> {
    let content_type = request.headers().get(http::header::CONTENT_TYPE);
    let content_type = content_type
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if !content_type.to_ascii_lowercase().starts_with("application/json") {
        let message =
            format!("Content-Type header specified in HTTP request is not supported: {content_type}");
        return Err(ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "UNSUPPORTED_MEDIA_TYPE",
            message,
        ));
    }
    serde_json::from_slice(request.body()).map_err(|error| {
        ApiError::json_parser(format!(
            "Unexpected character at [line:{}, column:{}]",
            error.line(),
            error.column()
        ))
    })
}

/// The request's body as one record.
fn record_in(request: &Request) -> Result<Fields, ApiError> {
    let content_type = request.headers().get(http::header::CONTENT_TYPE);
    let content_type = content_type
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if let Some(boundary) = multipart::boundary(content_type) {
        return multipart::record(request.body(), boundary);
    }
    match json_in(request)? {
        Value::Object(fields) => Ok(fields),
        _ => Err(ApiError::json_parser(
            "The HTTP entity body is required, but this request has no entity body.",
        )),
    }
}
