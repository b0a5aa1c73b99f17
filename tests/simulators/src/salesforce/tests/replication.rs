//! What changed, and what was deleted, in a window of time.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::*;

impl Client {
    /// Asks `updated` or `deleted` of Case for a window in seconds from [`START`].
    fn window(&mut self, resource: &str, from: i64, to: i64) -> (StatusCode, Value) {
        let at = |seconds: i64| START.checked_add(SignedDuration::from_secs(seconds)).unwrap();
        let path = format!("sobjects/Case/{resource}/?start={}&end={}", at(from), at(to));
        self.get(&path)
    }

    fn refused_window(&mut self, resource: &str, from: i64, to: i64) -> String {
        let (status, body) = self.window(resource, from, to);
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
        body[0]["errorCode"].as_str().unwrap().to_owned()
    }

    fn deleted_case(&mut self) -> String {
        let id = self.create_case(&json!({}));
        self.call(Method::DELETE, &format!("sobjects/Case/{id}"), &Value::Null);
        id
    }
}

const DAY: i64 = 24 * 3600;

#[test]
fn what_was_made_or_changed_in_the_window_is_told_and_what_was_deleted_is_not() {
    let mut client = Client::new();
    let old = client.create_case(&json!({}));
    client.wait(60);
    let id = client.create_case(&json!({}));
    client.deleted_case();
    client.wait(120);
    let (status, body) = client.window("updated", 60, 120);
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        body,
        json!({"ids": [id], "latestDateCovered": "2024-07-22T10:02:00.000+0000"})
    );
    client.call(Method::PATCH, &format!("sobjects/Case/{old}"), &json!({}));
    client.wait(60);
    assert_eq!(client.window("updated", 180, 240).1["ids"], json!([old]));
}

#[test]
fn what_was_deleted_in_the_window_is_told_until_it_is_undeleted() {
    let mut client = Client::new();
    client.create_case(&json!({}));
    let id = client.deleted_case();
    client.wait(60);
    let (_, body) = client.window("deleted", 0, 60);
    assert_eq!(
        body,
        json!({
            "deletedRecords": [{"id": id, "deletedDate": "2024-07-22T10:00:00.000+0000"}],
            "earliestDateAvailable": "2024-07-07T00:00:00.000+0000",
            "latestDateCovered": "2024-07-22T10:01:00.000+0000",
        })
    );
    client
        .org
        .undelete_as_person("Case", &id, client.now, "alice")
        .unwrap();
    assert_eq!(client.window("deleted", 0, 60).1["deletedRecords"], json!([]));
    client.wait(60);
    assert_eq!(client.window("updated", 60, 120).1["ids"], json!([id]));
}

#[test]
fn seconds_do_not_count() {
    let mut client = Client::new();
    client.wait(50);
    let id = client.create_case(&json!({}));
    client.wait(70);
    assert_eq!(client.window("updated", 59, 119).1["ids"], json!([id]));
    client.wait(10);
    let late = client.create_case(&json!({}));
    client.wait(60);
    assert_eq!(client.window("updated", 60, 179).1["ids"], json!([]));
    assert_eq!(client.window("updated", 60, 180).1["ids"], json!([late]));
    assert_eq!(
        client.refused_window("updated", 61, 119),
        "INVALID_REPLICATION_DATE",
        "one minute to the service"
    );
}

#[test]
fn windows_are_neither_backward_nor_too_old_nor_in_the_future() {
    let mut client = Client::new();
    for (resource, days) in [("updated", 30), ("deleted", 15)] {
        assert_eq!(
            client.window(resource, -days * DAY, 0).0,
            StatusCode::OK,
            "{resource}"
        );
        for (from, to) in [(-(days + 1) * DAY, 0), (60, 0), (600, 1200)] {
            assert_eq!(
                client.refused_window(resource, from, to),
                "INVALID_REPLICATION_DATE",
                "{resource} {from}"
            );
        }
    }
    let unreadable = "sobjects/Case/updated?start=2024-07-22&end=2024-07-23";
    assert_eq!(
        client.refusal(Method::GET, unreadable, &Value::Null).1,
        "INVALID_REPLICATION_DATE"
    );
    let unencoded = "sobjects/Case/updated/?start=2024-07-22T09:00:00+00:00&end=2024-07-22T10:00:00+00:00";
    assert_eq!(client.get(unencoded).0, StatusCode::OK);
}

