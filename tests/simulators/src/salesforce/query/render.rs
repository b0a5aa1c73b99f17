//! Records as answers show them.

use serde_json::{Value, json};

use super::selection::{Asker, Selection, id_of};
use crate::model::Fields;
use crate::salesforce::Salesforce;
use crate::salesforce::field::{Field, FieldType};
use crate::salesforce::schema::Object;
use crate::salesforce::soql::bind::{Column, Step};

/// A record with these fields, `attributes` first.
pub(crate) fn render(object: &Object, row: &Fields, fields: &[&Field], version: &str) -> Value {
    let mut record = with_attributes(&object.name, &object.name, row, version);
    for field in fields {
        record.insert(field.name.clone(), shown(object, row, field, version));
    }
    Value::Object(record)
}

fn with_attributes(kind: &str, object: &str, row: &Fields, version: &str) -> Fields {
    let mut record = Fields::new();
    record.insert(
        "attributes".into(),
        json!({"type": kind, "url": format!("/services/data/{version}/sobjects/{object}/{}", id_of(row))}),
    );
    record
}

impl Salesforce {
    /// One row of a selection, records of parents and children within it.
    pub(super) fn render_row(&self, selection: &Selection<'_>, row: &Fields, asker: &Asker<'_>) -> Value {
        let name = &selection.object.name;
        let mut record = with_attributes(name, name, row, asker.version);
        for column in &selection.columns {
            self.show(&mut record, row, column, &column.steps, asker);
        }
        for children in &selection.children {
            let (relationship, shown) = self.render_children(children, row, asker);
            record.insert(relationship, shown);
        }
        Value::Object(record)
    }

    /// Puts a column's value into a record, at the end of the relationships that lead there.
    fn show(
        &self,
        record: &mut Fields,
        row: &Fields,
        column: &Column<'_>,
        steps: &[Step<'_>],
        asker: &Asker<'_>,
    ) {
        let Some((step, rest)) = steps.split_first() else {
            record.insert(
                column.field.name.clone(),
                shown(column.object, row, column.field, asker.version),
            );
            return;
        };
        let id = row.get(&step.reference.name).and_then(Value::as_str);
        let parent = id.and_then(|id| self.parent(id, asker));
        let object = id.and_then(|id| self.schema.object_of_id(id));
        let (Some(parent), Some(object)) = (parent, object) else {
            record.insert(step.relationship.to_owned(), Value::Null);
            return;
        };
        let entry = record.entry(step.relationship).or_insert_with(|| {
            // What may be of several kinds is shown as a name.
            let kind = if step.polymorphic { "Name" } else { &object.name };
            Value::Object(with_attributes(kind, &object.name, parent, asker.version))
        });
        if let Value::Object(nested) = entry {
            self.show(nested, parent, column, rest, asker);
        }
    }

    /// A column's value in a row; null where a parent is missing.
    pub(crate) fn value_of(&self, column: &Column<'_>, row: &Fields, asker: &Asker<'_>) -> Value {
        if column.steps.is_empty() {
            return shown(column.object, row, column.field, asker.version);
        }
        let parents = |id: &str| self.parent(id, asker);
        column.path().read(row, &parents).clone()
    }
}

/// A stored value, a file's address, or a compound address put together from its parts.
fn shown(object: &Object, row: &Fields, field: &Field, version: &str) -> Value {
    if field.field_type == FieldType::Base64 && row.get(&field.name).is_some_and(|content| !content.is_null())
    {
        // The content itself is behind this address.
        let id = id_of(row);
        return json!(format!(
            "/services/data/{version}/sobjects/{}/{id}/{}",
            object.name, field.name
        ));
    }
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
