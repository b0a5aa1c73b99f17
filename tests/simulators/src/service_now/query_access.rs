//! What the instance does to a query before it runs: conditions it does not understand or does not allow are dropped,
//! refused or answered with nothing.
//!
//! Sources: ServiceNow docs, "Encoded query strings" (invalid parts), "Query ACL rules" (`query_match`, `query_range`).

use super::ServiceNow;
use super::acl::Operation;
use super::errors::ApiError;
use super::query::evaluator::Scope;
use super::query::{EncodedQuery, OrderBy, Term, parse};
use super::request::Call;
use super::schema::InternalType;
use super::switches::InvalidQuery;
use super::users::Principal;

/// A query after the instance has looked at it.
pub(super) enum Admitted {
    /// What is left of it.
    Run(EncodedQuery),
    /// It has an invalid part, and the instance answers such queries with nothing.
    NoRows,
}

impl ServiceNow {
    /// `sysparm_query`, or else the `name=value` parameters, which take display values of choices and references as
    /// well (ServiceNow docs: Table API, name-value pairs).
    pub(super) fn asked_query(&self, call: &Call<'_>, principal: &Principal, table: &str) -> EncodedQuery {
        if let Some(text) = call.parameters.get("sysparm_query") {
            return parse(text, self.switches.caret_escape);
        }
        let filters = call.parameters.filters().map(|(name, value)| {
            let column = self.schema.column(table, name).filter(|column| {
                column.choice.is_list() || matches!(column.internal_type, InternalType::Reference { .. })
            });
            let stored = column.map(|column| self.stored_from_display(principal, table, column, value));
            format!("{name}={}", stored.as_deref().unwrap_or(value))
        });
        let text = filters.collect::<Vec<_>>().join("^");
        parse(&text, self.switches.caret_escape)
    }

    /// Drops what the instance drops: conditions on fields that do not exist or may not be read (where it does not
    /// refuse them), and those that a query ACL forbids.
    pub(super) fn admit(
        &self,
        scope: &Scope<'_>,
        principal: &Principal,
        table: &str,
        mut query: EncodedQuery,
    ) -> Result<Admitted, ApiError> {
        let access = Access {
            instance: self,
            scope,
            principal,
        };
        let has_invalid = access.drop_invalid(table, &mut query);
        let returns_nothing =
            || has_invalid && self.property("glide.invalid_query.returns_no_rows") == "true";
        match self.switches.invalid_query {
            InvalidQuery::Ignored if returns_nothing() => return Ok(Admitted::NoRows),
            InvalidQuery::Forbidden if has_invalid => return Err(ApiError::query_rights()),
            InvalidQuery::NoRows if has_invalid => return Ok(Admitted::NoRows),
            _ => {}
        }
        access.drop_forbidden(table, &mut query);
        Ok(Admitted::Run(query))
    }
}

/// A caller's rights over the columns that a query names.
struct Access<'a> {
    instance: &'a ServiceNow,
    scope: &'a Scope<'a>,
    principal: &'a Principal,
}

impl Access<'_> {
    fn may(&self, table: &str, path: &str, operation: Operation) -> bool {
        let instance = self.instance;
        self.scope.column(table, path).is_some_and(|(owner, column)| {
            instance.acls.could(
                &instance.schema,
                &self.principal.roles,
                owner,
                Some(&column.name),
                operation,
            )
        })
    }

    fn may_read_table(&self, table: &str) -> bool {
        let instance = self.instance;
        let known = instance.schema.table(table).is_some();
        let roles = &self.principal.roles;
        known
            && instance
                .acls
                .could(&instance.schema, roles, table, None, Operation::Read)
    }

    /// Takes out what names nothing that the caller can read; whether there was any.
    fn drop_invalid(&self, table: &str, query: &mut EncodedQuery) -> bool {
        let mut dropped = !query.unreadable.is_empty();
        let readable = |path: &str| self.may(table, path, Operation::Read);
        query.retain(
            |term| {
                let keeps = match term {
                    Term::Compare(condition) => readable(&condition.field),
                    Term::Related(related) => {
                        let keeps = readable(&related.field)
                            && self.may_read_table(&related.table)
                            && self.may(&related.table, &related.reference, Operation::Read);
                        dropped |= keeps && self.drop_invalid(&related.table, &mut related.query);
                        keeps
                    }
                    Term::Text(_) => true,
                };
                dropped |= !keeps;
                keeps
            },
            |_| true,
        );
        let sorts = query.order.len();
        query.retain(|_| true, |key: &OrderBy| readable(&key.field));
        dropped || query.order.len() < sorts
    }

    /// Takes out what a query ACL forbids: the caller is not told (ServiceNow docs: "Part of the query … has been
    /// ignored because of insufficient access" reaches the screen, not the REST answer).
    fn drop_forbidden(&self, table: &str, query: &mut EncodedQuery) {
        query.retain(
            |term| match term {
                Term::Compare(condition) => {
                    let range = condition.operator.is_range();
                    let needed = if range {
                        Operation::QueryRange
                    } else {
                        Operation::QueryMatch
                    };
                    self.may(table, &condition.field, needed)
                }
                Term::Related(related) => {
                    self.drop_forbidden(&related.table, &mut related.query);
                    self.may(&related.table, &related.reference, Operation::QueryMatch)
                }
                Term::Text(_) => true,
            },
            |key| self.may(table, &key.field, Operation::QueryRange),
        );
    }
}
