//! Long scans: the rows are those of the pages, whichever way they come.

use std::fmt::Write as _;
use std::time::Duration;

use super::*;
use crate::adapters::http::scripted::with_header;
use crate::adapters::salesforce::BulkRules;
use crate::core::time::Instant;
use crate::ports::{ChangePage, ChangeQuery, Remote};

/// 2026-11-22T10:00:00Z, which is what every scripted answer's `Date` says.
const NOW: i64 = 1_795_341_600;

fn at(number: u32) -> String {
    Instant::from_seconds(1_700_000_000 + i64::from(number))
        .to_string()
        .replace('Z', ".000+0000")
}

/// A page of these rows; a full one where there are two.
fn page(numbers: &[u32]) -> Answer {
    let rows: Vec<String> = numbers
        .iter()
        .map(|number| {
            format!(
                r#"{{"Id":"{}","CreatedDate":"{at}","LastModifiedDate":"{at}","SystemModstamp":"{at}",
                    "Subject":"case {number}"}}"#,
                id(*number),
                at = at(*number)
            )
        })
        .collect();
    ok(&format!(
        r#"{{"totalSize":{},"done":true,"records":[{}]}}"#,
        rows.len(),
        rows.join(",")
    ))
}

fn count(rows: u64) -> Answer {
    ok(&format!(r#"{{"totalSize":{rows},"done":true,"records":[]}}"#))
}

fn job(state: &str) -> Answer {
    ok(&format!(r#"{{"id":"750D00000000001","state":"{state}"}}"#))
}

fn part(numbers: &[u32], next: &'static str) -> Answer {
    let mut csv = "\"Id\",\"CreatedDate\",\"LastModifiedDate\",\"SystemModstamp\",\"Subject\"\n".to_owned();
    for number in numbers {
        let at = at(*number);
        writeln!(
            csv,
            "\"{}\",\"{at}\",\"{at}\",\"{at}\",\"case {number}\"",
            id(*number)
        )
        .unwrap();
    }
    Ok(with_header(answer(200, &csv), "sforce-locator", next))
}

fn scan(after: Option<&ChangePage>) -> ChangeQuery {
    ChangeQuery {
        schema: schema(),
        fields: vec![field("Subject")],
        after: after.map(|page| {
            let last = page.records.last().unwrap();
            (last.version.modified, Some(last.id.clone()))
        }),
        created_from: None,
        limit: 2,
        max_age: Duration::ZERO,
    }
}

fn adapter(answers: Vec<Answer>) -> (Salesforce, Arc<Script>, Arc<TestClock>) {
    let script = Arc::new(Script::new([token("one")].into_iter().chain(answers)));
    let clock = Arc::new(TestClock::default());
    let config = SalesforceConfig {
        bulk: BulkRules {
            query_from: 100,
            ..BulkRules::default()
        },
        ..SalesforceConfig::new(
            Url::parse("https://acme.my.salesforce.com").unwrap(),
            Arc::new(Fixed(client_credentials())),
        )
    };
    (
        Salesforce::new(config, script.clone(), clock.clone()),
        script,
        clock,
    )
}

/// The numbers of the rows, page by page until one is complete; some time passes between pages.
async fn read_all(salesforce: &Salesforce, clock: &TestClock) -> Vec<ChangePage> {
    let mut pages: Vec<ChangePage> = Vec::new();
    loop {
        let page = salesforce.read_changes(&scan(pages.last())).await.unwrap();
        let complete = page.complete;
        pages.push(page);
        if complete {
            return pages;
        }
        clock.advance(Duration::from_secs(4));
    }
}

fn subjects(pages: &[ChangePage]) -> Vec<String> {
    pages
        .iter()
        .flat_map(|page| &page.records)
        .map(|record| record.value(&field("Subject")).unwrap().plain())
        .collect()
}

fn expected(numbers: impl IntoIterator<Item = u32>) -> Vec<String> {
    numbers
        .into_iter()
        .map(|number| format!("case {number}"))
        .collect()
}

#[tokio::test]
async fn a_long_scan_goes_on_by_a_job_and_ends_by_pages_without_a_gap_or_a_repeat() {
    let (salesforce, script, clock) = adapter(vec![
        page(&[1, 2]),
        page(&[3, 4]),
        page(&[5, 6]),
        count(1_000),
        job("UploadComplete"),
        page(&[7, 8]),
        job("InProgress"),
        page(&[9, 10]),
        page(&[11, 12]),
        page(&[13, 14]),
        job("JobComplete"),
        // What was read by pages meanwhile is left out.
        part(&[7, 8, 9, 10, 11], "MTAwMDA"),
        part(&[12, 13, 14, 15, 16, 17], "MTAwMDB"),
        part(&[18], "null"),
        page(&[19]),
    ]);
    let pages = read_all(&salesforce, &clock).await;
    assert_eq!(subjects(&pages), expected(1..=19));
    assert!(pages[..pages.len() - 1].iter().all(|page| !page.complete));
    let from_job: Vec<&ChangePage> = pages.iter().filter(|page| !page.age.is_zero()).collect();
    assert_eq!(from_job.len(), 3, "15 and 16, 17, 18");
    for page in from_job {
        assert_eq!(
            page.server_time,
            Instant::from_seconds(NOW),
            "the clock of before the job was made"
        );
    }
    let query = json_of(&script.requests()[5]);
    assert_eq!(query["operation"], "query");
    let soql = query["query"].as_str().unwrap();
    assert!(soql.ends_with("ORDER BY SystemModstamp, Id"), "{soql}");
    assert!(soql.contains(&format!("Id > '{}'", id(6))), "{soql}");
}

#[tokio::test]
async fn a_scan_of_which_little_is_left_has_no_job() {
    let (salesforce, script, clock) = adapter(vec![
        page(&[1, 2]),
        page(&[3, 4]),
        page(&[5, 6]),
        count(99),
        page(&[7, 8]),
        page(&[]),
    ]);
    let pages = read_all(&salesforce, &clock).await;
    assert_eq!(subjects(&pages), expected(1..=8));
    assert_eq!(script.requests().len(), 7);
}

#[tokio::test]
async fn a_short_scan_is_not_even_counted() {
    let (salesforce, script, clock) = adapter(vec![page(&[1, 2]), page(&[3, 4]), page(&[5])]);
    assert_eq!(subjects(&read_all(&salesforce, &clock).await), expected(1..=5));
    assert_eq!(script.requests().len(), 4);
}

#[tokio::test]
async fn a_job_that_is_of_no_use_costs_no_row() {
    let unusable: Vec<Vec<Answer>> = vec![
        vec![job("Failed")],
        vec![job("JobComplete"), ok("<html>")],
        vec![job("JobComplete"), part(&[9, 10], "null"), Ok(answer(500, ""))],
        // Out of order.
        vec![job("JobComplete"), part(&[10, 9], "null")],
        // Cut off.
        vec![
            job("JobComplete"),
            part(&[9], "null").map(|answer| with_header(answer, "sforce-numberofrecords", "2")),
        ],
        vec![Err(TransportError::NoAnswer("reset".into()))],
    ];
    for mut trouble in unusable {
        let mut answers = vec![
            page(&[1, 2]),
            page(&[3, 4]),
            page(&[5, 6]),
            count(1_000),
            job("UploadComplete"),
            page(&[7, 8]),
        ];
        let lasting = trouble.len() == 3;
        if lasting {
            trouble.pop();
        }
        answers.extend(trouble);
        if lasting {
            // One page comes out of the job, the next by itself.
            answers.push(page(&[11]));
        } else {
            answers.extend([page(&[9, 10]), page(&[11])]);
        }
        let (salesforce, script, clock) = adapter(answers);
        assert_eq!(subjects(&read_all(&salesforce, &clock).await), expected(1..=11));
        assert_eq!(
            script
                .requests()
                .iter()
                .filter(|request| request.method() == "POST" && request.uri().path().ends_with("/jobs/query"))
                .count(),
            1,
            "no second job is tried"
        );
    }
}

#[tokio::test]
async fn a_job_whose_parts_bring_nothing_new_is_left_for_the_pages() {
    let begun = [
        page(&[1, 2]),
        page(&[3, 4]),
        page(&[5, 6]),
        count(1_000),
        job("UploadComplete"),
        page(&[7, 8]),
        job("JobComplete"),
    ];
    // Each answer tells how many calls are used, so that nothing else is asked in between.
    let counted = |answer| with_header(answer, "sforce-limit-info", "api-usage=1/100000");
    let stale = (0..100).map(|_| part(&[1, 2], "MTAwMDA").map(counted));
    let (salesforce, script, clock) = adapter(begun.into_iter().chain(stale).chain([page(&[9])]).collect());
    assert_eq!(subjects(&read_all(&salesforce, &clock).await), expected(1..=9));
    assert_eq!(script.requests().len(), 1 + 7 + 100 + 1);
}

#[tokio::test]
async fn an_org_without_bulk_jobs_is_scanned_by_pages() {
    let (salesforce, _, clock) = adapter(vec![
        page(&[1, 2]),
        page(&[3, 4]),
        page(&[5, 6]),
        count(1_000),
        Ok(answer(
            403,
            r#"[{"errorCode":"API_DISABLED_FOR_ORG","message":"x"}]"#,
        )),
        page(&[7]),
    ]);
    assert_eq!(subjects(&read_all(&salesforce, &clock).await), expected(1..=7));
}

#[tokio::test]
async fn rows_that_grew_old_are_read_anew() {
    let (salesforce, _, clock) = adapter(vec![
        page(&[1, 2]),
        page(&[3, 4]),
        page(&[5, 6]),
        count(1_000),
        job("UploadComplete"),
        page(&[7]),
    ]);
    let mut last = None;
    for _ in 0..3 {
        last = Some(salesforce.read_changes(&scan(last.as_ref())).await.unwrap());
    }
    clock.advance(Duration::from_hours(2));
    let page = salesforce.read_changes(&scan(last.as_ref())).await.unwrap();
    assert!(page.complete && page.age.is_zero());
}

#[tokio::test]
async fn a_scan_that_begins_anew_has_nothing_of_the_one_before() {
    let (salesforce, script, _) = adapter(vec![page(&[1, 2]), page(&[3, 4]), page(&[1, 2]), page(&[3, 4])]);
    let first = salesforce.read_changes(&scan(None)).await.unwrap();
    salesforce.read_changes(&scan(Some(&first))).await.unwrap();
    // Another process, or the same one after a crash: it stands where its cursor says.
    let again = salesforce.read_changes(&scan(None)).await.unwrap();
    salesforce.read_changes(&scan(Some(&again))).await.unwrap();
    assert_eq!(script.requests().len(), 5, "four pages, and nothing is counted");
}
