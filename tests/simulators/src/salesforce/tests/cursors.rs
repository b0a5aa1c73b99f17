//! Results in pages: locators, and the ways in which they are lost or give less than hoped for.

use http::Method;
use serde_json::{Value, json};

use super::super::CursorValues;
use super::*;

/// The address of the next page, below the version.
fn next(body: &Value) -> Option<String> {
    let url = body["nextRecordsUrl"].as_str()?;
    Some(url.strip_prefix("/services/data/v62.0/").unwrap().to_owned())
}

/// How many rows each page has, to the last one.
fn pages(client: &mut Client, soql: &str) -> Vec<usize> {
    let (_, mut body) = client.query(soql);
    let mut sizes = Vec::new();
    loop {
        sizes.push(body["records"].as_array().unwrap().len());
        match next(&body) {
            Some(address) => body = client.get(&address).1,
            None => return sizes,
        }
    }
}

#[test]
fn pages_follow_their_locators_until_the_last() {
    let mut client = Client::new();
    client.org.settings.largest_page = 2;
    for at in 0..5 {
        client.create_case(&json!({"Subject": at.to_string()}));
    }
    let (_, first) = client.query("SELECT Subject FROM Case ORDER BY Id");
    assert_eq!((&first["totalSize"], &first["done"]), (&json!(5), &json!(false)));
    let next = first["nextRecordsUrl"]
        .as_str()
        .unwrap()
        .strip_prefix("/services/data/v62.0/")
        .unwrap()
        .to_owned();
    assert!(next.starts_with("query/01g") && next.ends_with("-2"), "{next}");
    let (_, second) = client.get(&next);
    assert_eq!(second["records"][0]["Subject"], "2");
    let next = second["nextRecordsUrl"]
        .as_str()
        .unwrap()
        .strip_prefix("/services/data/v62.0/")
        .unwrap()
        .to_owned();
    let (_, last) = client.get(&next);
    assert_eq!(
        (&last["done"], last["records"].as_array().unwrap().len()),
        (&json!(true), 1)
    );
    assert!(last.get("nextRecordsUrl").is_none());
}

#[test]
fn a_cursor_is_lost_by_age_by_many_others_and_by_the_services_whim() {
    let mut client = Client::new();
    client.org.settings.largest_page = 1;
    client.create_case(&json!({}));
    client.create_case(&json!({}));
    let open = |client: &mut Client| {
        let (_, body) = client.query("SELECT Id FROM Case");
        body["nextRecordsUrl"]
            .as_str()
            .unwrap()
            .strip_prefix("/services/data/v62.0/")
            .unwrap()
            .to_owned()
    };
    let aged = open(&mut client);
    client.wait(900);
    assert_eq!(
        client.refusal(Method::GET, &aged, &Value::Null).1,
        "INVALID_QUERY_LOCATOR"
    );
    let evicted = open(&mut client);
    for _ in 0..10 {
        open(&mut client);
    }
    assert_eq!(
        client.refusal(Method::GET, &evicted, &Value::Null).1,
        "INVALID_QUERY_LOCATOR"
    );
    let dropped = open(&mut client);
    client.org.drop_cursors();
    assert_eq!(
        client.refusal(Method::GET, &dropped, &Value::Null).1,
        "INVALID_QUERY_LOCATOR"
    );
    assert_eq!(
        client.refusal(Method::GET, "query/nonsense", &Value::Null).1,
        "INVALID_QUERY_LOCATOR"
    );
}

#[test]
fn the_batch_size_asked_for_is_honoured_within_its_bounds() {
    let mut client = Client::new();
    for _ in 0..201 {
        client.seed_case(&json!({}));
    }
    let mut request = client.request(
        Method::GET,
        &query_path("query", "SELECT Id FROM Case"),
        &Value::Null,
    );
    request
        .headers_mut()
        .insert("Sforce-Query-Options", "batchSize=10".parse().unwrap());
    let (_, body) = parts(&client.send(&request));
    assert_eq!(body["records"].as_array().unwrap().len(), 200, "never below 200");
}

#[test]
fn a_locator_is_good_at_either_address() {
    let mut client = Client::new();
    client.org.settings.largest_page = 1;
    for _ in 0..2 {
        client.create_case(&json!({}));
    }
    let (_, first) = client.get(&query_path("queryAll", "SELECT Id FROM Case"));
    let address = next(&first).unwrap();
    assert!(address.starts_with("queryAll/"), "{address}");
    for address in [
        address.clone(),
        address.replace("queryAll/", "query/"),
        address.replace("queryAll/", "queryall/"),
    ] {
        let (_, second) = client.get(&address);
        assert_eq!(
            (&second["totalSize"], &second["done"]),
            (&json!(2), &json!(true)),
            "{address}"
        );
    }
}

