//! The Attachment API.

use super::*;

fn upload(user: &str, path: &str, content_type: &str, content: &'static [u8]) -> Request {
    let mut request = request("POST", path, user, None);
    request
        .headers_mut()
        .insert("content-type", content_type.parse().unwrap());
    request.map(|_| Bytes::from_static(content))
}

fn attach(bench: &mut Bench, record: &str, name: &str, content: &'static [u8]) -> Value {
    let path =
        format!("/api/now/v1/attachment/file?table_name=incident&table_sys_id={record}&file_name={name}");
    let answer = bench.send(&upload(bench.user, &path, "text/plain", content));
    assert_eq!(answer.status(), 201, "{:?}", answer.body());
    body(&answer)["result"].clone()
}

fn files_of(bench: &mut Bench, record: &str) -> Vec<Value> {
    let query = encoded(&[(
        "sysparm_query",
        &format!("table_name=incident^table_sys_id={record}"),
    )]);
    let answer = bench.get(&format!("/api/now/attachment?{query}"));
    let files = body(&answer)["result"].as_array().unwrap().clone();
    assert_eq!(
        header(&answer, "x-total-count"),
        Some(files.len().to_string().as_str())
    );
    files
}

#[test]
fn a_file_comes_back_to_the_byte_with_its_size_type_and_hash_and_leaves_its_record_alone() {
    let mut bench = Bench::new();
    let record = bench.seed("incident", json!({}));
    bench.wait(60);
    let path =
        format!("/api/now/v1/attachment/file?table_name=incident&table_sys_id={record}&file_name=a.bin");
    let answer = bench.send(&upload(
        "sync",
        &path,
        "application/octet-stream",
        b"\x00\x01\xff",
    ));
    let file = body(&answer)["result"].clone();
    let id = text(&file, "sys_id");
    let address = format!("https://acme.service-now.com/api/now/v1/attachment/{id}/file");
    assert_eq!(
        (answer.status().as_u16(), header(&answer, "location")),
        (201, Some(address.as_str()))
    );
    assert_eq!(
        (text(&file, "size_bytes"), text(&file, "file_name")),
        ("3".into(), "a.bin".into())
    );
    assert_eq!(
        text(&file, "hash"),
        "26a66b061e8f48f39927c312f25293959729eee95978e2892d49d3512a5cc092"
    );
    let content = bench.get(&format!("/api/now/attachment/{id}/file"));
    assert_eq!(
        (&content.body()[..], header(&content, "content-type")),
        (&b"\x00\x01\xff"[..], Some("application/octet-stream"))
    );
    assert!(
        header(&content, "x-attachment-metadata")
            .unwrap()
            .contains("a.bin")
    );
    assert_eq!(
        bench.instance.row("incident", &record).unwrap()["sys_updated_on"],
        "2026-11-22 01:02:03"
    );
    assert_eq!(files_of(&mut bench, &record).len(), 1);
    assert_eq!(
        body(&bench.get(&format!("/api/now/attachment/{id}")))["result"],
        file
    );
}

#[test]
fn a_form_carries_the_file_in_its_last_part() {
    let mut bench = Bench::new();
    bench
        .instance
        .seed(
            "incident",
            &object(json!({"sys_id": "0123456789abcdef0123456789abcdef"})),
            bench.now,
        )
        .unwrap();
    let form = b"--B\r\nContent-Disposition: form-data; name=\"table_name\"\r\n\r\nincident\r\n--B\r\n\
        Content-Disposition: form-data; name=\"table_sys_id\"\r\n\r\n0123456789abcdef0123456789abcdef\r\n--B\r\n\
        Content-Disposition: form-data; name=\"uploadFile\"; filename=\"a.csv\"\r\nContent-Type: text/csv\r\n\r\nx,y\r\n--B--\r\n";
    let answer = bench.send(&upload(
        "sync",
        "/api/now/attachment/upload",
        "multipart/form-data; boundary=B",
        form,
    ));
    let file = body(&answer)["result"].clone();
    assert_eq!(
        (answer.status().as_u16(), text(&file, "content_type")),
        (201, "text/csv".into())
    );
    let id = text(&file, "sys_id");
    assert_eq!(
        &bench.get(&format!("/api/now/attachment/{id}/file")).body()[..],
        b"x,y"
    );
}

#[test]
fn files_go_one_by_one_or_with_their_record() {
    let mut bench = Bench::new();
    let record = bench.seed("incident", json!({}));
    let first = text(&attach(&mut bench, &record, "a.txt", b"a"), "sys_id");
    attach(&mut bench, &record, "b.txt", b"b");
    assert_eq!(
        bench
            .call("DELETE", &format!("/api/now/attachment/{first}"), None)
            .status(),
        204
    );
    assert_eq!(
        bench.get(&format!("/api/now/attachment/{first}/file")).status(),
        404
    );
    assert_eq!(files_of(&mut bench, &record).len(), 1);
    bench.call("DELETE", &format!("/api/now/table/incident/{record}"), None);
    assert!(bench.instance.rows("sys_attachment").is_empty());
}

#[test]
fn who_may_not_see_a_record_sees_none_of_its_files_and_who_may_not_write_it_attaches_none() {
    let mut bench = Bench::new();
    let record = bench.seed("incident", json!({}));
    let id = text(&attach(&mut bench, &record, "a.txt", b"a"), "sys_id");
    bench.instance.add_user("guest", "secret", &[]);
    bench.user = "guest";
    assert_eq!(bench.get(&format!("/api/now/attachment/{id}/file")).status(), 404);
    assert_eq!(body(&bench.get("/api/now/attachment"))["result"], json!([]));
    bench.user = "sync";
    bench.instance.add_acl(crate::service_now::Acl::row(
        "incident",
        crate::service_now::Operation::Write,
        crate::service_now::Grant::Nobody,
    ));
    let path = format!("/api/now/attachment/file?table_name=incident&table_sys_id={record}&file_name=b.txt");
    assert_eq!(
        bench.send(&upload("sync", &path, "text/plain", b"b")).status(),
        403
    );
}

#[test]
fn the_instance_limits_size_and_extension_and_names_what_is_missing() {
    let mut bench = Bench::new();
    let record = bench.seed("incident", json!({}));
    bench
        .instance
        .set_property("glide.attachment.extensions", "txt,png");
    let path = format!("/api/now/attachment/file?table_name=incident&table_sys_id={record}");
    let send = |bench: &mut Bench, name: &str, content: &'static [u8]| {
        let request = upload("sync", &format!("{path}&file_name={name}"), "text/plain", content);
        bench.send(&request).status().as_u16()
    };
    assert_eq!(
        (send(&mut bench, "a.exe", b"a"), send(&mut bench, "a.PNG", b"a")),
        (400, 201)
    );
    bench.instance.set_property("com.glide.attachment.max_size", "0");
    assert_eq!(send(&mut bench, "a.txt", b"a"), 400);
    let nameless = bench.send(&upload("sync", &path, "text/plain", b"a"));
    assert!(error(&nameless).2.unwrap().contains("file_name"));
    let nowhere = "/api/now/attachment/file?table_name=incident&table_sys_id=x&file_name=a.txt";
    assert_eq!(
        bench.send(&upload("sync", nowhere, "text/plain", b"a")).status(),
        404
    );
}
