//! Addresses: what a path and a method ask for. A trailing slash never matters.

use std::collections::BTreeMap;

use http::Method;
use url::form_urlencoded;

use super::bulk::address::Address;
use crate::calls::CallKind;
use crate::model::Request;

/// What a request is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    Token,
    UserInfo,
    Identity,
    Revoke,
    /// The SOAP API's partner endpoint of a version, as `62.0`.
    Soap(String),
    Versions,
    /// A resource of the REST API, and the version asked for, as `v62.0`.
    Data {
        version: String,
        resource: Resource,
    },
    Nothing,
}

/// A resource of the REST API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Resource {
    Root,
    Limits,
    RecordCount,
    Recent,
    Objects,
    Object(String),
    Describe(String),
    Updated(String),
    Deleted(String),
    Record {
        object: String,
        id: String,
    },
    /// A record by the value of one of its external-id fields.
    ByExternalId {
        object: String,
        field: String,
        value: String,
    },
    Composite,
    Batch,
    Tree(String),
    Collections,
    CollectionOf(String),
    /// Many records of one object, by the value of an external-id field.
    CollectionBy {
        object: String,
        field: String,
    },
    Query,
    QueryMore(String),
    QueryAll,
    QueryAllMore(String),
    /// Below `jobs/`.
    Bulk(Address),
    Nothing,
}

/// What a request's path is for.
pub(crate) fn route(request: &Request) -> Route {
    let segments: Vec<String> = request
        .uri()
        .path()
        .trim_matches('/')
        .split('/')
        .map(decoded)
        .collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match segments.as_slice() {
        ["services", "oauth2", "token"] => Route::Token,
        ["services", "oauth2", "userinfo"] => Route::UserInfo,
        ["id", _, _] => Route::Identity,
        ["services", "oauth2", "revoke"] => Route::Revoke,
        ["services", "Soap", "u", version, ..] => Route::Soap((*version).to_owned()),
        ["services", "data"] => Route::Versions,
        ["services", "data", version, rest @ ..] => Route::Data {
            version: (*version).to_owned(),
            resource: resource(rest),
        },
        _ => Route::Nothing,
    }
}

fn resource(segments: &[&str]) -> Resource {
    let owned = |text: &str| text.to_owned();
    match segments {
        [] => Resource::Root,
        ["limits"] => Resource::Limits,
        ["limits", "recordCount"] => Resource::RecordCount,
        ["recent"] => Resource::Recent,
        ["sobjects"] => Resource::Objects,
        ["sobjects", object] => Resource::Object(owned(object)),
        ["sobjects", object, "describe"] => Resource::Describe(owned(object)),
        ["sobjects", object, "updated"] => Resource::Updated(owned(object)),
        ["sobjects", object, "deleted"] => Resource::Deleted(owned(object)),
        ["sobjects", object, id] => Resource::Record {
            object: owned(object),
            id: owned(id),
        },
        // The common clients do not encode a slash in a value, and the service takes the rest of the path for it.
        ["sobjects", object, field, value @ ..] => Resource::ByExternalId {
            object: owned(object),
            field: owned(field),
            value: value.join("/"),
        },
        ["composite"] => Resource::Composite,
        ["composite", "batch"] => Resource::Batch,
        ["composite", "tree", object] => Resource::Tree(owned(object)),
        ["composite", "sobjects"] => Resource::Collections,
        ["composite", "sobjects", object] => Resource::CollectionOf(owned(object)),
        ["composite", "sobjects", object, field] => Resource::CollectionBy {
            object: owned(object),
            field: owned(field),
        },
        ["jobs", rest @ ..] => Address::of(rest).map_or(Resource::Nothing, Resource::Bulk),
        [query] if query.eq_ignore_ascii_case("query") => Resource::Query,
        [query, locator] if query.eq_ignore_ascii_case("query") => Resource::QueryMore(owned(locator)),
        [all] if all.eq_ignore_ascii_case("queryAll") => Resource::QueryAll,
        [all, locator] if all.eq_ignore_ascii_case("queryAll") => Resource::QueryAllMore(owned(locator)),
        _ => Resource::Nothing,
    }
}

/// One path segment without its percent-encoding; unlike in a form, a plus is a plus.
fn decoded(segment: &str) -> String {
    let form = format!("x={}", segment.replace('+', "%2B").replace('&', "%26"));
    form_urlencoded::parse(form.as_bytes())
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

/// The query parameters, last one winning.
pub(crate) fn parameters(request: &Request) -> BTreeMap<String, String> {
    form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes())
        .into_owned()
        .collect()
}

/// The method meant: clients that cannot send `PATCH` send `POST` with `_HttpMethod=PATCH`.
pub(crate) fn method(request: &Request) -> Method {
    let meant = (request.method() == Method::POST)
        .then(|| parameters(request).remove("_HttpMethod"))
        .flatten()
        .and_then(|name| name.to_ascii_uppercase().parse().ok());
    meant.unwrap_or_else(|| request.method().clone())
}

/// The kind of call that a request is.
pub(crate) fn kind(request: &Request) -> CallKind {
    let method = method(request);
    CallKind::new(match route(request) {
        Route::Token => "salesforce.token",
        Route::UserInfo => "salesforce.userinfo",
        Route::Identity => "salesforce.identity",
        Route::Revoke => "salesforce.revoke",
        Route::Soap(_) => "salesforce.soap",
        Route::Versions => "salesforce.versions",
        Route::Nothing => "salesforce.unknown",
        Route::Data { resource, .. } => match resource {
            Resource::Root => "salesforce.resources",
            Resource::Limits => "salesforce.limits",
            Resource::RecordCount => "salesforce.recordcount",
            Resource::Recent => "salesforce.recent",
            Resource::Objects => "salesforce.describe.global",
            Resource::Object(_) | Resource::Record { .. } if method == Method::POST => {
                "salesforce.record.create"
            }
            Resource::Object(_) => "salesforce.describe.basic",
            Resource::Describe(_) => "salesforce.describe",
            Resource::Updated(_) => "salesforce.updated",
            Resource::Deleted(_) => "salesforce.deleted",
            Resource::Record { .. } if method == Method::PATCH => "salesforce.record.update",
            Resource::Record { .. } if method == Method::DELETE => "salesforce.record.delete",
            Resource::Record { .. } => "salesforce.record.get",
            Resource::ByExternalId { .. } if method == Method::GET => "salesforce.record.get",
            Resource::ByExternalId { .. } if method == Method::DELETE => "salesforce.record.delete",
            Resource::ByExternalId { .. } => "salesforce.record.upsert",
            Resource::Composite => "salesforce.composite",
            Resource::Batch => "salesforce.batch",
            Resource::Tree(_) => "salesforce.tree",
            Resource::CollectionBy { .. } => "salesforce.collections.upsert",
            Resource::Collections if method == Method::POST => "salesforce.collections.create",
            Resource::Collections if method == Method::PATCH => "salesforce.collections.update",
            Resource::Collections => "salesforce.collections.delete",
            Resource::CollectionOf(_) => "salesforce.collections.retrieve",
            Resource::Query => "salesforce.query",
            Resource::QueryMore(_) => "salesforce.query.more",
            Resource::QueryAll => "salesforce.queryall",
            Resource::QueryAllMore(_) => "salesforce.queryall.more",
            Resource::Bulk(address) => address.kind(&method),
            Resource::Nothing => "salesforce.unknown",
        },
    })
}
