//! Queries: rows as one user may see them, in pages.

use std::collections::BTreeMap;

use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::Salesforce;
use super::error::{ApiError, respond};
use super::field::{Field, FieldType};
use super::schema::Object;
use super::soql::bind::View;
use super::soql::filter::{SortKey, in_order};
use super::soql::parser::parse;
use super::soql::{Query, Select, SoqlError};
use super::store::is_deleted;
use super::users::User;
use crate::model::{Fields, Request, Response};

/// How many open cursors a user has before the oldest is lost.
const CURSORS: usize = 10;

/// The rest of a query's result, kept for whoever asks with its locator.
#[derive(Debug, Clone)]
struct Cursor {
    user: String,
    records: Vec<Value>,
    page: usize,
    expires: Timestamp,
}

/// Open cursors by locator.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cursors {
    open: BTreeMap<u64, Cursor>,
    opened: u64,
}

impl Salesforce {
    /// `GET query?q=` and `GET queryAll?q=`; the latter sees the recycle bin too.
    pub(crate) fn query(
        &mut self,
        text: &str,
        with_deleted: bool,
        request: &Request,
        version: &str,
        user: &User,
        now: Timestamp,
    ) -> Result<Response, ApiError> {
        let answer = self
            .run(text, with_deleted, version, user, now)
            .map_err(|error| error.in_query(text))?;
        let Some(records) = answer.records else {
            return Ok(respond(
                StatusCode::OK,
                &json!({"totalSize": answer.total, "done": true, "records": []}),
            ));
        };
        let page = self.page_size(request);
        let resource = if with_deleted { "queryAll" } else { "query" };
        if records.len() <= page {
            let body = json!({"totalSize": answer.total, "done": true, "records": records});
            return Ok(respond(StatusCode::OK, &body));
        }
        let locator = self.cursors.opened;
        self.cursors.opened += 1;
        let lifetime = SignedDuration::from_secs(self.settings.cursor_seconds);
        let expires = now.checked_add(lifetime).unwrap_or(now);
        let body = page_of(&records, 0, page, version, resource, locator);
        self.cursors.open.insert(
            locator,
            Cursor {
                user: user.name.clone(),
                records,
                page,
                expires,
            },
        );
        let mine: Vec<u64> = self
            .cursors
            .open
            .iter()
            .filter(|(_, cursor)| cursor.user == user.name)
            .map(|(locator, _)| *locator)
            .collect();
        for evicted in mine.iter().take(mine.len().saturating_sub(CURSORS)) {
            self.cursors.open.remove(evicted);
        }
        Ok(respond(StatusCode::OK, &body))
    }

    /// `GET query/{locator}`: the next page.
    pub(crate) fn query_more(
        &self,
        locator: &str,
        resource: &str,
        version: &str,
        user: &User,
        now: Timestamp,
    ) -> Result<Response, ApiError> {
        let invalid = || ApiError::bad_request("INVALID_QUERY_LOCATOR", "invalid query locator");
        let (number, from) = parse_locator(locator).ok_or_else(invalid)?;
        let cursor = self.cursors.open.get(&number).ok_or_else(invalid)?;
        if cursor.user != user.name || cursor.expires <= now || from >= cursor.records.len() {
            return Err(invalid());
        }
        let body = page_of(&cursor.records, from, cursor.page, version, resource, number);
        Ok(respond(StatusCode::OK, &body))
    }

    /// The size of pages: what the client asks for within the service's bounds, or fewer at the service's whim.
    fn page_size(&self, request: &Request) -> usize {
        let asked = request
            .headers()
            .get("Sforce-Query-Options")
            .and_then(|value| value.to_str().ok())
            .and_then(|options| {
                options
                    .split(',')
                    .find_map(|option| option.trim().strip_prefix("batchSize="))
            })
            .and_then(|size| size.trim().parse::<usize>().ok());
        asked
            .map_or(2000, |size| size.clamp(200, 2000))
            .min(self.settings.largest_page.max(1))
    }

