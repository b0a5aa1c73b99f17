//! The port, call by call.

use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;

use super::client::{Ask, Reply};
use super::describe::Described;
use super::query::{self, Row, Scope};
use super::{Salesforce, collections, deletions, describe, errors, write};
use crate::adapters::http::{call, failure};
use crate::core::ident::{FieldName, ObjectName, RecordId};
use crate::core::record::{DeletionProof, Observation, Record};
use crate::core::schema::ObjectSchema;
use crate::core::side::Side;
use crate::core::time::Instant;
use crate::core::value::Value;
use crate::ports::{
    ChangePage, ChangeQuery, CreateItem, Deletions, Identity, Remote, RemoteError, RemoteLimits, UpdateItem,
    WriteOutcome,
};

/// Rows of a page: the most that one query call gives.
const PAGE: usize = 2000;

/// Ids or values of a look-up.
const LOOK_UP: usize = 200;

/// Records that one look-up may find before it counts as a mistake of the mapping.
const MOST_MATCHES: usize = 10_000;

#[async_trait]
impl Remote for Salesforce {
    async fn identity(&self) -> Result<Identity, RemoteError> {
        #[derive(Deserialize)]
        struct UserInfo {
            organization_id: String,
        }
        const ACTION: &str = "identity";
        let ask = Ask::read(ACTION, "/services/oauth2/userinfo".to_owned());
        let response = self.client.read(&ask, "the signed-in user").await?;
        let body = |fault| failure::body(Side::Salesforce, ACTION, response.status(), fault);
        let info: UserInfo = call::json(response.body()).map_err(body)?;
        let id = RecordId::parse(Side::Salesforce, &info.organization_id)
            .map_err(|_| body(call::BodyFault::UnexpectedShape))?;
        Ok(Identity {
            id: id.as_str().to_owned(),
            server_time: call::server_time(response.headers())
                .ok_or_else(|| query::no_server_time(ACTION))?,
        })
    }

    async fn describe(&self, object: &ObjectName) -> Result<ObjectSchema, RemoteError> {
        let described = describe::describe(&self.client, object).await?;
        self.note_replicated(&described);
        Ok(described.schema)
    }

    /// One query call. Where Salesforce splits the page (long text fields make it), its first batch *is* the page, a
    /// shorter one that does not claim to be complete: going on by key costs the same calls as following a locator,
    /// and cannot expire. A page too large to be accepted is asked for again at half its length.
    async fn read_changes(&self, query: &ChangeQuery) -> Result<ChangePage, RemoteError> {
        let mut limit = query.limit.clamp(1, PAGE);
        loop {
            match self.change_page(query, limit).await {
                Err(error) if error.problem.reason.as_str() == "AnswerTooLarge" && limit > 1 => limit /= 2,
                other => return other,
            }
        }
    }

    async fn read_ids(
        &self,
        schema: &ObjectSchema,
        ids: &[RecordId],
        fields: &[FieldName],
    ) -> Result<BTreeMap<RecordId, Observation>, RemoteError> {
        const ACTION: &str = "read_ids";
        let mut known: BTreeMap<RecordId, Observation> = BTreeMap::new();
        let literals: Vec<String> = ids.iter().map(|id| query::string_literal(id.as_str())).collect();
        let select = format!(
            "SELECT {} FROM {} WHERE Id IN ",
            query::field_list(fields, &["IsDeleted"]),
            schema.object
        );
        for soql in in_lists(&select, &literals) {
            let ask = query::ask(&self.client, ACTION, Scope::WithDeleted, &soql);
            let rows = query::every(&self.client, &ask, schema.object.as_str(), MOST_MATCHES, |row| {
                observation(ACTION, schema, fields, row)
            })
            .await?;
            known.extend(rows);
        }
        known.retain(|id, _| ids.contains(id));
        let missing: Vec<&RecordId> = ids.iter().filter(|id| !known.contains_key(id)).collect();
        let proves = !missing.is_empty() && self.sees_every_record(schema).await?;
        for id in missing {
            let seen = if proves {
                self.look_for(schema, id, fields).await?
            } else {
                Observation::NotVisible
            };
            known.insert(id.clone(), seen);
        }
        Ok(known)
    }

