//! Subqueries over children: `(SELECT Id FROM Contacts)` in a query of accounts.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::aggregate::is_aggregating;
use super::selection::{Asker, Joins, Selection, id_of};
use crate::model::Fields;
use crate::salesforce::Salesforce;
use crate::salesforce::field::{Field, FieldType};
use crate::salesforce::schema::Object;
use crate::salesforce::soql::{Query, Select, SoqlError};

/// What a subquery shows of the children of each record.
pub(crate) struct Children<'a> {
    /// The relationship's name, as answers spell it.
    relationship: String,
    of_parent: BTreeMap<&'a str, Selection<'a>>,
}

impl Salesforce {
    /// Answers a subquery for all parents at once.
    pub(super) fn children<'a>(
        &'a self,
        parent: &Object,
        query: &Query,
        asker: &Asker<'_>,
    ) -> Result<Children<'a>, SoqlError> {
        let named = &query.object;
        let (child, reference, relationship) = self
            .schema
            .objects()
            .filter(|child| asker.user.rights(&child.name).read)
            .flat_map(|child| child.fields.iter().map(move |field| (child, field)))
            .filter_map(|(child, field)| Some((child, field, relationship(parent, child, field)?)))
            .find(|(_, _, relationship)| relationship.eq_ignore_ascii_case(&named.text))
            .ok_or_else(|| SoqlError {
                code: "INVALID_TYPE",
                message: format!(
                    "Didn't understand relationship '{}' in FROM part of query call. If you are attempting to use a custom relationship, be sure to append the '__r' after the custom relationship name. Please reference your WSDL or the describe call for the appropriate names.",
                    named.text
                ),
                at: Some(named.at),
            })?;
        if query.select == Select::Count || is_aggregating(query) {
            let message = "Only root queries support aggregate expressions";
            return Err(SoqlError::malformed(message, named.at));
        }
        let mut all = query.clone();
        child.name.clone_into(&mut all.object.text);
        // Limits hold for the children of each parent.
        (all.limit, all.offset) = (None, None);
        let (columns, children) = self.selected(child, &all, asker)?;
        if !children.is_empty() {
            // Salesforce docs: Understanding Relationship Query Limitations. One level down is what is modelled.
            let message = "Subqueries within subqueries are not supported";
            return Err(SoqlError::malformed(message, named.at));
        }
        let mut rows: BTreeMap<&str, Vec<&Fields>> = BTreeMap::new();
        for row in self.rows_of(child, &all, asker, Joins::Allowed)? {
            if let Some(parent) = row.get(&reference.name).and_then(Value::as_str) {
                rows.entry(parent).or_default().push(row);
            }
        }
        let limited = |mut rows: Vec<&'a Fields>| {
            rows.drain(..query.offset.unwrap_or(0).min(rows.len()));
            rows.truncate(query.limit.unwrap_or(usize::MAX));
            Selection {
                object: child.as_ref(),
                columns: columns.clone(),
                children: Vec::new(),
                rows,
            }
        };
        Ok(Children {
            relationship,
            of_parent: rows.into_iter().map(|(id, rows)| (id, limited(rows))).collect(),
        })
    }

    /// The children of one record, as a result within the result; null when there are none.
    pub(super) fn render_children(
        &self,
        children: &Children<'_>,
        parent: &Fields,
        asker: &Asker<'_>,
    ) -> (String, Value) {
        let selection = children
            .of_parent
            .get(id_of(parent))
            .filter(|selection| !selection.rows.is_empty());
        let shown = selection.map_or(Value::Null, |selection| {
            json!({
                "totalSize": selection.rows.len(),
                "done": true,
                "records": self.records(selection, asker),
            })
        });
        (children.relationship.clone(), shown)
    }
}

/// What the children that refer to `parent` by this field are called from there. Standard names are Salesforce's; an
/// administrator who names none gets the children's plural label.
fn relationship(parent: &Object, child: &Object, field: &Field) -> Option<String> {
    if field.field_type != FieldType::Reference || !field.reference_to.contains(&parent.name) {
        return None;
    }
    if field.custom {
        let plural: String = child
            .label_plural
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .collect();
        return Some(format!("{plural}__r"));
    }
    match (child.name.as_str(), field.name.as_str()) {
        ("Account", "ParentId") => Some("ChildAccounts".to_owned()),
        (_, "AccountId" | "ContactId" | "ParentId" | "LinkedEntityId" | "ContentDocumentId") => {
            Some(child.label_plural.replace(' ', ""))
        }
        _ => None,
    }
}
