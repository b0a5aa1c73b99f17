//! Writes `docs/reference.md` from the CRDs' schemas, so that the page and `kubectl explain` cannot differ.

use std::collections::BTreeMap;
use std::fmt::Write;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray,
};
use syncflow::api;

const HEAD: &str = "\
<!-- Generated from src/api by `make crds`; do not edit. -->
# Reference

Every field of every kind. `kubectl explain syncflow.spec` says the same. A field without *required* and without a
default may be left out. The API server refuses unknown fields, and what breaks a rule. What the conditions in a
status say is in [conditions.md](conditions.md), and manifests to begin with are in [examples/](../examples/).
";

/// The whole page.
pub fn page() -> String {
    let mut page = HEAD.to_owned();
    for crd in api::crds() {
        kind(&mut page, &crd);
    }
    page
}

fn kind(page: &mut String, crd: &CustomResourceDefinition) {
    let names = &crd.spec.names;
    let version = &crd.spec.versions[0];
    let schema = version
        .schema
        .as_ref()
        .and_then(|schema| schema.open_api_v3_schema.as_ref())
        .unwrap();
    let description = schema.description.as_deref().unwrap();
    let short: Vec<String> = names
        .short_names
        .iter()
        .flatten()
        .map(|name| format!("`{name}`"))
        .collect();
    let (kind, group, plural) = (&names.kind, &crd.spec.group, &names.plural);
    writeln!(page, "\n## {kind}\n\n{description}\n").unwrap();
    writeln!(
        page,
        "`apiVersion: {group}/{}`, `kind: {kind}`; `kubectl get {plural}`, short {}.",
        version.name,
        short.join(", ")
    )
    .unwrap();
    for part in ["spec", "status"] {
        let schema = &schema.properties.as_ref().unwrap()[part];
        writeln!(
            page,
            "\n### {kind} `{part}`\n\n{}\n",
            schema.description.as_deref().unwrap()
        )
        .unwrap();
        writeln!(page, "| field | type | | meaning |\n|---|---|---|---|").unwrap();
        let mut rules = Vec::new();
        fields(page, "", schema, &mut rules, &mut BTreeMap::new());
        if !rules.is_empty() {
            writeln!(page, "\nRules, beyond types and names:\n\n{}", rules.join("\n")).unwrap();
        }
    }
}

/// A row for each field of an object and of the objects in it. Collects their rules. `seen` are the objects told
/// already, by their schema: what stands in two places is told once.
fn fields(
    page: &mut String,
    path: &str,
    schema: &JSONSchemaProps,
    rules: &mut Vec<String>,
    seen: &mut BTreeMap<String, String>,
) {
    let required = schema.required.as_deref().unwrap_or_default();
    rules.extend(messages(schema).map(|message| match path {
        "" => format!("- {message}"),
        path => format!("- `{}`: {message}", path.trim_end_matches('.')),
    }));
    for (name, field) in schema.properties.iter().flatten() {
        let (inner, path) = match item(field) {
            Some(item) => (item, format!("{path}{name}[]")),
            None => (field, format!("{path}{name}")),
        };
        let shape = JSONSchemaProps {
            description: None,
            default: None,
            x_kubernetes_validations: None,
            ..inner.clone()
        };
        let shape = serde_json::to_string(&shape).unwrap();
        let told = seen.get(&shape).filter(|_| inner.properties.is_some());
        let need = if required.contains(name) {
            "required".to_owned()
        } else {
            default(field)
        };
        let as_there = told
            .map(|first| format!(" Its fields are those of `{first}`."))
            .unwrap_or_default();
        let row = format!(
            "`{path}` | {} | {need} | {}{as_there}",
            type_of(field),
            meaning(field)
        );
        writeln!(page, "| {row} |").unwrap();
        if item(field).is_some() {
            let of_list =
                messages(field).map(|message| format!("- `{}`: {message}", path.trim_end_matches("[]")));
            rules.extend(of_list);
        }
        if told.is_none() && name != "conditions" {
            seen.insert(shape, path.clone());
            fields(page, &format!("{path}."), inner, rules, seen);
        }
    }
}

/// What the rules of a schema say when they are broken.
fn messages(schema: &JSONSchemaProps) -> impl Iterator<Item = &str> {
    schema
        .x_kubernetes_validations
        .iter()
        .flatten()
        .filter_map(|rule| rule.message.as_deref())
}

fn item(schema: &JSONSchemaProps) -> Option<&JSONSchemaProps> {
    match schema.items.as_ref()? {
        JSONSchemaPropsOrArray::Schema(item) => Some(item),
        JSONSchemaPropsOrArray::Schemas(_) => None,
    }
}

fn type_of(schema: &JSONSchemaProps) -> String {
    if let Some(item) = item(schema) {
        return format!("list of {}", type_of(item));
    }
    if let Some(choices) = &schema.enum_ {
        let choices: Vec<String> = choices
            .iter()
            .map(|choice| format!("`{}`", choice.0.as_str().unwrap()))
            .collect();
        return choices.join(", ");
    }
    match (schema.format.as_deref(), schema.type_.as_deref().unwrap()) {
        (Some("date-time"), _) => "time".to_owned(),
        (_, "string") => "text".to_owned(),
        (_, "integer") => "number".to_owned(),
        (_, "boolean") => "`true`, `false`".to_owned(),
        (_, other) => other.to_owned(),
    }
}

fn default(schema: &JSONSchemaProps) -> String {
    match &schema.default {
        None => String::new(),
        Some(default) => match &default.0 {
            serde_json::Value::Object(object) => {
                let fields: Vec<String> = object
                    .iter()
                    .map(|(key, value)| format!("{key}: {}", plain(value)))
                    .collect();
                format!("default `{{{}}}`", fields.join(", "))
            }
            other => format!("default `{}`", plain(other)),
        },
    }
}

fn plain(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The description, and the limit of a list.
fn meaning(schema: &JSONSchemaProps) -> String {
    let mut meaning = schema.description.clone().unwrap();
    if let Some(items) = schema.max_items {
        write!(meaning, " At most {items}.").unwrap();
    }
    meaning.replace('|', "\\|").replace('\n', " ")
}
