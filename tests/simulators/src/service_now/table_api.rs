//! The Table API: reading.
//!
//! Source: ServiceNow docs, "Table API". The limit is applied before access rules, so a page may be shorter than
//! asked for, or empty, with more rows behind it.

use http::{Method, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::ServiceNow;
use super::acl::Operation;
use super::answer;
use super::clock;
use super::errors::ApiError;
use super::pagination::Page;
use super::query::order::{Row, sort};
use super::query_access::Admitted;
use super::request::Call;
use super::store::Reading;
use super::switches::DeniedTable;
use super::users::Principal;
use crate::model::Response;

/// Rows of a page where the client names no limit.
const DEFAULT_LIMIT: usize = 10_000;

impl ServiceNow {
    /// Answers a request to `/table/{table}` or `/table/{table}/{sys_id}`.
    pub(super) fn table(
        &mut self,
        call: &Call<'_>,
        principal: &Principal,
        table: &str,
        sys_id: Option<&str>,
        version_1: bool,
        now: Timestamp,
    ) -> Result<Response, ApiError> {
        if self.schema.table(table).is_none() {
            return Err(ApiError::invalid_table(table));
        }
        match (&call.method, sys_id) {
            (&Method::GET | &Method::HEAD, Some(sys_id)) => self.get_one(call, principal, table, sys_id, now),
            (&Method::GET | &Method::HEAD, None) => {
                self.requests += 1;
                self.list(call, principal, table, version_1, now)
            }
            (&Method::POST, None) => self.create(call, principal, table, now),
            (&Method::PUT | &Method::PATCH, Some(sys_id)) => self.modify(call, principal, table, sys_id, now),
            (&Method::DELETE, Some(sys_id)) => self.delete(principal, table, sys_id, now),
            _ => Err(ApiError::method()),
        }
    }

    fn get_one(
        &self,
        call: &Call<'_>,
        principal: &Principal,
        table: &str,
        sys_id: &str,
        now: Timestamp,
    ) -> Result<Response, ApiError> {
        self.check_table_read(principal, table)?;
        let scope = self.scope(principal, now);
        let lagging = Reading {
            written_by: self.replica_time(now),
            listed_by: None,
        };
        let found = self.store.find(&self.schema, table, sys_id, lagging);
        let readable = found.filter(|row| {
            self.acls
                .may(&scope, &principal.roles, *row, None, Operation::Read)
        });
        let row = readable.ok_or_else(ApiError::no_record)?;
        let shown = self.render(
            &scope,
            principal,
            table,
            row,
            &self.rendering(&call.parameters, table),
        );
        Ok(answer::json(StatusCode::OK, &json!({"result": shown})))
    }

    fn list(
        &self,
        call: &Call<'_>,
        principal: &Principal,
        table: &str,
        version_1: bool,
        now: Timestamp,
    ) -> Result<Response, ApiError> {
        let may_read = self
            .acls
            .could(&self.schema, &principal.roles, table, None, Operation::Read);
        if self.switches.denied_table == DeniedTable::Forbidden {
            self.check_table_read(principal, table)?;
        }
        let parameters = &call.parameters;
        let scope = self.scope(principal, now);
        let matched = self.matching(call, principal, table, now)?;
        let page = Page {
            total: matched.len(),
            limit: parameters.count("sysparm_limit").unwrap_or(DEFAULT_LIMIT),
            offset: parameters.count("sysparm_offset").unwrap_or(0),
        };
        let rendering = self.rendering(parameters, table);
        let rows: Vec<Value> = matched
            .into_iter()
            .skip(page.offset)
            .take(page.limit)
            .filter(|row| {
                may_read
                    && self
                        .acls
                        .may(&scope, &principal.roles, *row, None, Operation::Read)
            })
            .map(|row| Value::Object(self.render(&scope, principal, table, row, &rendering)))
            .collect();
        let mut response = match self.switches.truncates_lists_over {
            Some(most) if rows.len() > most => truncated(&rows, most),
            _ if version_1 && rows.is_empty() => ApiError::no_record().response(),
            _ => answer::json(StatusCode::OK, &json!({"result": rows})),
        };
        let no_count = parameters.flag("sysparm_no_count");
        if !no_count {
            answer::set(&mut response, "x-total-count", &page.total.to_string());
        }
        if !parameters.flag("sysparm_suppress_pagination_header")
            && let Some(links) = page.links(&self.instance_url, call.request.uri(), no_count)
        {
            answer::set(&mut response, "link", &links);
        }
        Ok(response)
    }

    /// The rows that the request's query finds, in its order, before any access rule for rows.
    pub(super) fn matching<'a>(
        &'a self,
        call: &Call<'_>,
        principal: &'a Principal,
        table: &'a str,
        now: Timestamp,
    ) -> Result<Vec<Row<'a>>, ApiError> {
        let scope = self.scope(principal, now);
        let reading = Reading {
            written_by: self.replica_time(now),
            listed_by: self.lists_late().then_some(now),
        };
        match self.admit(&scope, principal, table, self.asked_query(call, principal, table))? {
            Admitted::NoRows => Ok(Vec::new()),
            Admitted::Run(query) => {
                let rows = self.store.rows(&self.schema, table, reading);
                let matching = rows.filter(|row| scope.matches(&query, *row)).collect();
                let shuffle = self.switches.shuffles_ties.then_some(self.requests);
                Ok(sort(matching, &query.order, &scope, shuffle))
            }
        }
    }

    /// The moment up to which the replica that answers reads is current.
    /// Where nothing is listed late, a clock that is set back hides nothing either.
    fn lists_late(&self) -> bool {
        self.switches.late_commit_seconds > 0
    }

    fn replica_time(&self, now: Timestamp) -> Timestamp {
        if self.switches.replica_lag_seconds == 0 {
            return Timestamp::MAX;
        }
        clock::later(now, -self.switches.replica_lag_seconds)
    }

    pub(super) fn check_table_read(&self, principal: &Principal, table: &str) -> Result<(), ApiError> {
        let may = self
            .acls
            .could(&self.schema, &principal.roles, table, None, Operation::Read);
        match self.switches.denied_table {
            _ if may => Ok(()),
            DeniedTable::Forbidden => Err(ApiError::not_authorized()),
            DeniedTable::EmptyPage => Err(ApiError::no_record()),
        }
    }
}

/// A list whose transaction was cancelled while it was being streamed: the status had been sent, so it is 200, and
/// the body is no longer JSON.
fn truncated(rows: &[Value], most: usize) -> Response {
    let sent: Vec<String> = rows.iter().take(most).map(Value::to_string).collect();
    let error = json!({
        "message": "Transaction cancelled: maximum execution time exceeded",
        "detail": "maximum execution time exceeded Check logs for error trace or enable glide.rest.debug property \
                   to verify REST request processing",
    });
    let body = format!(
        "{{\"result\":[{},\"error\":{error},\"status\":\"failure\"}}",
        sent.join(",")
    );
    answer::json(StatusCode::OK, &Value::Null).map(|_| body.into())
}
