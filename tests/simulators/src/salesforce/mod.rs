//! Salesforce's REST API as a pure model.
//!
//! Shapes, codes and texts follow Salesforce's REST API Developer Guide, recorded answers of real orgs, and what the
//! common clients parse. What no source settles is a setting.
//!
//! | file | what lives there |
//! |---|---|
//! | `routes`, `dispatch` | what a path and a method ask for, the kind of call it counts as, and who answers it |
//! | `oauth/`, `users`, `limits` | signing in and sessions; rights; the day's allowance |
//! | `schema`, `field`, `describe` | objects and fields, and what they look like to one user |
//! | `soql/`, `query/` | the query language; rows in pages |
//! | `bulk/` | jobs that write or find many rows |
//! | `records`, `external_id`, `collections` | one record a call, by id or by a key of the customer's; and many |
//! | `composite`, `reference`, `tree` | many requests a call, and records with their children |
//! | `conditional` | conditions on reads and writes |
//! | `recycle_bin`, `replication` | how records go and come back, and what changed in a window of time |
//! | `duplicates`, `record_types` | what looks like a duplicate; which values a kind of record may have |
//! | `files`, `multipart` | documents, their versions and links, attachments; bodies with a file beside the record |
//! | `screen`, `value`, `rules`, `dml`, `store` | the one way in which records are written, by clients and people alike |
//! | `ids`, `error` | the forms of ids and of errors |
//! | `settings` | what is configurable, with the facts on which sources disagree |
//! | `admin`, `door` | what an administrator and people do, from code and as JSON |

mod admin;
mod bulk;
mod collections;
mod composite;
mod conditional;
mod describe;
mod dispatch;
mod dml;
mod door;
mod duplicates;
mod error;
mod external_id;
mod field;
mod files;
mod ids;
mod limits;
mod multipart;
mod oauth;
mod query;
mod record_types;
mod records;
mod recycle_bin;
mod reference;
mod replication;
mod routes;
mod rules;
mod schema;
mod screen;
mod settings;
mod soql;
mod store;
#[cfg(test)]
mod tests;
mod tree;
mod users;
mod value;

use http::header::HOST;
use http::{Method, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};

pub use self::admin::{CLIENT_ID, CLIENT_SECRET, INTEGRATION_PASSWORD, INTEGRATION_USER};
pub use self::bulk::BulkSwitches;
use self::bulk::Jobs;
use self::dispatch::Call;
pub use self::duplicates::{DuplicateAction, DuplicateRule};
use self::error::{ApiError, respond};
pub use self::field::{Field, FieldType, PicklistValue};
use self::limits::Limits;
pub use self::limits::{CallRefusal, RefusalReason};
use self::oauth::{RefreshTokens, Sessions};
pub use self::query::CursorValues;
use self::query::Cursors;
pub use self::record_types::RecordType;
use self::routes::{Resource, Route, route};
use self::rules::Rules;
pub use self::rules::{RowLock, Trigger, ValidationRule};
pub use self::schema::Object;
use self::schema::Schema;
use self::screen::Author;
pub use self::settings::{ItemErrorKey, SessionRefusal, Settings, WrongType};
use self::store::Store;
use self::users::Directory;
pub use self::users::{AppPolicy, FieldAccess, ObjectRights, UserState};
use crate::calls::CallKind;
use crate::model::{Model, Request, Response, Write};

/// The API versions served, newest last: Spring '14 to Winter '27.
const VERSIONS: std::ops::RangeInclusive<u32> = 31..=68;

/// The longest request address, in characters.
const LONGEST_URI: usize = 16_384;

/// One simulated org.
#[derive(Debug, Clone)]
pub struct Salesforce {
    /// What is configurable about it.
    pub settings: Settings,
    schema: Schema,
    store: Store,
    directory: Directory,
    sessions: Sessions,
    refresh_tokens: RefreshTokens,
    rules: Rules,
    limits: Limits,
    cursors: Cursors,
    jobs: Jobs,
    writes: Vec<Write>,
    /// The kind of call being answered.
    handling: Option<CallKind>,
}

