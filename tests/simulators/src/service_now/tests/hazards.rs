//! Hazards that can be switched on.

use super::*;
use crate::service_now::{RateLimit, SessionQueue};

#[test]
fn a_late_commit_is_stamped_at_once_and_listed_later() {
    let mut bench = Bench::new();
    let old = bench.seed("incident", json!({"short_description": "before"}));
    bench.wait(60);
    bench.instance.switches.late_commit_seconds = 5;
    let new = text(&bench.created("incident", json!({})), "sys_id");
    bench.edit("incident", &old, json!({"short_description": "after"}));
    assert_eq!(bench.column("incident", "", "short_description"), ["before"]);
    assert_eq!(bench.get(&format!("/api/now/table/incident/{new}")).status(), 200);
    bench.wait(4);
    assert_eq!(bench.list("incident", "").len(), 1);
    bench.wait(1);
    let stamps = bench.column("incident", "", "sys_updated_on");
    assert_eq!(stamps, ["2026-11-22 01:03:03", "2026-11-22 01:03:03"]);
}

#[test]
fn a_lagging_replica_shows_rows_as_they_were_in_lists_and_reads() {
    let mut bench = Bench::new();
    let id = bench.seed("incident", json!({"short_description": "before"}));
    bench.wait(60);
    bench.instance.switches.replica_lag_seconds = 10;
    let row = bench.patched("incident", &id, json!({"short_description": "after"}));
    assert_eq!(
        row["short_description"], "after",
        "the answer to a write comes from the writing node"
    );
    assert_eq!(bench.column("incident", "", "short_description"), ["before"]);
    let path = format!("/api/now/table/incident/{id}");
    assert_eq!(body(&bench.get(&path))["result"]["short_description"], "before");
    bench.wait(10);
    assert_eq!(body(&bench.get(&path))["result"]["short_description"], "after");
}

#[test]
fn a_shared_session_that_overflows_swallows_requests_with_202() {
    let mut bench = Bench::new();
    bench.instance.switches.session_queue = Some(SessionQueue {
        depth: 10,
        request_millis: 500,
    });
    let mut sharing = request("POST", "/api/now/table/incident", "sync", Some(&json!({})));
    sharing
        .headers_mut()
        .insert("cookie", "glide_user_route=x; JSESSIONID=ABC".parse().unwrap());
    let mut statuses: Vec<u16> = (0..13).map(|_| bench.send(&sharing).status().as_u16()).collect();
    assert_eq!(statuses.split_off(11), [202, 202]);
    assert_eq!(bench.instance.rows("incident").len(), 11);
    assert_eq!(
        bench.post("incident", json!({})).status(),
        201,
        "a client without the cookie does not queue"
    );
    bench.wait(6);
    assert_eq!(bench.send(&sharing).status(), 201);
}

#[test]
fn a_rate_limit_denies_with_headers_until_the_hour_turns() {
    let mut bench = Bench::new();
    let limit = RateLimit {
        rule: "Table API".into(),
        path: "/api/now/table".into(),
        per_hour: 2,
    };
    bench.instance.switches.rate_limits.push(limit);
    let answer = bench.get("/api/now/table/incident");
    assert_eq!(header(&answer, "x-ratelimit-limit"), Some("2"));
    bench.get("/api/now/table/incident");
    let denied = bench.get("/api/now/table/incident");
    assert_eq!(error(&denied).0, 429);
    assert_eq!(header(&denied, "retry-after"), Some("3477"));
    assert_eq!(header(&denied, "x-ratelimit-rule"), Some("Table API"));
    bench.user = "admin";
    assert_eq!(
        bench.get("/api/now/table/incident").status(),
        200,
        "each user has a count"
    );
    bench.user = "sync";
    bench.wait(3477);
    assert_eq!(bench.get("/api/now/table/incident").status(), 200);
}

#[test]
fn a_cancelled_list_is_200_with_an_error_in_broken_json() {
    let mut bench = Bench::new();
    for _ in 0..5 {
        bench.seed("incident", json!({}));
    }
    bench.instance.switches.truncates_lists_over = Some(2);
    let answer = bench.get("/api/now/table/incident");
    assert_eq!(answer.status(), 200);
    assert!(serde_json::from_slice::<Value>(answer.body()).is_err());
    let sent = String::from_utf8(answer.body().to_vec()).unwrap();
    assert!(
        sent.contains("\"error\":{\"message\":\"Transaction cancelled: maximum execution time exceeded\"")
    );
    assert!(sent.ends_with("\"status\":\"failure\"}"));
    let small = bench.get("/api/now/table/incident?sysparm_limit=2");
    assert_eq!(body(&small)["result"].as_array().unwrap().len(), 2);
}

#[test]
fn rows_that_tie_may_come_in_another_order_on_each_call() {
    let mut bench = Bench::new();
    for _ in 0..20 {
        bench.seed("incident", json!({}));
    }
    let order = |bench: &mut Bench| bench.column("incident", "ORDERBYsys_updated_on", "sys_id");
    assert_eq!(order(&mut bench), order(&mut bench));
    bench.instance.switches.shuffles_ties = true;
    assert_ne!(order(&mut bench), order(&mut bench));
    let total = |bench: &mut Bench| bench.column("incident", "ORDERBYsys_updated_on^ORDERBYsys_id", "sys_id");
    assert_eq!(total(&mut bench), total(&mut bench));
}

#[test]
fn an_address_that_is_too_long_gets_a_page_while_a_batch_takes_it() {
    let mut bench = Bench::new();
    let long = format!(
        "/api/now/table/incident?sysparm_query=numberIN{}",
        "INC0010001,".repeat(2000)
    );
    let answer = bench.get(&long);
    assert_eq!(
        (answer.status().as_u16(), header(&answer, "content-type")),
        (414, Some("text/html"))
    );
    let inner = json!({"id": "1", "method": "GET", "url": long, "headers": []});
    let sent = json!({"batch_request_id": "1", "rest_requests": [inner]});
    let answer = bench.call("POST", "/api/now/v1/batch", Some(&sent));
    assert_eq!(body(&answer)["serviced_requests"][0]["status_code"], 200);
}

#[test]
fn times_in_queries_may_be_read_in_the_callers_zone() {
    let mut bench = Bench::new();
    bench.instance.set_property("glide.sys.default.tz", "Asia/Tokyo");
    bench.seed("incident", json!({}));
    let same_second = "sys_updated_on=2026-11-22 01:02:03";
    assert_eq!(bench.list("incident", same_second).len(), 1);
    bench.instance.switches.query_times_are_local = true;
    assert_eq!(bench.list("incident", same_second).len(), 0);
    assert_eq!(
        bench.list("incident", "sys_updated_on=2026-11-22 10:02:03").len(),
        1
    );
}