    async fn find(
        &self,
        schema: &ObjectSchema,
        field: &FieldName,
        values: &[Value],
        fields: &[FieldName],
    ) -> Result<Vec<Record>, RemoteError> {
        const ACTION: &str = "find";
        let Some(kind) = schema.fields.get(field).map(|field| &field.kind) else {
            return Err(failure::misconfigured(
                "UnknownField",
                format!("{} has no field {field} for the connection's user", schema.object),
            ));
        };
        let literals: Vec<String> = values
            .iter()
            .filter_map(|value| query::literal(kind, value))
            .collect();
        let select = format!(
            "SELECT {} FROM {} WHERE {field} IN ",
            query::field_list(fields, &[]),
            schema.object
        );
        // Keyed by id: a text in two lists' collation must not be found twice.
        let mut found: BTreeMap<RecordId, Record> = BTreeMap::new();
        for soql in in_lists(&select, &literals) {
            let ask = query::ask(&self.client, ACTION, Scope::Present, &soql);
            let rows = query::every(&self.client, &ask, schema.object.as_str(), MOST_MATCHES, |row| {
                query::record(ACTION, schema, fields, row)
            })
            .await?;
            found.extend(rows.into_iter().map(|record| (record.id.clone(), record)));
        }
        Ok(found.into_values().collect())
    }

    async fn create(
        &self,
        schema: &ObjectSchema,
        items: &[CreateItem],
    ) -> Result<Vec<WriteOutcome>, RemoteError> {
        write::create(&self.client, schema, items).await
    }

    async fn update(
        &self,
        schema: &ObjectSchema,
        items: &[UpdateItem],
    ) -> Result<Vec<WriteOutcome>, RemoteError> {
        write::update(&self.client, schema, items).await
    }

    async fn delete(
        &self,
        schema: &ObjectSchema,
        ids: &[RecordId],
    ) -> Result<Vec<WriteOutcome>, RemoteError> {
        write::delete(&self.client, schema, ids).await
    }

    async fn read_deletions(&self, schema: &ObjectSchema, since: Instant) -> Result<Deletions, RemoteError> {
        if !self.is_replicated(&schema.object).await? {
            return Ok(deletions::not_replicated(schema));
        }
        let now = match self.client.last_server_time() {
            Some(now) => now,
            None => self.identity().await?.server_time,
        };
        deletions::read(&self.client, schema, since, now).await
    }

    fn limits(&self) -> RemoteLimits {
        RemoteLimits {
            page: PAGE,
            read_ids: LOOK_UP,
            write_batch: collections::LARGEST_BATCH,
            write_timeout: write::TIMEOUT,
            // A synchronous call is cut off after 10 minutes (Salesforce docs: API request limits, time-outs).
            longest_transaction: Duration::from_mins(10),
        }
    }
}

impl Salesforce {
    fn note_replicated(&self, described: &Described) {
        self.replicated
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(described.schema.object.clone(), described.replicateable);
    }

    /// Whether the object has a deletion log.
    async fn is_replicated(&self, object: &ObjectName) -> Result<bool, RemoteError> {
        let known = self
            .replicated
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(object)
            .copied();
        if let Some(known) = known {
            return Ok(known);
        }
        let described = describe::describe(&self.client, object).await?;
        self.note_replicated(&described);
        Ok(described.replicateable)
    }

    async fn change_page(&self, query: &ChangeQuery, limit: usize) -> Result<ChangePage, RemoteError> {
        const ACTION: &str = "read_changes";
        let soql = change_soql(query, limit);
        if query::encoded_length(&soql) > query::LONGEST_QUERY {
            return Err(failure::misconfigured(
                "TooManyFields",
                format!(
                    "the mapped fields of {} do not fit into one query; map fewer",
                    query.schema.object
                ),
            ));
        }
        let ask = query::ask(&self.client, ACTION, Scope::Present, &soql);
        let object = query.schema.object.as_str();
        let response = self.client.read(&ask, object).await?;
        let batch = query::batch(ACTION, &response, |row| {
            query::record(ACTION, &query.schema, &query.fields, row)
        })?;
        prove_order_and_filter(query, limit, &batch.rows)?;
        Ok(ChangePage {
            complete: batch.next.is_none() && batch.rows.len() < limit,
            records: batch.rows,
            server_time: batch.server_time,
            hidden_rows: 0,
            age: Duration::ZERO,
        })
    }

    /// Whether our user sees every record of the object, whoever owns it: only then does "not found" mean that there
    /// is none. Unprovable counts as no.
    async fn sees_every_record(&self, schema: &ObjectSchema) -> Result<bool, RemoteError> {
        const ACTION: &str = "view_all_check";
        let session = self.client.session().await?;
        let Some(user) = &session.user else {
            return Ok(false);
        };
        let soql = format!(
            "SELECT Id FROM ObjectPermissions WHERE SobjectType = {} AND PermissionsViewAllRecords = true AND ParentId \
             IN (SELECT PermissionSetId FROM PermissionSetAssignment WHERE AssigneeId = {}) LIMIT 1",
            query::string_literal(schema.object.as_str()),
            query::string_literal(user.as_str()),
        );
        let ask = query::ask(&self.client, ACTION, Scope::Present, &soql);
        match self.client.send(&ask).await.map_err(|failure| failure.error)? {
            Reply::Success(response) => {
                let batch = query::batch(ACTION, &response, |_| Ok(()))?;
                Ok(!batch.rows.is_empty())
            }
            // The user may not read permissions.
            Reply::Errors { .. } => Ok(false),
        }
    }

