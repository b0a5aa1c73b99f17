//! Queries across objects: parents, children, semi-joins, and aggregates over rows.

use http::Method;
use serde_json::{Value, json};

use super::super::{FieldAccess, INTEGRATION_USER, ObjectRights};
use super::*;

/// Two accounts with a contact each, and three cases: one of each account, one of none.
fn org() -> Client {
    let mut client = Client::new();
    let seed = |client: &mut Client, object: &str, fields: Value| {
        client.wait(1);
        client.org.seed(object, &as_fields(&fields), client.now).unwrap()
    };
    for (name, contact) in [("Acme", "Ann"), ("Zeta", "Zoe")] {
        let account = seed(&mut client, "Account", json!({"Name": name}));
        let email = format!("{contact}@x.example");
        let contact = seed(
            &mut client,
            "Contact",
            json!({"LastName": contact, "Email": email, "AccountId": account}),
        );
        seed(
            &mut client,
            "Case",
            json!({"Subject": format!("of {name}"), "AccountId": account, "ContactId": contact, "Cost__c": 3}),
        );
    }
    seed(
        &mut client,
        "Case",
        json!({"Subject": "of nobody", "Status": "Closed"}),
    );
    client
}

fn refused(client: &mut Client, soql: &str) -> (String, String) {
    let (_, code, message) = client.refusal(Method::GET, &query_path("query", soql), &Value::Null);
    (code, message)
}

#[test]
fn a_parents_fields_come_as_a_record_within_the_record() {
    let mut client = org();
    let records = client.records(
        "SELECT Subject, Account.Name, Contact.Email, Contact.Account.Name, Owner.Name FROM Case ORDER BY Subject",
    );
    let first = &records[0];
    assert_eq!(first["Account"]["Name"], "Acme");
    assert_eq!(first["Account"]["attributes"]["type"], "Account");
    assert_eq!(first["Contact"]["Email"], "Ann@x.example");
    assert_eq!(first["Contact"]["Account"]["Name"], "Acme");
    assert_eq!(first["Owner"]["attributes"]["type"], "Name");
    assert!(
        first["Owner"]["attributes"]["url"]
            .as_str()
            .unwrap()
            .contains("/User/005")
    );
}

#[test]
fn a_missing_parent_is_null_and_filters_and_orders_as_null() {
    let mut client = org();
    let records =
        client.records("SELECT Subject, Account.Name FROM Case ORDER BY Account.Name DESC NULLS LAST");
    let names: Vec<&Value> = records.iter().map(|record| &record["Account"]["Name"]).collect();
    assert_eq!(names, [&json!("Zeta"), &json!("Acme"), &Value::Null]);
    assert_eq!(records[2]["Account"], Value::Null);
    assert_eq!(
        client
            .records("SELECT Id FROM Case WHERE Account.Name = null")
            .len(),
        1
    );
    assert_eq!(
        client
            .records("SELECT Id FROM Case WHERE Account.Name LIKE 'ac%'")
            .len(),
        1
    );
    assert_eq!(
        client
            .records("SELECT c.Id FROM Case c WHERE c.Account.Name != 'Acme'")
            .len(),
        2
    );
}

#[test]
fn a_parent_that_the_user_may_not_see_cannot_be_told_from_none() {
    let mut client = org();
    client
        .org
        .set_field_access(INTEGRATION_USER, "Contact", "Email", FieldAccess::Hidden)
        .unwrap();
    let (code, message) = refused(&mut client, "SELECT Contact.Email FROM Case");
    assert_eq!(code, "INVALID_FIELD");
    assert!(
        message.contains("No such column 'Email' on entity 'Contact'."),
        "{message}"
    );
    let rights = ObjectRights {
        read: false,
        ..ObjectRights::default()
    };
    client
        .org
        .set_object_rights(INTEGRATION_USER, "Account", rights)
        .unwrap();
    let (code, message) = refused(&mut client, "SELECT Account.Name FROM Case");
    assert_eq!(code, "INVALID_FIELD");
    assert!(
        message.contains("Didn't understand relationship 'Account'"),
        "{message}"
    );
}

