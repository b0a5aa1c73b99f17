//! References of one request to the answer of another: `@{refAccount.id}`, `@{found.records[0].Id}`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::error::ApiError;

/// A text with every reference replaced by what it leads to.
pub(crate) fn resolved(text: &str, bodies: &BTreeMap<&str, Value>) -> Result<String, ApiError> {
    let mut resolved = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("@{") {
        let Some((path, after)) = after.split_once('}') else {
            break;
        };
        resolved.push_str(before);
        match look_up(path, bodies)? {
            Value::String(found) => resolved.push_str(found),
            found => resolved.push_str(&found.to_string()),
        }
        rest = after;
    }
    resolved.push_str(rest);
    Ok(resolved)
}

/// Replaces the references in every text of a body. A text that is one reference and nothing else takes on the type of
/// what it leads to.
pub(crate) fn referred(body: &mut Value, bodies: &BTreeMap<&str, Value>) -> Result<(), ApiError> {
    match body {
        Value::String(text) => {
            let whole = text.strip_prefix("@{").and_then(|rest| rest.strip_suffix('}'));
            let replaced = match whole.filter(|path| !path.contains('}')) {
                Some(path) => look_up(path, bodies)?.clone(),
                None => Value::String(resolved(text, bodies)?),
            };
            *body = replaced;
        }
        Value::Array(items) => {
            for item in items {
                referred(item, bodies)?;
            }
        }
        Value::Object(fields) => {
            for (_, field) in fields.iter_mut() {
                referred(field, bodies)?;
            }
        }
        _ => {}
    }
    Ok(())
}

fn look_up<'a>(path: &str, bodies: &'a BTreeMap<&str, Value>) -> Result<&'a Value, ApiError> {
    let end = path.find(['.', '[']).unwrap_or(path.len());
    let (id, rest) = path.split_at(end);
    let steps = rest.split(['.', '[', ']']).filter(|step| !step.is_empty());
    let found = steps.fold(bodies.get(id), |at, step| match at? {
        Value::Array(items) => items.get(step.parse::<usize>().ok()?),
        Value::Object(fields) => fields.get(step),
        _ => None,
    });
    found.ok_or_else(|| {
        let message = format!("Invalid reference specified. No value for {path} found in {id}");
        ApiError::bad_request("PROCESSING_HALTED", message)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn references_lead_into_objects_and_lists_and_keep_their_types() {
        let bodies = BTreeMap::from([
            ("made", json!({"id": "001", "success": true})),
            ("found", json!({"records": [{"Id": "003"}]})),
            ("many", json!([{"id": "500"}])),
        ]);
        let mut body = json!({
            "a": "@{made.id}", "b": ["x @{found.records[0].Id} y"], "c": "@{made.success}", "d": {"e": "@{many[0].id}"},
        });
        referred(&mut body, &bodies).unwrap();
        assert_eq!(
            body,
            json!({"a": "001", "b": ["x 003 y"], "c": true, "d": {"e": "500"}})
        );
        assert_eq!(resolved("/a/@{made.id}/b", &bodies).unwrap(), "/a/001/b");
    }

    #[test]
    fn a_reference_to_nothing_halts() {
        let bodies = BTreeMap::from([("made", json!({}))]);
        let error = resolved("@{made.id}", &bodies).unwrap_err();
        assert_eq!(
            (error.code.as_str(), error.message.as_str()),
            (
                "PROCESSING_HALTED",
                "Invalid reference specified. No value for made.id found in made"
            )
        );
        assert_eq!(resolved("a @{made", &bodies).unwrap(), "a @{made");
    }
}
