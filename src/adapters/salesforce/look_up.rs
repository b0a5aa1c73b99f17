//! Looking records up: by id, by the value of a field, and whether one is really gone.

use std::collections::BTreeMap;

use super::client::{Ask, Client, Reply};
use super::errors;
use super::query::{self, Row, Scope};
use crate::adapters::http::{call, failure};
use crate::core::ident::{FieldName, RecordId};
use crate::core::record::{DeletionProof, Observation, Record};
use crate::core::schema::ObjectSchema;
use crate::core::side::Side;
use crate::core::value::Value;
use crate::ports::RemoteError;

/// Ids or values of a look-up.
pub(super) const LOOK_UP: usize = 200;

/// Records that one look-up may find before it counts as a mistake of the mapping.
const MOST_MATCHES: usize = 10_000;

/// See [`crate::ports::Remote::read_ids`].
pub(super) async fn read_ids(
    client: &Client,
    schema: &ObjectSchema,
    ids: &[RecordId],
    fields: &[FieldName],
) -> Result<BTreeMap<RecordId, Observation>, RemoteError> {
    const ACTION: &str = "read_ids";
    let mut known: BTreeMap<RecordId, Observation> = BTreeMap::new();
    let select = format!(
        "SELECT {} FROM {} WHERE Id IN ",
        query::field_list(fields, &["IsDeleted"]),
        schema.object
    );
    let literals: Vec<String> = ids.iter().map(|id| query::string_literal(id.as_str())).collect();
    let mut lists = split(&select, &literals);
    while let Some(list) = lists.pop() {
        let what = format!("a query for linked {} records", schema.object);
        let ask = query::ask(client, ACTION, what, Scope::WithDeleted, &in_list(&select, list));
        let rows = query::every(client, &ask, schema.object.as_str(), MOST_MATCHES, |row| {
            observation(&ask.what, schema, fields, row)
        })
        .await;
        match rows {
            Ok(rows) => known.extend(rows),
            // One id that Salesforce takes for none (a stamp that somebody typed) must not hide the others.
            Err(error) if is_about_an_id(&error) => {
                if list.len() > 1 {
                    let (front, back) = list.split_at(list.len() / 2);
                    lists.extend([back, front]);
                }
            }
            Err(error) => return Err(error),
        }
    }
    known.retain(|id, _| ids.contains(id));
    let missing: Vec<&RecordId> = ids.iter().filter(|id| !known.contains_key(id)).collect();
    let proves = !missing.is_empty() && sees_every_record(client, schema).await?;
    for id in missing {
        let seen = if proves {
            look_for(client, schema, id, fields).await?
        } else {
            Observation::NotVisible
        };
        known.insert(id.clone(), seen);
    }
    Ok(known)
}

/// The failure of a query whose only fault is one of the ids in it.
fn is_about_an_id(error: &RemoteError) -> bool {
    error.problem.reason.as_str() == errors::MALFORMED_ID
}

/// See [`crate::ports::Remote::find`].
pub(super) async fn find(
    client: &Client,
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
    for list in split(&select, &literals) {
        let soql = in_list(&select, list);
        let what = format!("a query for {} records by {field}", schema.object);
        let ask = query::ask(client, ACTION, what, Scope::Present, &soql);
        let rows = query::every(client, &ask, schema.object.as_str(), MOST_MATCHES, |row| {
            query::record(&ask.what, schema, fields, row)
        })
        .await?;
        found.extend(rows.into_iter().map(|record| (record.id.clone(), record)));
    }
    Ok(found.into_values().collect())
}

/// Whether our user sees every record of the object, whoever owns it: only then does "not found" mean that there
/// is none. Unprovable counts as no.
async fn sees_every_record(client: &Client, schema: &ObjectSchema) -> Result<bool, RemoteError> {
    const ACTION: &str = "view_all_check";
    let session = client.session().await?;
    let Some(user) = &session.user else {
        return Ok(false);
    };
    let soql = format!(
        "SELECT Id FROM ObjectPermissions WHERE SobjectType = {} AND PermissionsViewAllRecords = true AND ParentId \
         IN (SELECT PermissionSetId FROM PermissionSetAssignment WHERE AssigneeId = {}) LIMIT 1",
        query::string_literal(schema.object.as_str()),
        query::string_literal(user.as_str()),
    );
    let what = format!("the question whether the user sees every {}", schema.object);
    let ask = query::ask(client, ACTION, what, Scope::Present, &soql);
    match client.send(&ask).await.map_err(|failure| failure.error)? {
        Reply::Success(response) => {
            let batch = query::batch(&ask.what, &response, |_| Ok(()))?;
            Ok(!batch.rows.is_empty())
        }
        // The user may not read permissions.
        Reply::Errors { .. } => Ok(false),
    }
}

/// A record that no query shows, asked for by its id, by a user who sees every record.
async fn look_for(
    client: &Client,
    schema: &ObjectSchema,
    id: &RecordId,
    fields: &[FieldName],
) -> Result<Observation, RemoteError> {
    const ACTION: &str = "get";
    let object = schema.object.as_str();
    let list = query::field_list(fields, &["IsDeleted"]);
    let ask = Ask::read(
        ACTION,
        format!("the question for {object} {id}"),
        client.data_path(&format!("sobjects/{object}/{id}?fields={list}")),
    );
    match client.send(&ask).await.map_err(|failure| failure.error)? {
        Reply::Success(response) => {
            let row: Row<'_> = call::json(response.body())
                .map_err(|fault| failure::body(Side::Salesforce, &ask.what, response.status(), fault))?;
            Ok(observation(&ask.what, schema, fields, &row)?.1)
        }
        Reply::Errors { errors, .. } if errors::has_code(&errors, "MALFORMED_ID") => {
            Ok(Observation::NotVisible)
        }
        Reply::Errors { errors, .. }
            if errors::has_code(&errors, "NOT_FOUND") || errors::has_code(&errors, "ENTITY_IS_DELETED") =>
        {
            Ok(Observation::Gone(DeletionProof::NotFound))
        }
        Reply::Errors { status, errors } => Err(errors::whole_call(&ask.what, object, status, &errors)),
    }
}

/// `select ('a','b',…)`.
fn in_list(select: &str, literals: &[String]) -> String {
    format!("{select}({})", literals.join(","))
}

/// The literals in as many lists as the length of a query needs.
fn split<'a>(select: &str, literals: &'a [String]) -> Vec<&'a [String]> {
    let room = query::LONGEST_QUERY.saturating_sub(query::encoded_length(select));
    let separator = query::encoded_length(",");
    let mut lists = Vec::new();
    let mut begins = 0;
    let mut length = 0;
    for (index, literal) in literals.iter().enumerate() {
        let more = query::encoded_length(literal) + separator;
        if index > begins && length + more > room {
            lists.push(&literals[begins..index]);
            begins = index;
            length = 0;
        }
        length += more;
    }
    if begins < literals.len() {
        lists.push(&literals[begins..]);
    }
    lists
}

fn observation(
    what: &str,
    schema: &ObjectSchema,
    fields: &[FieldName],
    row: &Row<'_>,
) -> Result<(RecordId, Observation), RemoteError> {
    let record = query::record(what, schema, fields, row)?;
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