#[test]
fn children_come_as_a_result_within_the_record() {
    let mut client = org();
    client.org.add_custom_object("Ticket__c", "Ticket");
    let lookup = Field {
        reference_to: vec!["Account".into()],
        ..Field::new("Customer__c", FieldType::Reference)
    };
    client.org.add_custom_field("Ticket__c", lookup).unwrap();
    let acme = client.records("SELECT Id FROM Account WHERE Name = 'Acme'")[0]["Id"].clone();
    for _ in 0..3 {
        let fields = as_fields(&json!({"Customer__c": acme}));
        client.org.seed("Ticket__c", &fields, client.now).unwrap();
    }
    let records = client.records(
        "SELECT Name, (SELECT LastName FROM Contacts), (SELECT Id FROM Cases WHERE Status = 'Closed'), \
         (SELECT Id, Customer__r.Name FROM Tickets__r LIMIT 2) FROM Account ORDER BY Name",
    );
    let contacts = &records[0]["Contacts"];
    assert_eq!(
        (&contacts["totalSize"], &contacts["done"]),
        (&json!(1), &json!(true))
    );
    assert_eq!(contacts["records"][0]["LastName"], "Ann");
    assert_eq!(records[0]["Cases"], Value::Null);
    assert_eq!(records[0]["Tickets__r"]["totalSize"], 2);
    assert_eq!(
        records[0]["Tickets__r"]["records"][0]["Customer__r"]["Name"],
        "Acme"
    );
    assert_eq!(records[1]["Tickets__r"], Value::Null);
    let (code, message) = refused(&mut client, "SELECT (SELECT Id FROM Sheep) FROM Account");
    assert_eq!(code, "INVALID_TYPE");
    assert!(
        message.contains("Didn't understand relationship 'Sheep' in FROM part"),
        "{message}"
    );
}

#[test]
fn a_semi_join_filters_by_what_another_query_finds() {
    let mut client = org();
    let by_contact = "SELECT AccountId FROM Contact WHERE LastName = 'Zoe'";
    let records = client.records(&format!("SELECT Name FROM Account WHERE Id IN ({by_contact})"));
    assert_eq!((records.len(), &records[0]["Name"]), (1, &json!("Zeta")));
    let records = client.records(&format!(
        "SELECT Name FROM Account WHERE Id NOT IN ({by_contact})"
    ));
    assert_eq!((records.len(), &records[0]["Name"]), (1, &json!("Acme")));
    let nested = format!("SELECT AccountId FROM Case WHERE AccountId IN ({by_contact})");
    let (code, message) = refused(
        &mut client,
        &format!("SELECT Id FROM Account WHERE Id IN ({nested})"),
    );
    assert_eq!(code, "MALFORMED_QUERY");
    assert!(
        message.contains("Nesting of semi join sub-selects is not supported"),
        "{message}"
    );
}

#[test]
fn aggregates_come_by_group_or_over_all_rows() {
    let mut client = org();
    let (_, body) =
        client.query("SELECT COUNT(Id), MAX(Subject) last, SUM(Cost__c) cost, AVG(Cost__c) FROM Case");
    assert_eq!(
        body,
        json!({"totalSize": 1, "done": true, "records": [
            {"attributes": {"type": "AggregateResult"}, "expr0": 3, "last": "of Zeta", "cost": 6.0, "expr1": 3.0}
        ]})
    );
    let records = client.records(
        "SELECT Status, COUNT(Id) many, COUNT(AccountId) had FROM Case GROUP BY Status ORDER BY Status DESC",
    );
    let shown: Vec<Value> = records
        .iter()
        .map(|record| json!([record["Status"], record["many"], record["had"]]))
        .collect();
    assert_eq!(shown, [json!(["New", 2, 2]), json!(["Closed", 1, 0])]);
    let refusals = [
        (
            "SELECT Subject, COUNT(Id) FROM Case",
            "Field must be grouped or aggregated: Subject",
        ),
        ("SELECT MAX(Id) FROM Case LIMIT 1", "cannot also use LIMIT"),
        (
            "SELECT SUM(Subject) FROM Case",
            "does not support aggregate operator",
        ),
        (
            "SELECT Subject s FROM Case",
            "only aggregate expressions use field aliasing",
        ),
    ];
    for (soql, wording) in refusals {
        let (code, message) = refused(&mut client, soql);
        assert_eq!(code, "MALFORMED_QUERY", "{soql}");
        assert!(message.contains(wording), "{message}");
    }
}

#[test]
fn fields_stands_for_many_but_not_for_many_rows() {
    let mut client = org();
    let record = &client.records("SELECT FIELDS(CUSTOM) FROM Case LIMIT 1")[0];
    assert!(record.get("Cost__c").is_some() && record.get("Subject").is_none());
    let record = &client.records("SELECT FIELDS(STANDARD) FROM Case")[0];
    assert!(record.get("Cost__c").is_none() && record.get("Subject").is_some());
    let record = &client.records("SELECT FIELDS(ALL) FROM Case LIMIT 200")[0];
    assert!(record.get("Cost__c").is_some() && record.get("Subject").is_some());
    let (code, message) = refused(&mut client, "SELECT FIELDS(ALL) FROM Case LIMIT 201");
    assert_eq!(code, "MALFORMED_QUERY");
    assert!(message.contains("must have a LIMIT of at most 200"), "{message}");
}