    /// A record that no query shows, asked for by its id, by a user who sees every record.
    async fn look_for(
        &self,
        schema: &ObjectSchema,
        id: &RecordId,
        fields: &[FieldName],
    ) -> Result<Observation, RemoteError> {
        const ACTION: &str = "get";
        let object = schema.object.as_str();
        let list = query::field_list(fields, &["IsDeleted"]);
        let ask = Ask::read(
            ACTION,
            self.client
                .data_path(&format!("sobjects/{object}/{id}?fields={list}")),
        );
        match self.client.send(&ask).await.map_err(|failure| failure.error)? {
            Reply::Success(response) => {
                let row: Row<'_> = call::json(response.body())
                    .map_err(|fault| failure::body(Side::Salesforce, ACTION, response.status(), fault))?;
                Ok(observation(ACTION, schema, fields, &row)?.1)
            }
            Reply::Errors { errors, .. }
                if errors::has_code(&errors, "NOT_FOUND")
                    || errors::has_code(&errors, "ENTITY_IS_DELETED") =>
            {
                Ok(Observation::Gone(DeletionProof::NotFound))
            }
            Reply::Errors { status, errors } => Err(errors::whole_call(ACTION, object, status, &errors)),
        }
    }
}

/// `select ('a','b',…)`, in as many queries as their length needs.
fn in_lists(select: &str, literals: &[String]) -> Vec<String> {
    let room = query::LONGEST_QUERY.saturating_sub(query::encoded_length(select));
    let separator = query::encoded_length(",");
    let mut queries = Vec::new();
    let mut list: Vec<&str> = Vec::new();
    let mut length = 0;
    for literal in literals {
        let more = query::encoded_length(literal) + separator;
        if !list.is_empty() && length + more > room {
            queries.push(format!("{select}({})", list.join(",")));
            list.clear();
            length = 0;
        }
        list.push(literal);
        length += more;
    }
    if !list.is_empty() {
        queries.push(format!("{select}({})", list.join(",")));
    }
    queries
}

fn observation(
    action: &str,
    schema: &ObjectSchema,
    fields: &[FieldName],
    row: &Row<'_>,
) -> Result<(RecordId, Observation), RemoteError> {
    let record = query::record(action, schema, fields, row)?;
    let deleted = row.get("IsDeleted").is_some_and(|raw| raw.get() == "true");
    let id = record.id.clone();
    Ok((
        id,
        if deleted {
            Observation::Gone(DeletionProof::SoftDeleted)
        } else {
            Observation::Present(record)
        },
    ))
}

/// Rows after a key, in the order of the key: nothing is lost between pages, whatever changes meanwhile.
fn change_soql(query: &ChangeQuery, limit: usize) -> String {
    let mut conditions = Vec::new();
    match &query.after {
        None => {}
        Some((at, None)) => conditions.push(format!("SystemModstamp >= {at}")),
        Some((at, Some(id))) => conditions.push(format!(
            "((SystemModstamp = {at} AND Id > {}) OR SystemModstamp > {at})",
            query::string_literal(id.as_str())
        )),
    }
    if let Some(from) = query.created_from {
        conditions.push(format!("CreatedDate >= {from}"));
    }
    let filter = if conditions.is_empty() {
        String::new()
    } else {
        format!(" WHERE {}", conditions.join(" AND "))
    };
    format!(
        "SELECT {} FROM {}{filter} ORDER BY SystemModstamp, Id LIMIT {limit}",
        query::field_list(&query.fields, &[]),
        query.schema.object
    )
}

/// A row out of order or outside the filter means that what we conclude from the page would be wrong.
fn prove_order_and_filter(query: &ChangeQuery, limit: usize, rows: &[Record]) -> Result<(), RemoteError> {
    let ignored = |what: &str| {
        Err(failure::misconfigured(
            "FilterIgnored",
            format!(
                "Salesforce answered a query on {} with rows {what}; nothing is concluded from them",
                query.schema.object
            ),
        ))
    };
    if rows.len() > limit {
        return ignored("beyond its limit");
    }
    let key = |record: &Record| (record.version.modified, record.id.clone());
    let mut last: Option<(Instant, RecordId)> = None;
    for record in rows {
        let after_start = match &query.after {
            None => true,
            Some((at, None)) => record.version.modified >= *at,
            Some((at, Some(id))) => (record.version.modified, &record.id) > (*at, id),
        };
        if !after_start {
            return ignored("before its start");
        }
        if query.created_from.is_some_and(|from| record.created_at < from) {
            return ignored("created before its start");
        }
        let this = key(record);
        if last.is_some_and(|last| last >= this) {
            return ignored("out of order");
        }
        last = Some(this);
    }
    Ok(())
}
