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
use super::display::Rendering;
use super::errors::ApiError;
use super::pagination::Page;
use super::query::evaluator::Scope;
use super::query::order::sort;
use super::query::{EncodedQuery, parse};
use super::request::Call;
use super::store::Reading;
use super::switches::{DeniedTable, InvalidQuery};
use super::users::Principal;
use crate::model::Response;

/// Rows of a page where the client names no limit.
const DEFAULT_LIMIT: usize = 10_000;

/// A query after the instance has looked at it.
enum Admitted {
    Run(EncodedQuery),
    /// It has an invalid part, and the instance answers such queries with nothing.
    NoRows,
}

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
            &Rendering::of(&call.parameters, &self.schema, table),
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
        let reading = Reading {
            written_by: self.replica_time(now),
            listed_by: Some(now),
        };
        let matched = match self.admit(&scope, principal, table, self.asked_query(call))? {
            Admitted::NoRows => Vec::new(),
            Admitted::Run(query) => {
                let rows = self.store.rows(&self.schema, table, reading);
                let matching = rows.filter(|row| scope.matches(&query, *row)).collect();
                let shuffle = self.switches.shuffles_ties.then_some(self.requests);
                sort(matching, &query.order, &scope, shuffle)
            }
        };
        let page = Page {
            total: matched.len(),
            limit: parameters.count("sysparm_limit").unwrap_or(DEFAULT_LIMIT),
            offset: parameters.count("sysparm_offset").unwrap_or(0),
        };
        let rendering = Rendering::of(parameters, &self.schema, table);
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

    /// The moment up to which the replica that answers reads is current.
    fn replica_time(&self, now: Timestamp) -> Timestamp {
        clock::later(now, -self.switches.replica_lag_seconds)
    }

    fn check_table_read(&self, principal: &Principal, table: &str) -> Result<(), ApiError> {
        let may = self
            .acls
            .could(&self.schema, &principal.roles, table, None, Operation::Read);
        match self.switches.denied_table {
            _ if may => Ok(()),
            DeniedTable::Forbidden => Err(ApiError::not_authorized()),
            DeniedTable::EmptyPage => Err(ApiError::no_record()),
        }
    }

    /// `sysparm_query`, or else the `name=value` parameters.
    fn asked_query(&self, call: &Call<'_>) -> EncodedQuery {
        if let Some(text) = call.parameters.get("sysparm_query") {
            return parse(text, self.switches.caret_escape);
        }
        let filters = call
            .parameters
            .filters()
            .map(|(name, value)| format!("{name}={value}"));
        let text = filters.collect::<Vec<_>>().join("^");
        parse(&text, self.switches.caret_escape)
    }

    /// Drops what the instance drops: conditions on fields that do not exist or may not be read (where it does not
    /// refuse them), and those that a query ACL forbids.
    fn admit(
        &self,
        scope: &Scope<'_>,
        principal: &Principal,
        table: &str,
        query: EncodedQuery,
    ) -> Result<Admitted, ApiError> {
        let could = |table: &str, field: &str, operation: Operation| {
            self.acls
                .could(&self.schema, &principal.roles, table, Some(field), operation)
        };
        let valid = |path: &str| {
            scope
                .column(table, path)
                .is_some_and(|(owner, column)| could(owner, &column.name, Operation::Read))
        };
        let allowed = |path: &str, operation: Operation| {
            scope
                .column(table, path)
                .is_some_and(|(owner, column)| could(owner, &column.name, operation))
        };
        let has_invalid = !query.unreadable.is_empty()
            || query.conditions().any(|condition| !valid(&condition.field))
            || query.order.iter().any(|key| !valid(&key.field));
        match self.switches.invalid_query {
            InvalidQuery::Forbidden if has_invalid => return Err(ApiError::query_rights()),
            InvalidQuery::NoRows if has_invalid => return Ok(Admitted::NoRows),
            _ => {}
        }
        let query = query.without(
            |condition| {
                let range = condition.operator.is_range();
                let operation = if range {
                    Operation::QueryRange
                } else {
                    Operation::QueryMatch
                };
                valid(&condition.field) && allowed(&condition.field, operation)
            },
            |key| valid(&key.field) && allowed(&key.field, Operation::QueryRange),
        );
        Ok(Admitted::Run(query))
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
