//! The admin door: what the back door offers to code, as JSON over HTTP. The same for both services.
//!
//! | call | body → answer |
//! |---|---|
//! | `POST /admin/seed` | `{object, fields, at?}` → `{id}`; `{object, records: […], at?}` → `{ids}` |
//! | `POST /admin/edit` | `{object, id, fields, user?}` |
//! | `POST /admin/delete`, `POST /admin/undelete` | `{object, id, user?}` |
//! | `GET /admin/records/{object}[/{id}]` | → the records, or the one (404 when it is not there) |
//! | `POST /admin/fault` | a [`Fault`](crate::faults::Fault) |
//! | `GET`, `DELETE /admin/faults` | → those still on |
//! | `DELETE /admin/faults/{name}` | switches off the one of that name (404 when it is not on) |
//! | `GET`, `DELETE /admin/calls` | → calls, records written and effective writes by kind |
//! | `GET /admin/writes[?from=n]` | → the history of writes from the nth on |
//! | `POST /admin/time-shift` | `{seconds}`: how far the service's clock is ahead → `{now}` |
//! | `GET /admin/now` | → `{now}` |
//! | `POST /admin/{action}` | whatever else the service knows, see its `administer` |
//!
//! Errors are `{error}` with a 400, or a 404 for what is not there.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use url::form_urlencoded;

use super::Served;
use crate::faults::Fault;
use crate::model::{Admin, AdminError, Fields, Request, Response};

/// Who acts when the door is not told.
const SOMEONE: &str = "admin";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Seed {
    object: String,
    #[serde(default)]
    fields: Option<Fields>,
    #[serde(default)]
    records: Vec<Fields>,
    #[serde(default)]
    at: Option<Timestamp>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Edit {
    object: String,
    id: String,
    fields: Fields,
    #[serde(default)]
    user: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Removal {
    object: String,
    id: String,
    #[serde(default)]
    user: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Shift {
    seconds: i64,
}

/// Answers one call to the admin door.
pub(super) fn answer<M: Admin>(served: &Served<M>, request: &Request) -> Response {
    let (status, body) = match act(served, request) {
        Ok(body) => (StatusCode::OK, body),
        Err(error) => {
            let status = match &error {
                AdminError::UnknownRecord { .. }
                | AdminError::UnknownAction(_)
                | AdminError::UnknownFault(_) => StatusCode::NOT_FOUND,
                _ => StatusCode::BAD_REQUEST,
            };
            (status, json!({"error": error.to_string()}))
        }
    };
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}

fn act<M: Admin>(served: &Served<M>, request: &Request) -> Result<Value, AdminError> {
    let now = served.now();
    let path = request
        .uri()
        .path()
        .trim_start_matches("/admin/")
        .trim_end_matches('/');
    let segments: Vec<&str> = path.split('/').collect();
    let mut simulator = served.simulator();
    let done = || Ok(json!({}));
    match (request.method(), segments.as_slice()) {
        (&Method::POST, ["seed"]) => {
            let seed: Seed = body(request)?;
            let at = seed.at.unwrap_or(now);
            if let Some(fields) = &seed.fields {
                return Ok(json!({"id": simulator.model.seed(&seed.object, fields, at)?}));
            }
            let each = seed.records.iter();
            let ids = each.map(|fields| simulator.model.seed(&seed.object, fields, at));
            Ok(json!({"ids": ids.collect::<Result<Vec<_>, _>>()?}))
        }
        (&Method::POST, ["edit"]) => {
            let edit: Edit = body(request)?;
            let user = edit.user.as_deref().unwrap_or(SOMEONE);
            simulator
                .model
                .edit_as_person(&edit.object, &edit.id, &edit.fields, now, user)?;
            done()
        }
        (&Method::POST, [verb @ ("delete" | "undelete")]) => {
            let Removal { object, id, user } = body(request)?;
            let user = user.as_deref().unwrap_or(SOMEONE);
            if *verb == "delete" {
                simulator.model.delete_as_person(&object, &id, now, user)?;
            } else {
                simulator.model.undelete_as_person(&object, &id, now, user)?;
            }
            done()
        }
        (&Method::GET, ["records", object]) => Ok(json!(simulator.model.records(object))),
        (&Method::GET, ["records", object, id]) => {
            let record = simulator.model.record(object, id);
            let unknown = || AdminError::UnknownRecord {
                object: (*object).into(),
                id: (*id).into(),
            };
            Ok(json!(record.ok_or_else(unknown)?))
        }
        (&Method::POST, ["fault"]) => {
            simulator.faults.add(body::<Fault>(request)?);
            done()
        }
        (&Method::GET, ["faults"]) => Ok(json!(simulator.faults)),
        (&Method::DELETE, ["faults"]) => {
            simulator.faults.clear();
            done()
        }
        (&Method::DELETE, ["faults", name]) => {
            if !simulator.faults.switch_off(name) {
                return Err(AdminError::UnknownFault((*name).to_owned()));
            }
            done()
        }
        (&Method::GET, ["calls"]) => Ok(json!(simulator.calls)),
        (&Method::DELETE, ["calls"]) => {
            simulator.calls.reset();
            done()
        }
        (&Method::GET, ["writes"]) => {
            let query = request.uri().query().unwrap_or_default();
            let from = form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == "from");
            let from = from
                .and_then(|(_, from)| from.parse::<usize>().ok())
                .unwrap_or_default();
            Ok(json!(simulator.model.writes().get(from..).unwrap_or_default()))
        }
        (&Method::POST, ["time-shift"]) => {
            let shift: Shift = body(request)?;
            served.shift_clock(SignedDuration::from_secs(shift.seconds));
            Ok(json!({"now": served.now()}))
        }
        (&Method::GET, ["now"]) => Ok(json!({"now": now})),
        (&Method::POST, _) => {
            let given = if request.body().is_empty() {
                Value::Null
            } else {
                body(request)?
            };
            simulator.model.administer(path, &given, now)
        }
        _ => Err(AdminError::UnknownAction(path.to_owned())),
    }
}

fn body<T: DeserializeOwned>(request: &Request) -> Result<T, AdminError> {
    serde_json::from_slice(request.body()).map_err(|error| AdminError::Invalid(error.to_string()))
}
