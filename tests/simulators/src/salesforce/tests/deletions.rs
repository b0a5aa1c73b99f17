//! The recycle bin, what leaves it, and merges.

use http::Method;
use serde_json::{Value, json};

use super::*;
use crate::model::{AdminError, WriteKind};

impl Client {
    fn delete_case(&mut self, id: &str) {
        self.call(Method::DELETE, &format!("sobjects/Case/{id}"), &Value::Null);
    }

    /// What `queryAll` says of a record: whether it is deleted; `None` when it is not there.
    fn is_deleted(&mut self, id: &str) -> Option<bool> {
        let path = query_path(
            "queryAll",
            &format!("SELECT IsDeleted FROM Case WHERE Id = '{id}'"),
        );
        let (_, body) = self.get(&path);
        body["records"][0]["IsDeleted"].as_bool()
    }

    fn administer(&mut self, action: &str, body: &Value) -> Result<Value, AdminError> {
        self.org.administer(action, body, self.now)
    }
}

#[test]
fn a_deleted_record_waits_in_the_recycle_bin_for_so_many_days_and_then_is_gone() {
    let mut client = Client::new();
    let id = client.create_case(&json!({}));
    client.delete_case(&id);
    client.wait(15 * 24 * 3600);
    client.sign_in();
    assert_eq!(client.is_deleted(&id), Some(true));
    client.wait(1);
    assert_eq!(client.is_deleted(&id), None);
    let (status, code, _) = client.refusal(Method::GET, &format!("sobjects/Case/{id}"), &Value::Null);
    assert_eq!((status, code.as_str()), (404, "NOT_FOUND"));
    assert!(
        client
            .org
            .undelete_as_person("Case", &id, client.now, "alice")
            .is_err()
    );
}

#[test]
fn an_emptied_recycle_bin_is_empty_and_a_hard_deletion_never_enters_it() {
    let mut client = Client::new();
    let ids = [(); 3].map(|()| client.create_case(&json!({"Stamp__c": null})));
    client.delete_case(&ids[0]);
    client
        .administer("empty-recycle-bin", &json!({"object": "Account"}))
        .unwrap();
    assert_eq!(client.is_deleted(&ids[0]), Some(true));
    client
        .administer("empty-recycle-bin", &json!({"object": "Case"}))
        .unwrap();
    client
        .administer(
            "hard-delete",
            &json!({"object": "Case", "id": ids[1], "user": "alice"}),
        )
        .unwrap();
    assert_eq!(
        [0, 1, 2].map(|at| client.is_deleted(&ids[at])),
        [None, None, Some(false)]
    );
    let kinds: Vec<WriteKind> = client.org.writes()[3..].iter().map(|write| write.kind).collect();
    assert_eq!(kinds, [WriteKind::Deleted, WriteKind::Deleted]);
}

#[test]
fn a_merge_deletes_the_loser_in_favour_of_the_master_and_moves_what_was_its_own() {
    let mut client = Client::new();
    let account = |client: &mut Client, name: &str| {
        client
            .org
            .seed("Account", &as_fields(&json!({"Name": name})), client.now)
            .unwrap()
    };
    let (master, loser) = (account(&mut client, "master"), account(&mut client, "loser"));
    let case = client.create_case(&json!({"AccountId": loser}));
    client.wait(60);
    client
        .administer(
            "merge",
            &json!({"object": "Account", "master": master, "losers": [loser], "user": "alice"}),
        )
        .unwrap();
    assert_eq!(client.case(&case)["AccountId"], json!(master));
    assert_eq!(
        client.case(&case)["SystemModstamp"],
        "2024-07-22T10:01:00.000+0000"
    );
    let path = query_path(
        "queryAll",
        &format!("SELECT Id, IsDeleted, MasterRecordId FROM Account WHERE MasterRecordId = '{master}'"),
    );
    let (_, body) = client.get(&path);
    assert_eq!(
        (&body["records"][0]["Id"], &body["records"][0]["IsDeleted"]),
        (&json!(loser), &json!(true))
    );
    let again = json!({"object": "Account", "master": master, "losers": [loser]});
    assert!(matches!(
        client.administer("merge", &again),
        Err(AdminError::UnknownRecord { .. })
    ));
    let itself = json!({"object": "Account", "master": master, "losers": [master]});
    assert!(matches!(
        client.administer("merge", &itself),
        Err(AdminError::Invalid(_))
    ));
}

#[test]
fn an_undeleted_loser_of_a_merge_has_no_master() {
    let mut client = Client::new();
    let (master, loser) = (client.create_case(&json!({})), client.create_case(&json!({})));
    client
        .org
        .merge_as_person("Case", &master, std::slice::from_ref(&loser), START, "alice")
        .unwrap();
    assert_eq!(client.org.records("Case").len(), 1);
    client
        .org
        .undelete_as_person("Case", &loser, START, "alice")
        .unwrap();
    assert_eq!(client.case(&loser)["MasterRecordId"], Value::Null);
}
