//! Jobs that find rows, as a client handles them: asked, and read page by page.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use http::{HeaderValue, StatusCode};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::address::Family;
use super::csv::{ColumnDelimiter, Dialect, LineEnding};
use super::job::{Job, Search, State, Work};
use super::{csv_response, days_before, invalid_state, read};
use crate::model::Response;
use crate::salesforce::Salesforce;
use crate::salesforce::dispatch::{Call, json_in};
use crate::salesforce::error::ApiError;
use crate::salesforce::field::FieldType;
use crate::salesforce::query::Asker;
use crate::salesforce::soql::bind::Column;
use crate::salesforce::soql::parser::parse;
use crate::salesforce::soql::{Item, Query, Select, SoqlError};
use crate::salesforce::users::User;

/// `POST jobs/query`. Keys that are not read are ignored, as the service does.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CreateBody {
    operation: Operation,
    query: String,
    #[serde(default)]
    column_delimiter: Option<ColumnDelimiter>,
    #[serde(default)]
    line_ending: Option<LineEnding>,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
enum Operation {
    Query,
    QueryAll,
}

impl Salesforce {
    pub(super) fn create_search(&mut self, call: &Call<'_>) -> Result<Value, ApiError> {
        let body: CreateBody = read(&json_in(call.request)?)?;
        let most = self.settings.bulk.query_jobs_per_day;
        if self.jobs.made_since(Family::Query, days_before(call.now, 1)) >= most {
            let message = "Max bulk v2 query jobs per day exceeded";
            return Err(ApiError::bad_request("LIMIT_EXCEEDED", message));
        }
        let refused = |error: SoqlError| error.in_query(&body.query);
        let query = parse(&body.query).map_err(refused)?;
        supported(&query)?;
        let with_deleted = body.operation == Operation::QueryAll;
        let asker = Asker::new(call, with_deleted);
        let selection = self.select(&query, &asker).map_err(refused)?;
        if selection
            .columns
            .iter()
            .any(|column| column.field.field_type == FieldType::Address)
        {
            return Err(unsupported("Selecting compound data not supported in Bulk Query"));
        }
        let job = Job {
            object: selection.object.name.clone(),
            id: self.jobs.next_id(),
            user: (call.user.name.clone(), call.user.id.clone()),
            version: call.version.to_owned(),
            dialect: Dialect {
                delimiter: body.column_delimiter.unwrap_or_default(),
                line_ending: body.line_ending.unwrap_or_default(),
            },
            state: State::UploadComplete,
            created: call.now,
            modified: call.now,
            error: None,
            began: None,
            work: Work::Query(Search {
                text: body.query,
                with_deleted,
                columns: Vec::new(),
                rows: Vec::new(),
            }),
        };
        let shown = job.to_json(false);
        self.jobs.put(job);
        Ok(shown)
    }

    /// Finds a query job's rows, as they stand at that moment.
    pub(super) fn search(
        &self,
        search: &mut Search,
        version: &str,
        user: &User,
        now: Timestamp,
    ) -> Result<(), SoqlError> {
        let asker = Asker {
            user,
            version,
            now,
            with_deleted: search.with_deleted,
        };
        let query = parse(&search.text)?;
        let selection = self.select(&query, &asker)?;
        let columns = &selection.columns;
        search.columns = columns.iter().map(Column::spelled).collect();
        search.rows = selection
            .rows
            .iter()
            .map(|row| {
                let cells = columns
                    .iter()
                    .map(|column| cell(&self.value_of(column, row, &asker)));
                cells.collect()
            })
            .collect();
        Ok(())
    }

    /// `GET jobs/query/{id}/results?locator=&maxRecords=`.
    pub(super) fn found(&self, id: &str, call: &Call<'_>) -> Result<Response, ApiError> {
        let job = self.jobs.get(Family::Query, id)?;
        let Work::Query(search) = &job.work else {
            return Err(ApiError::not_found());
        };
        if job.state != State::JobComplete {
            let message = format!("Getting results of {} Job not allowed", job.state.adjective());
            return Err(invalid_state(message));
        }
        if self.settings.bulk.results_lost {
            return Err(ApiError::not_found());
        }
        let invalid = |name: &str| {
            let message = format!("The {name} parameter is not valid");
            ApiError::bad_request("INVALID_QUERY_LOCATOR", message)
        };
        let from = match call.parameter("locator").filter(|locator| !locator.is_empty()) {
            Some(locator) => parse_locator(&locator)
                .filter(|from| *from < search.rows.len())
                .ok_or_else(|| invalid("locator"))?,
            None => 0,
        };
        let most = match call.parameter("maxRecords") {
            Some(most) => most
                .parse::<usize>()
                .ok()
                .filter(|most| *most > 0)
                .ok_or_else(|| invalid("maxRecords"))?,
            None => usize::MAX,
        };
        let page = most.min(self.settings.bulk.results_page.max(1));
        let to = search.rows.len().min(from.saturating_add(page));
        let rows = [&search.columns].into_iter().chain(&search.rows[from..to]);
        let mut response = csv_response(job.dialect.write(rows));
        *response.status_mut() = StatusCode::OK;
        let locator = if to < search.rows.len() {
            STANDARD_NO_PAD.encode(to.to_string())
        } else {
            "null".to_owned()
        };
        let headers = response.headers_mut();
        if let Ok(locator) = HeaderValue::from_str(&locator) {
            headers.insert("Sforce-Locator", locator);
        }
        headers.insert("Sforce-NumberOfRecords", HeaderValue::from(to - from));
        Ok(response)
    }
}

fn parse_locator(locator: &str) -> Option<usize> {
    let bytes = STANDARD_NO_PAD.decode(locator).ok()?;
    std::str::from_utf8(&bytes).ok()?.parse().ok()
}

/// What queries of jobs cannot hold (Salesforce docs: Bulk API 2.0, Query Jobs).
fn supported(query: &Query) -> Result<(), ApiError> {
    let Select::Items(items) = &query.select else {
        return Err(unsupported("Aggregate Relationships not supported in Bulk Query"));
    };
    let plain = |item: &Item| matches!(item, Item::Field { .. } | Item::Fields { .. });
    if !query.group.is_empty() || !items.iter().all(plain) {
        return Err(unsupported("Aggregate Relationships not supported in Bulk Query"));
    }
    if query.offset.is_some() {
        return Err(unsupported("OFFSET not supported in Bulk Query"));
    }
    Ok(())
}

/// The texts are recorded, the code is not.
fn unsupported(message: &str) -> ApiError {
    ApiError::bad_request("API_ERROR", message)
}

/// A value as a cell: nothing for null, and moments with a `Z` where records have an offset.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => match text.strip_suffix("+0000") {
            Some(moment) if text.len() == 28 && text.as_bytes().get(10) == Some(&b'T') => {
                format!("{moment}Z")
            }
            _ => text.clone(),
        },
        other => other.to_string(),
    }
}
