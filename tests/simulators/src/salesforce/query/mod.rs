//! Queries: rows as one user may see them, in pages.
//!
//! | file | what lives there |
//! |---|---|
//! | here | the `query` resources: first pages, later pages, and what a query would cost |
//! | `cursor` | the rest of a result, kept for whoever asks with its locator, and how it is lost |
//! | `selection` | which rows a query means and what it shows of each |
//! | `children` | subqueries over children |
//! | `aggregate` | counts, sums and their like, over all rows or by group |
//! | `render` | records as answers show them |

mod aggregate;
mod children;
mod cursor;
mod render;
mod selection;

use http::StatusCode;
use serde_json::{Value, json};

pub use self::cursor::CursorValues;
pub(crate) use self::cursor::Cursors;
use self::cursor::{Cursor, Rest};
pub(crate) use self::render::render;
pub(crate) use self::selection::{Asker, Selection};
use super::Salesforce;
use super::dispatch::Call;
use super::error::{ApiError, respond};
use super::field::FieldType;
use super::routes::Resource;
use super::soql::parser::parse;
use super::soql::{Query, Select, SoqlError};
use crate::model::{Request, Response};

/// The most rows of a page, and the most that a client may ask for.
const LARGEST_PAGE: usize = 2000;
/// The fewest rows that a client may ask for, and the most of a page with several long texts in each row.
const SMALLEST_PAGE: usize = 200;

/// What a query gives.
enum Answer<'a> {
    Count(usize),
    Aggregates(Vec<Value>),
    Rows(Selection<'a>),
}

impl Salesforce {
    /// Answers the `query` resources. A locator is good at either address: jsforce asks at the one whatever the query was.
    pub(crate) fn dispatch_query(
        &mut self,
        resource: &Resource,
        call: &Call<'_>,
    ) -> Result<Response, ApiError> {
        if let Resource::QueryMore(locator) | Resource::QueryAllMore(locator) = resource {
            return self.query_more(locator, call);
        }
        if let Some(text) = call.parameter("explain") {
            return self.explain(&text, call);
        }
        let message = "A query string has to be specified";
        let text = call
            .parameter("q")
            .ok_or_else(|| ApiError::bad_request("MALFORMED_QUERY", message))?;
        self.query(&text, *resource == Resource::QueryAll, call)
    }

    /// `GET query?q=` and `GET queryAll?q=`; the latter sees the recycle bin too.
    fn query(&mut self, text: &str, with_deleted: bool, call: &Call<'_>) -> Result<Response, ApiError> {
        let asker = Asker::new(call, with_deleted);
        let answer = self.answer(text, &asker).map_err(|error| error.in_query(text))?;
        let whole = |total: usize, records: Vec<Value>| {
            let body = json!({"totalSize": total, "done": true, "records": records});
            Ok(respond(StatusCode::OK, &body))
        };
        let selection = match answer {
            Answer::Count(count) => return whole(count, Vec::new()),
            Answer::Aggregates(records) => return whole(records.len(), records),
            Answer::Rows(selection) => selection,
        };
        let page = self.page_size(call.request, &selection);
        if selection.rows.len() <= page && !self.settings.uneven_pages {
            return whole(selection.rows.len(), self.records(&selection, &asker));
        }
        let rest = match self.settings.cursor_values {
            CursorValues::AsOfQuery => Rest::Records(self.records(&selection, &asker)),
            CursorValues::AsOfPage => Rest::Ids(selection.ids()),
        };
        let cursor = Cursor {
            user: call.user.name.clone(),
            text: text.to_owned(),
            with_deleted,
            rest,
            page,
            expires: self.settings.cursor_expiry(call.now),
        };
        let locator = self.cursors.open(cursor, self.settings.cursors_per_user);
        self.page_of(locator, 0, &asker)
    }

    /// `GET query/{locator}`: the next page.
    fn query_more(&self, locator: &str, call: &Call<'_>) -> Result<Response, ApiError> {
        let (number, from) = cursor::parse_locator(locator).ok_or_else(cursor::invalid)?;
        self.page_of(number, from, &Asker::new(call, false))
    }

    /// `GET query?explain=`: how the service would go about a query.
    fn explain(&self, text: &str, call: &Call<'_>) -> Result<Response, ApiError> {
        let asker = Asker::new(call, false);
        let query = parse(text).map_err(|error| error.in_query(text))?;
        let selection = self
            .select(&query, &asker)
            .map_err(|error| error.in_query(text))?;
        let everything = self.store.rows(&selection.object.name).count();
        let plan = json!({
            "cardinality": selection.rows.len(),
            "fields": [],
            "leadingOperationType": "TableScan",
            "notes": [],
            "relativeCost": 1.0,
            "sobjectCardinality": everything,
            "sobjectType": selection.object.name,
        });
        Ok(respond(
            StatusCode::OK,
            &json!({"plans": [plan], "sourceQuery": text}),
        ))
    }

    /// The size of pages: what the client asks for within the service's bounds, or fewer at the service's whim. Rows of
    /// several long texts come in small pages whatever the client asks (Salesforce docs: SOQL, Change the Batch Size).
    fn page_size(&self, request: &Request, selection: &Selection<'_>) -> usize {
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
        let long_texts = selection
            .columns
            .iter()
            .filter(|column| {
                let field = column.field;
                field.custom && field.field_type == FieldType::Textarea && field.length > 255
            })
            .count();
        let largest = if long_texts < 2 {
            LARGEST_PAGE
        } else {
            SMALLEST_PAGE
        };
        asked
            .unwrap_or(LARGEST_PAGE)
            .clamp(SMALLEST_PAGE, largest)
            .min(self.settings.largest_page.max(1))
    }

    fn answer(&self, text: &str, asker: &Asker<'_>) -> Result<Answer<'_>, SoqlError> {
        let query = parse(text)?;
        if query.select == Select::Count {
            // The rows are not looked at, so they need no order.
            let unordered = Query {
                order: Vec::new(),
                ..query
            };
            return Ok(Answer::Count(self.select(&unordered, asker)?.rows.len()));
        }
        if aggregate::is_aggregating(&query) {
            return Ok(Answer::Aggregates(self.aggregate(&query, asker)?));
        }
        Ok(Answer::Rows(self.select(&query, asker)?))
    }

    fn records(&self, selection: &Selection<'_>, asker: &Asker<'_>) -> Vec<Value> {
        let rows = selection.rows.iter();
        rows.map(|row| self.render_row(selection, row, asker)).collect()
    }
}
