//! Single records: `GET`, `POST`, `PATCH` and `DELETE` under `sobjects/X`.

use std::sync::Arc;

use http::header::LOCATION;
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};

use super::conditional::{Version, not_modified};
use super::dispatch::Call;
use super::error::{ApiError, no_content, respond};
use super::external_id::named_twice;
use super::field::Field;
use super::query::render;
use super::schema::Object;
use super::store::is_deleted;
use super::users::User;
use super::{Salesforce, ids};
use crate::model::{Fields, Response};

impl Salesforce {
    /// `GET sobjects/X/{id}[?fields=a,b]`.
    pub(crate) fn get_record(
        &self,
        object: &Object,
        id: &str,
        call: &Call<'_>,
    ) -> Result<Response, ApiError> {
        let id = own_id(object, id)?;
        let row = self.store.row(&object.name, &id);
        let row = row.and_then(|row| row.seen_at(call.now));
        let row = row.ok_or_else(ApiError::not_found)?;
        if is_deleted(row) {
            return Err(self.settings.deleted_record());
        }
        let only = call.parameter("fields");
        let fields = visible_fields(object, only.as_deref(), call.user)?;
        let stands = Version::of_record(object, row);
        let mut response = if stands.is_known(call.request.headers()) {
            not_modified()
        } else {
            stands.allows_read(call.request.headers())?;
            respond(StatusCode::OK, &render(object, row, &fields, call.version))
        };
        stands.tell(&mut response);
        Ok(response)
    }

    /// `POST sobjects/X`.
    pub(crate) fn create_record(
        &mut self,
        object: &Arc<Object>,
        given: &Fields,
        call: &Call<'_>,
    ) -> Response {
        match self.insert(object, given, &call.author(), call.now) {
            Ok(id) => {
                let mut response = respond(
                    StatusCode::CREATED,
                    &json!({"id": id, "success": true, "errors": []}),
                );
                let location = format!("/services/data/{}/sobjects/{}/{id}", call.version, object.name);
                if let Ok(location) = HeaderValue::from_str(&location) {
                    response.headers_mut().insert(LOCATION, location);
                }
                response
            }
            Err(errors) => refuse(&errors),
        }
    }

    /// `PATCH sobjects/X/{id}`.
    pub(crate) fn update_record(
        &mut self,
        object: &Arc<Object>,
        id: &str,
        given: &Fields,
        call: &Call<'_>,
    ) -> Result<Response, ApiError> {
        let id = own_id(object, id)?;
        if given.keys().any(|key| key.eq_ignore_ascii_case("id")) {
            return Err(named_twice("Id"));
        }
        // The service locks the row before it looks, so this is what stands, committed or not.
        if let Some(row) = self.store.row(&object.name, &id).filter(|row| !row.is_deleted()) {
            Version::of_record(object, &row.fields).allows_write(call.request.headers())?;
        }
        let done = self.update(object, &id, given, &call.author(), call.now);
        Ok(done.map_or_else(|errors| refuse(&errors), |()| no_content()))
    }

    /// `DELETE sobjects/X/{id}`.
    pub(crate) fn delete_record(
        &mut self,
        object: &Arc<Object>,
        id: &str,
        call: &Call<'_>,
    ) -> Result<Response, ApiError> {
        let id = own_id(object, id)?;
        let done = self.delete(object, &id, &call.author(), call.now);
        Ok(done.map_or_else(|errors| refuse(&errors), |()| no_content()))
    }
}

/// The id in 18 characters, if it can be one of this object's records.
fn own_id(object: &Object, id: &str) -> Result<String, ApiError> {
    ids::canonical(id)
        .filter(|id| id.starts_with(&object.key_prefix))
        .ok_or_else(|| {
            let message = format!("Provided external ID field does not exist or is not accessible: {id}");
            ApiError::new(StatusCode::NOT_FOUND, "NOT_FOUND", message)
        })
}

/// The fields named in a comma-joined list, or all, that the user may see.
pub(crate) fn visible_fields<'a>(
    object: &'a Object,
    only: Option<&str>,
    user: &User,
) -> Result<Vec<&'a Field>, ApiError> {
    let sees = |field: &&Field| !user.is_hidden(&object.name, &field.name);
    let Some(only) = only else {
        return Ok(object.fields.iter().filter(sees).collect());
    };
    let names = only.split(',').map(str::trim).filter(|name| !name.is_empty());
    let mut fields: Vec<&Field> = Vec::new();
    for name in names {
        let field = object.field(name).filter(sees).ok_or_else(|| {
            ApiError::bad_request(
                "INVALID_FIELD",
                format!("No such column '{name}' on sobject of type {}", object.name),
            )
        })?;
        fields.push(field);
    }
    // The id comes along, asked for or not.
    if !fields.iter().any(|field| field.name == "Id") {
        fields.extend(object.field("Id"));
    }
    Ok(fields)
}

/// All errors of one record, under the status of the first.
pub(crate) fn refuse(errors: &[ApiError]) -> Response {
    let status = errors
        .first()
        .map_or(StatusCode::BAD_REQUEST, |error| error.status);
    respond(
        status,
        &Value::Array(errors.iter().map(ApiError::to_json).collect()),
    )
}
