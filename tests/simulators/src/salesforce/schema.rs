//! What objects there are and what fields they have: a compact form of recorded `describe` answers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::field::{Field, FieldType, usual_length};
use super::record_types::RecordType;

/// Since when the standard objects are as they are: 2020-01-01.
const BORN: Timestamp = Timestamp::constant(1_577_836_800, 0);

/// One object.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(
    missing_docs,
    reason = "the names are Salesforce's own, documented under DescribeSObjectResult"
)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "so is Salesforce's own description of an object"
)]
pub struct Object {
    pub name: String,
    pub label: String,
    pub label_plural: String,
    pub key_prefix: String,
    #[serde(default = "yes")]
    pub createable: bool,
    #[serde(default = "yes")]
    pub updateable: bool,
    #[serde(default = "yes")]
    pub deletable: bool,
    #[serde(default = "yes")]
    pub undeletable: bool,
    #[serde(default = "yes")]
    pub queryable: bool,
    #[serde(default = "yes")]
    pub retrieveable: bool,
    #[serde(default = "yes")]
    pub replicateable: bool,
    #[serde(default = "yes")]
    pub searchable: bool,
    #[serde(default = "yes")]
    pub triggerable: bool,
    #[serde(default = "yes")]
    pub layoutable: bool,
    #[serde(default)]
    pub mergeable: bool,
    #[serde(default = "yes")]
    pub mru_enabled: bool,
    #[serde(default)]
    pub feed_enabled: bool,
    #[serde(default)]
    pub custom: bool,
    #[serde(default)]
    pub custom_setting: bool,
    #[serde(default = "yes")]
    pub compact_layoutable: bool,
    #[serde(default = "yes")]
    pub search_layoutable: bool,
    #[serde(default)]
    pub record_type_infos: Vec<Value>,
    #[serde(skip)]
    pub(crate) record_types: BTreeMap<String, RecordType>,
    pub fields: Vec<Field>,
}