#[test]
fn the_rows_of_a_cursor_are_those_of_the_query_whatever_happens_meanwhile() {
    for values in [CursorValues::AsOfQuery, CursorValues::AsOfPage] {
        let mut client = Client::new();
        client.org.settings.largest_page = 1;
        client.org.settings.cursor_values = values;
        let ids: Vec<String> = ["a", "b", "c"]
            .iter()
            .map(|subject| client.create_case(&json!({"Subject": subject})))
            .collect();
        let (_, first) = client.query("SELECT Subject FROM Case WHERE Subject != 'z' ORDER BY Id");
        let edit = as_fields(&json!({"Subject": "z"}));
        client
            .org
            .edit_as_person("Case", &ids[1], &edit, client.now, "alice")
            .unwrap();
        client
            .org
            .delete_as_person("Case", &ids[2], client.now, "alice")
            .unwrap();
        client.create_case(&json!({"Subject": "d"}));
        let (_, second) = client.get(&next(&first).unwrap());
        let (_, third) = client.get(&next(&second).unwrap());
        let subjects = |body: &Value| {
            body["records"]
                .as_array()
                .unwrap()
                .iter()
                .map(|row| row["Subject"].clone())
                .collect::<Vec<_>>()
        };
        let (second_row, third_rows) = match values {
            CursorValues::AsOfQuery => (json!("b"), vec![json!("c")]),
            CursorValues::AsOfPage => (json!("z"), vec![]),
        };
        assert_eq!(subjects(&second), [second_row]);
        assert_eq!((subjects(&third), &third["totalSize"]), (third_rows, &json!(3)));
    }
}

#[test]
fn a_page_may_have_any_number_of_rows_and_none_is_lost() {
    let mut client = Client::new();
    for _ in 0..60 {
        client.seed_case(&json!({}));
    }
    client.org.settings.largest_page = 10;
    assert_eq!(pages(&mut client, "SELECT Id FROM Case"), [10; 6]);
    client.org.settings.uneven_pages = true;
    let sizes = pages(&mut client, "SELECT Id FROM Case");
    assert_eq!(sizes.iter().sum::<usize>(), 60);
    assert!(
        sizes.iter().any(|&size| size < 10) && sizes.iter().all(|&size| size > 0),
        "{sizes:?}"
    );
    client.org.settings.largest_page = 2000;
    assert_eq!(
        pages(&mut client, "SELECT Id FROM Case").iter().sum::<usize>(),
        60
    );
    assert_eq!(pages(&mut client, "SELECT Id FROM Account"), [0]);
}

#[test]
fn how_many_cursors_a_user_may_have_is_a_setting() {
    let mut client = Client::new();
    client.org.settings.largest_page = 1;
    client.org.settings.cursors_per_user = 1;
    for _ in 0..2 {
        client.create_case(&json!({}));
    }
    let (_, lost) = client.query("SELECT Id FROM Case");
    let (_, kept) = client.query("SELECT Id FROM Case");
    assert_eq!(client.get(&next(&kept).unwrap()).0, 200);
    let refusal = client.refusal(Method::GET, &next(&lost).unwrap(), &Value::Null);
    assert_eq!((refusal.0, refusal.1.as_str()), (400, "INVALID_QUERY_LOCATOR"));
}

#[test]
fn rows_of_several_long_texts_come_in_small_pages() {
    let mut client = Client::new();
    for name in ["One__c", "Two__c"] {
        client
            .org
            .add_custom_field("Case", Field::new(name, FieldType::Textarea))
            .unwrap();
    }
    for _ in 0..201 {
        client.seed_case(&json!({}));
    }
    assert_eq!(pages(&mut client, "SELECT One__c FROM Case"), [201]);
    assert_eq!(pages(&mut client, "SELECT One__c, Two__c FROM Case"), [200, 1]);
}

#[test]
fn a_query_can_be_explained_instead_of_run() {
    let mut client = Client::new();
    client.create_case(&json!({}));
    let path = query_path("query", "SELECT Id FROM Case").replace("?q=", "?explain=");
    let (_, body) = client.get(&path);
    let plan = &body["plans"][0];
    assert_eq!(
        (&plan["cardinality"], &plan["sobjectType"]),
        (&json!(1), &json!("Case"))
    );
    assert_eq!(body["sourceQuery"], "SELECT Id FROM Case");
}