    fn run(
        &self,
        text: &str,
        with_deleted: bool,
        version: &str,
        user: &User,
        now: Timestamp,
    ) -> Result<Answer, SoqlError> {
        let query = parse(text)?;
        let object = self
            .schema
            .object(&query.object.text)
            .filter(|object| user.rights(&object.name).read);
        let object = object.ok_or_else(|| SoqlError {
            code: "INVALID_TYPE",
            message: format!(
                "sObject type '{}' is not supported. If you are attempting to use a custom object, be sure to append the '__c' after the entity name. Please reference your WSDL or the describe call for the appropriate names.",
                query.object.text
            ),
            at: Some(query.object.at),
        })?;
        let hidden = |field: &str| user.is_hidden(&object.name, field);
        let view = View {
            object,
            hidden: &hidden,
        };
        let fields = selected(&view, &query)?;
        let filter = query
            .filter
            .as_ref()
            .map(|condition| view.filter(condition))
            .transpose()?;
        let order = query
            .order
            .iter()
            .map(|term| view.sort_key(term))
            .collect::<Result<Vec<_>, _>>()?;
        let mut rows: Vec<&Fields> = self
            .store
            .rows(&object.name)
            .filter_map(|row| row.seen_at(now))
            .filter(|fields| with_deleted || !is_deleted(fields))
            .filter(|fields| filter.as_ref().is_none_or(|filter| filter.matches(fields)))
            .collect();
        sort(&mut rows, &order);
        let rows = rows
            .into_iter()
            .skip(query.offset.unwrap_or(0))
            .take(query.limit.unwrap_or(usize::MAX));
        let Some(fields) = fields else {
            return Ok(Answer {
                total: rows.count(),
                records: None,
            });
        };
        let records: Vec<Value> = rows.map(|row| render(object, row, &fields, version)).collect();
        Ok(Answer {
            total: records.len(),
            records: Some(records),
        })
    }
}

struct Answer {
    total: usize,
    /// `None` for a count.
    records: Option<Vec<Value>>,
}

fn selected<'a>(view: &View<'a>, query: &Query) -> Result<Option<Vec<&'a Field>>, SoqlError> {
    let Select::Fields(names) = &query.select else {
        return Ok(None);
    };
    let mut fields: Vec<&Field> = Vec::with_capacity(names.len());
    for name in names {
        let field = view.field(name)?;
        if fields.iter().any(|known| known.name == field.name) {
            let message = format!("duplicate field selected: {}", field.name);
            return Err(SoqlError {
                code: "INVALID_FIELD",
                message,
                at: None,
            });
        }
        fields.push(field);
    }
    Ok(Some(fields))
}

/// In the order asked for. What it leaves open is scattered, always in the same way: rows that nobody ordered come in no
/// order that a client could lean on.
fn sort(rows: &mut [&Fields], order: &[SortKey]) {
    let scattered = |row: &Fields| -> u64 {
        let id = row.get("Id").and_then(Value::as_str).unwrap_or_default();
        id.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
    };
    rows.sort_by_cached_key(|row| scattered(row));
    rows.sort_by(|one, other| in_order(order, one, other));
}

/// A record with these fields, `attributes` first.
pub(crate) fn render(object: &Object, row: &Fields, fields: &[&Field], version: &str) -> Value {
    let id = row.get("Id").and_then(Value::as_str).unwrap_or_default();
    let mut record = Fields::new();
    record.insert(
        "attributes".into(),
        json!({"type": object.name, "url": format!("/services/data/{version}/sobjects/{}/{id}", object.name)}),
    );
    for field in fields {
        record.insert(field.name.clone(), shown(object, row, field));
    }
    Value::Object(record)
}

/// A stored value, or a compound address put together from its parts.
fn shown(object: &Object, row: &Fields, field: &Field) -> Value {
    if field.field_type != FieldType::Address {
        return row.get(&field.name).cloned().unwrap_or_default();
    }
    let prefix = field.name.trim_end_matches("Address");
    let mut address = Fields::new();
    for part in object
        .fields
        .iter()
        .filter(|part| part.compound_field_name.as_ref() == Some(&field.name))
    {
        let name = part.name.strip_prefix(prefix).unwrap_or(&part.name);
        let key: String = name
            .chars()
            .enumerate()
            .map(|(at, c)| if at == 0 { c.to_ascii_lowercase() } else { c })
            .collect();
        address.insert(key, row.get(&part.name).cloned().unwrap_or_default());
    }
    if address.values().all(Value::is_null) {
        Value::Null
    } else {
        Value::Object(address)
    }
}

fn page_of(
    records: &[Value],
    from: usize,
    page: usize,
    version: &str,
    resource: &str,
    locator: u64,
) -> Value {
    let to = records.len().min(from + page);
    let mut body = json!({"totalSize": records.len(), "done": to == records.len()});
    if to < records.len() {
        body["nextRecordsUrl"] = json!(format!(
            "/services/data/{version}/{resource}/01g5g{locator:010}AAA-{to}"
        ));
    }
    body["records"] = json!(records[from..to]);
    body
}

fn parse_locator(locator: &str) -> Option<(u64, usize)> {
    let (number, from) = locator.strip_prefix("01g5g")?.split_once("AAA-")?;
    Some((number.parse().ok()?, from.parse().ok()?))
}