impl Object {
    /// A field by name. Field names are not case-sensitive in Salesforce.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields
            .iter()
            .find(|field| field.name.eq_ignore_ascii_case(name))
    }

    /// Whether `name` names the object; object names are not case-sensitive in Salesforce.
    fn is_named(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

/// Every object of one org.
#[derive(Debug, Clone)]
pub(crate) struct Schema {
    objects: BTreeMap<String, Arc<Object>>,
    custom_objects: u32,
    record_types: u64,
    /// Objects changed since anyone looked at the clock.
    changed: BTreeSet<String>,
    /// When each object was last changed, if it ever was.
    modified: BTreeMap<String, Timestamp>,
}

impl Schema {
    /// The standard objects.
    pub fn standard() -> Self {
        let objects = STANDARD
            .iter()
            .map(|object| (object.name.clone(), Arc::clone(object)))
            .collect();
        Self {
            objects,
            custom_objects: 0,
            record_types: 0,
            changed: BTreeSet::new(),
            modified: BTreeMap::new(),
        }
    }

    /// An object by name.
    pub fn object(&self, name: &str) -> Option<&Arc<Object>> {
        self.objects
            .get(name)
            .or_else(|| self.objects.values().find(|object| object.is_named(name)))
    }

    /// The object whose records' ids begin as `id` does.
    pub fn object_of_id(&self, id: &str) -> Option<&Arc<Object>> {
        let prefix = id.get(..3)?;
        self.objects.values().find(|object| object.key_prefix == prefix)
    }

    /// All objects by name.
    pub fn objects(&self) -> impl Iterator<Item = &Arc<Object>> {
        self.objects.values()
    }

    /// Dates the changes that administrators have made since the last call: they have no clock of their own.
    pub fn settle(&mut self, now: Timestamp) {
        for name in std::mem::take(&mut self.changed) {
            self.modified.insert(name, now);
        }
    }

    /// When an object, or any, was last changed.
    pub fn modified(&self, object: Option<&str>) -> Timestamp {
        let modified = match object {
            Some(object) => self.modified.get(object),
            None => self.modified.values().max(),
        };
        modified.copied().unwrap_or(BORN)
    }

    /// Adds a field or replaces the one of that name; `false` when there is no such object.
    pub fn add_field(&mut self, object: &str, mut field: Field) -> bool {
        let Some(name) = self.object(object).map(|object| object.name.clone()) else {
            return false;
        };
        let Some(object) = self.objects.get_mut(&name) else {
            return false;
        };
        field.custom = field.name.ends_with("__c");
        if field.length == 0 {
            field.length = usual_length(field.field_type);
        }
        if field.field_type == FieldType::Reference && field.relationship_name.is_none() {
            field.relationship_name = field.name.strip_suffix("__c").map(|name| format!("{name}__r"));
        }
        let object = Arc::make_mut(object);
        object
            .fields
            .retain(|known| !known.name.eq_ignore_ascii_case(&field.name));
        object.fields.push(field);
        self.changed.insert(name);
        true
    }

    /// Adds a record type and gives its id; `None` when there is no such object.
    pub fn add_record_type(&mut self, record_type: RecordType) -> Option<String> {
        let name = self.object(&record_type.object)?.name.clone();
        self.record_types += 1;
        self.changed.insert(name.clone());
        let object = Arc::make_mut(self.objects.get_mut(&name)?);
        Some(object.add_record_type(record_type, self.record_types))
    }

    /// Adds a custom object with the fields every object has, and a `Name`.
    pub fn add_custom_object(&mut self, name: &str, label: &str) {
        let mut fields = SYSTEM_FIELDS.clone();
        fields.insert(
            1,
            Field {
                length: 80,
                name_field: true,
                id_lookup: true,
                defaulted_on_create: true,
                ..Field::new("Name", FieldType::String)
            },
        );
        let object = Object {
            key_prefix: format!("a{:02X}", self.custom_objects),
            name: name.to_owned(),
            label: label.to_owned(),
            label_plural: format!("{label}s"),
            createable: true,
            updateable: true,
            deletable: true,
            undeletable: true,
            queryable: true,
            retrieveable: true,
            replicateable: true,
            searchable: true,
            triggerable: true,
            layoutable: true,
            mergeable: false,
            mru_enabled: true,
            feed_enabled: false,
            custom: true,
            custom_setting: false,
            compact_layoutable: true,
            search_layoutable: true,
            record_type_infos: Vec::new(),
            record_types: BTreeMap::new(),
            fields,
        };
        self.custom_objects += 1;
        self.changed.insert(name.to_owned());
        self.objects.insert(name.to_owned(), Arc::new(object));
    }
}

fn yes() -> bool {
    true
}

static STANDARD: LazyLock<Vec<Arc<Object>>> = LazyLock::new(|| {
    let files = [
        include_str!("../../schemas/Account.json"),
        include_str!("../../schemas/Attachment.json"),
        include_str!("../../schemas/Case.json"),
        include_str!("../../schemas/CaseComment.json"),
        include_str!("../../schemas/Contact.json"),
        include_str!("../../schemas/ContentDocument.json"),
        include_str!("../../schemas/ContentDocumentLink.json"),
        include_str!("../../schemas/ContentVersion.json"),
        include_str!("../../schemas/Lead.json"),
        include_str!("../../schemas/Opportunity.json"),
        include_str!("../../schemas/User.json"),
    ];
    #[allow(clippy::expect_used, reason = "compiled in; a test reads each of them")]
    let read = |file: &&str| Arc::new(serde_json::from_str(file).expect("a schema file of ours"));
    files.iter().map(read).collect()
});

/// The fields that every object has, as the recorded Case has them.
static SYSTEM_FIELDS: LazyLock<Vec<Field>> = LazyLock::new(|| {
    let names = [
        "Id",
        "OwnerId",
        "IsDeleted",
        "CreatedDate",
        "CreatedById",
        "LastModifiedDate",
        "LastModifiedById",
        "SystemModstamp",
    ];
    let case = STANDARD.iter().find(|object| object.name == "Case");
    names
        .iter()
        .filter_map(|name| case.and_then(|case| case.field(name)).cloned())
        .collect()
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standard_objects_are_those_recorded() {
        let schema = Schema::standard();
        let case = schema.object("case").unwrap();
        assert_eq!(case.key_prefix, "500");
        let status = case.field("Status").unwrap();
        assert!(status.nillable && !status.restricted_picklist && status.defaulted_on_create);
        assert_eq!(status.picklist_values.len(), 4);
        assert!(case.field("CaseNumber").unwrap().auto_number);
        assert!(!case.field("Description").unwrap().filterable);
        assert!(
            schema
                .object("Account")
                .unwrap()
                .field("Name")
                .unwrap()
                .is_required_on_create()
        );
        assert!(
            schema
                .object("Contact")
                .unwrap()
                .field("LastName")
                .unwrap()
                .is_required_on_create()
        );
    }

    #[test]
    fn a_custom_object_has_the_system_fields_and_its_own_prefix() {
        let mut schema = Schema::standard();
        schema.add_custom_object("Ticket__c", "Ticket");
        schema.add_custom_object("Asset__c", "Asset");
        let ticket = schema.object("Ticket__c").unwrap();
        assert_ne!(ticket.key_prefix, schema.object("Asset__c").unwrap().key_prefix);
        for name in [
            "Id",
            "Name",
            "SystemModstamp",
            "LastModifiedDate",
            "CreatedDate",
            "IsDeleted",
        ] {
            assert!(ticket.field(name).is_some(), "{name}");
        }
    }
}