#[test]
fn too_many_ids_are_refused() {
    let mut client = Client::new();
    client.org.settings.most_replicated_ids = 1;
    client.create_case(&json!({}));
    assert_eq!(client.window("updated", 0, 60).0, StatusCode::OK);
    client.create_case(&json!({}));
    assert_eq!(client.refused_window("updated", 0, 60), "EXCEEDED_ID_LIMIT");
}

#[test]
fn what_has_not_committed_is_not_told_and_holds_the_covered_date_back() {
    let mut client = Client::new();
    client.wait(90);
    client.org.settings.late_commit_seconds = 300;
    let id = client.seed_case(&json!({}));
    client.wait(150);
    let (_, body) = client.window("updated", 0, 240);
    assert_eq!(
        body,
        json!({"ids": [], "latestDateCovered": "2024-07-22T10:01:30.000+0000"})
    );
    client.wait(150);
    let (_, body) = client.window("updated", 60, 240);
    assert_eq!(
        body,
        json!({"ids": [id], "latestDateCovered": "2024-07-22T10:04:00.000+0000"})
    );
}

#[test]
fn a_deletion_in_flight_is_not_told_yet() {
    let mut client = Client::new();
    let id = client.create_case(&json!({}));
    client.org.settings.late_commit_seconds = 300;
    client
        .org
        .delete_as_person("Case", &id, client.now, "alice")
        .unwrap();
    client.wait(120);
    let (_, body) = client.window("deleted", 0, 120);
    assert_eq!(
        (&body["deletedRecords"], &body["latestDateCovered"]),
        (&json!([]), &json!("2024-07-22T10:00:00.000+0000"))
    );
    client.wait(180);
    assert_eq!(
        client.window("deleted", 0, 120).1["deletedRecords"][0]["id"],
        json!(id)
    );
}

#[test]
fn the_future_is_not_covered() {
    let mut client = Client::new();
    assert_eq!(
        client.window("updated", -60, 3600).1["latestDateCovered"],
        "2024-07-22T10:00:00.000+0000"
    );
}

#[test]
fn a_purged_log_says_from_when_on_it_can_be_trusted() {
    let mut client = Client::new();
    client.deleted_case();
    client.wait(60);
    client
        .org
        .administer("purge-delete-log", &json!({"object": "Case"}), client.now)
        .unwrap();
    client.wait(60);
    let kept = client.deleted_case();
    client.wait(60);
    let (_, body) = client.window("deleted", 0, 180);
    assert_eq!(body["earliestDateAvailable"], "2024-07-22T10:01:00.000+0000");
    let told = body["deletedRecords"].as_array().unwrap();
    assert_eq!(
        (told.len(), &told[0]["id"]),
        (1, &json!(kept)),
        "the recycle bin still has the other"
    );
}

#[test]
fn whether_the_log_tells_of_what_is_gone_for_good_is_switched() {
    for logged in [true, false] {
        let mut client = Client::new();
        client.org.settings.hard_deletes_are_logged = logged;
        let id = client.deleted_case();
        client.wait(60);
        client.org.empty_recycle_bin(None);
        let (_, body) = client.window("deleted", 0, 60);
        let told = if logged {
            json!([{"id": id, "deletedDate": "2024-07-22T10:00:00.000+0000"}])
        } else {
            json!([])
        };
        assert_eq!(body["deletedRecords"], told);
        let earliest = if logged { "2024-07-07T00" } else { "2024-07-22T10" };
        assert!(
            body["earliestDateAvailable"]
                .as_str()
                .unwrap()
                .starts_with(earliest)
        );
    }
}
