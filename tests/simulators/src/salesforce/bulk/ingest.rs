//! Jobs that write rows, as a client handles them: made, filled, and asked what became of each row.

use bytes::Bytes;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde::Deserialize;
use serde_json::Value;

use super::address::{Family, Rows};
use super::csv::{ColumnDelimiter, Dialect, LineEnding};
use super::job::{Ingest, Job, Operation, Outcome, State, Work};
use super::{csv_response, invalid_state, read};
use crate::model::Response;
use crate::salesforce::Salesforce;
use crate::salesforce::dispatch::{Call, json_in};
use crate::salesforce::error::ApiError;
use crate::salesforce::external_id::key_field;

/// `POST jobs/ingest`. Keys that are not read are ignored, as the service does.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CreateBody {
    #[serde(default)]
    object: Option<String>,
    operation: Operation,
    #[serde(default)]
    external_id_field_name: Option<String>,
    #[serde(default)]
    assignment_rule_id: Option<String>,
    #[serde(default)]
    content_type: Option<String>,
    #[serde(default)]
    column_delimiter: Option<ColumnDelimiter>,
    #[serde(default)]
    line_ending: Option<LineEnding>,
}

impl Salesforce {
    pub(super) fn create_ingest(&mut self, call: &Call<'_>) -> Result<Value, ApiError> {
        let body: CreateBody = read(&json_in(call.request)?)?;
        let invalid = |message: String| ApiError::bad_request("INVALIDJOB", message);
        let name = body.object.unwrap_or_default();
        let object = self
            .schema
            .object(&name)
            .filter(|object| call.user.rights(&object.name).read)
            .ok_or_else(|| {
                let message = format!("InvalidJob : Unable to find object: {name}");
                ApiError::bad_request("INVALIDENTITY", message)
            })?;
        if body
            .content_type
            .is_some_and(|kind| !kind.eq_ignore_ascii_case("CSV"))
        {
            return Err(invalid("InvalidJob : Unsupported content type".into()));
        }
        let external_id = match (body.operation, body.external_id_field_name) {
            (Operation::Upsert, Some(field)) => {
                let field = key_field(object, &field, call.user).map_err(|_| {
                    invalid(format!(
                        "InvalidJob : Field name provided, {field} does not match an External ID, Salesforce Id, or indexed field for {}",
                        object.name
                    ))
                })?;
                Some(field.name.clone())
            }
            (Operation::Upsert, None) => {
                let message = "InvalidJob : External ID was blank for upsert operation";
                return Err(invalid(message.into()));
            }
            _ => None,
        };
        if body.operation == Operation::HardDelete && !self.settings.bulk.hard_delete_is_allowed {
            let message = "FeatureNotEnabled : hardDelete operation requires special user profile permission, please contact your system administrator";
            return Err(ApiError::bad_request("FEATURENOTENABLED", message));
        }
        let job = Job {
            object: object.name.clone(),
            id: self.jobs.next_id(),
            user: (call.user.name.clone(), call.user.id.clone()),
            version: call.version.to_owned(),
            dialect: Dialect {
                delimiter: body.column_delimiter.unwrap_or_default(),
                line_ending: body.line_ending.unwrap_or_default(),
            },
            state: State::Open,
            created: call.now,
            modified: call.now,
            error: None,
            began: None,
            work: Work::Ingest(Ingest {
                operation: body.operation,
                external_id,
                assignment_rule: body.assignment_rule_id,
                upload: None,
                columns: Vec::new(),
                rows: Vec::new(),
                outcomes: Vec::new(),
            }),
        };
        let shown = job.to_json(false);
        self.jobs.put(job);
        Ok(shown)
    }

    /// `PUT jobs/ingest/{id}/batches`: all rows, once.
    pub(super) fn upload(&mut self, id: &str, call: &Call<'_>) -> Result<Response, ApiError> {
        let mut job = self.jobs.get(Family::Ingest, id)?.clone();
        let content_type = call.request.headers().get(CONTENT_TYPE);
        let content_type = content_type
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        if !content_type.to_ascii_lowercase().starts_with("text/csv") {
            let message =
                format!("Content-Type header specified in HTTP request is not supported: {content_type}");
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return Err(ApiError::new(status, "UNSUPPORTED_MEDIA_TYPE", message));
        }
        if job.state != State::Open {
            let message = format!("Uploading to already {} Job not allowed", job.state.adjective());
            return Err(invalid_state(message));
        }
        let body = call.request.body();
        let most = self.settings.bulk.most_upload_bytes;
        if body.len() > most {
            // The limit is documented; its wording is not.
            let message = format!("ClientInputError : The uploaded data exceeds {most} bytes");
            return Err(ApiError::bad_request("CLIENTINPUTERROR", message));
        }
        let Work::Ingest(ingest) = &mut job.work else {
            return Err(ApiError::not_found());
        };
        if ingest.upload.is_some() {
            let message = format!(
                "Found multiple contents for job: <{}>, please 'Close' / 'Abort' / 'Delete' the current Job then create a new Job and make sure you only do 'PUT' once on a given Job.",
                job.id
            );
            return Err(ApiError::bad_request("CLIENTINPUTERROR", message));
        }
        ingest.upload = Some(body.clone());
        self.jobs.put(job);
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::CREATED;
        Ok(response)
    }

    /// `GET jobs/ingest/{id}/successfulResults` and its siblings.
    pub(super) fn outcome(&self, id: &str, rows: Rows) -> Result<Response, ApiError> {
        let job = self.jobs.get(Family::Ingest, id)?;
        let Work::Ingest(ingest) = &job.work else {
            return Err(ApiError::not_found());
        };
        if !job.state.is_final() {
            let message = format!("Getting results of {} Job not allowed", job.state.adjective());
            return Err(invalid_state(message));
        }
        if self.settings.bulk.results_lost {
            return Err(ApiError::not_found());
        }
        let first: &[&str] = match rows {
            Rows::Successful => &["sf__Id", "sf__Created"],
            Rows::Failed => &["sf__Id", "sf__Error"],
            Rows::Unprocessed => &[],
        };
        let with =
            |first: [String; 2], row: &Vec<String>| first.into_iter().chain(row.iter().cloned()).collect();
        let mut table: Vec<Vec<String>> = match rows {
            Rows::Unprocessed => ingest.rows.iter().skip(ingest.outcomes.len()).cloned().collect(),
            Rows::Successful | Rows::Failed => ingest
                .rows
                .iter()
                .zip(&ingest.outcomes)
                .filter_map(|(row, outcome)| match (outcome, rows) {
                    (Outcome::Written { id, created }, Rows::Successful) => {
                        Some(with([id.clone(), created.to_string()], row))
                    }
                    (Outcome::Refused { id, error }, Rows::Failed) => {
                        Some(with([id.clone(), error.clone()], row))
                    }
                    _ => None,
                })
                .collect(),
        };
        if self.settings.bulk.results_out_of_order {
            scatter(&mut table);
        }
        let header: Vec<String> = first
            .iter()
            .map(|&name| name.to_owned())
            .chain(ingest.columns.iter().cloned())
            .collect();
        Ok(csv_response(
            job.dialect.write([&header].into_iter().chain(&table)),
        ))
    }
}

/// Puts rows in another order, always the same one.
fn scatter(table: &mut [Vec<String>]) {
    table.sort_by_cached_key(|row| {
        let bytes = row.iter().flat_map(|cell| cell.bytes());
        bytes.fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
    });
}