impl Model for Salesforce {
    fn handle(&mut self, request: &Request, now: Timestamp) -> Response {
        self.expire_deleted(now);
        self.schema.settle(now);
        self.settle_jobs(now);
        self.handling = Some(routes::kind(request));
        if request.uri().to_string().len() > LONGEST_URI {
            let mut response = Response::new(bytes::Bytes::from_static(b"<h1>414 URI Too Long</h1>"));
            *response.status_mut() = StatusCode::URI_TOO_LONG;
            return response;
        }
        match (route(request), request.method()) {
            (Route::Token, &Method::POST) => self.token(request, now),
            (Route::UserInfo, &Method::GET | &Method::POST) => self.user_info(request, now),
            (Route::Identity, &Method::GET | &Method::POST) => self.identity(request, now),
            (Route::Revoke, &Method::POST) => self.revoke(request),
            (Route::Soap(version), &Method::POST) => self.soap(&version, request, now),
            (Route::Versions, &Method::GET) => versions(),
            (
                Route::Token
                | Route::UserInfo
                | Route::Identity
                | Route::Revoke
                | Route::Soap(_)
                | Route::Versions,
                method,
            ) => not_allowed(method).into(),
            (Route::Data { version, resource }, _) => {
                let mut response = self
                    .data(request, &version, &resource, now)
                    .unwrap_or_else(Response::from);
                self.limits.report(&mut response, now, &self.settings);
                response
            }
            (Route::Nothing, _) => ApiError::not_found().into(),
        }
    }

    fn classify(&self, request: &Request) -> CallKind {
        routes::kind(request)
    }

    fn settle(&mut self, now: Timestamp) -> Option<CallKind> {
        self.settle_jobs(now);
        Some(bulk::RUN)
    }

    fn writes(&self) -> &[Write] {
        &self.writes
    }
}

impl Salesforce {
    /// Answers a request to the REST API proper.
    fn data(
        &mut self,
        request: &Request,
        version: &str,
        resource: &Resource,
        now: Timestamp,
    ) -> Result<Response, ApiError> {
        if !is_known_version(version) || *resource == Resource::Nothing {
            return Err(ApiError::not_found());
        }
        let user = self.authenticate_for_rest(request, now)?;
        if let Some(refusal) = self.limits.refusal(self.handling) {
            return Err(refusal);
        }
        if self.limits.used(now) >= self.settings.daily_requests {
            let message = "TotalRequests Limit exceeded.";
            return Err(ApiError::new(
                StatusCode::FORBIDDEN,
                "REQUEST_LIMIT_EXCEEDED",
                message,
            ));
        }
        self.limits.count(now);
        let call = Call {
            request,
            version,
            user: &user,
            now,
        };
        self.dispatch(resource, &call)
    }
}

/// Whether a version, as `v62.0`, is served.
fn is_known_version(version: &str) -> bool {
    let number = version
        .strip_prefix('v')
        .and_then(|number| number.strip_suffix(".0"));
    number
        .and_then(|number| number.parse().ok())
        .is_some_and(|number| VERSIONS.contains(&number))
}

fn not_allowed(method: &Method) -> ApiError {
    let message = format!("HTTP Method '{method}' not allowed.");
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", message)
}

/// `GET /services/data`, which needs no session.
fn versions() -> Response {
    let versions: Vec<Value> = VERSIONS
        .map(|number| {
            // Three releases a year: 31 was Summer '14.
            let since = number - 31;
            let (season, year) = match since % 3 {
                0 => ("Summer", 14 + since / 3),
                1 => ("Winter", 15 + since / 3),
                _ => ("Spring", 15 + since / 3),
            };
            json!({
                "label": format!("{season} '{year}"),
                "url": format!("/services/data/v{number}.0"),
                "version": format!("{number}.0"),
            })
        })
        .collect();
    respond(StatusCode::OK, &Value::Array(versions))
}

/// The address that a request was sent to. Loopback is plain HTTP; everything else, TLS.
fn base_url(request: &Request) -> String {
    if let (Some(scheme), Some(authority)) = (request.uri().scheme_str(), request.uri().authority()) {
        return format!("{scheme}://{authority}");
    }
    let host = request
        .headers()
        .get(HOST)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("localhost");
    let loopback = ["127.", "localhost", "[::1]"]
        .iter()
        .any(|local| host.starts_with(local));
    format!("{}://{host}", if loopback { "http" } else { "https" })
}
