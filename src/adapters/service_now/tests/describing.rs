use super::*;
use crate::ports::Remote;

#[tokio::test]
async fn times_in_queries_that_mean_something_else_are_found_out_before_the_first_read() {
    let table = json!({"sys_id": id(1).as_str(), "name": "incident", "super_class": ""});
    let column = |number: u32, element: &str, internal_type: &str| {
        json!({
            "sys_id": id(number).as_str(), "name": "incident", "element": element, "internal_type": internal_type,
            "max_length": "40", "read_only": "false", "choice": "",
        })
    };
    let columns = [
        column(1, "sys_id", "GUID"),
        column(2, "sys_updated_on", "glide_date_time"),
        column(3, "sys_created_on", "glide_date_time"),
        column(4, "sys_mod_count", "integer"),
    ];
    let described = || {
        [
            listed(1, std::slice::from_ref(&table)),
            listed(4, &columns),
            // No override.
            listed(0, &[]),
        ]
    };
    let filters_work = || {
        [
            listed(0, &[]),
            listed(0, &[]),
            listed(0, &[]),
            listed(0, &[]),
            listed(7, &[]),
        ]
    };
    let object = "incident".parse().unwrap();

    let newest = || listed(7, &[row(1, "00:01")]);
    let shifted = described()
        .into_iter()
        .chain(filters_work())
        .chain((0..3).flat_map(|_| [newest(), listed(0, &[])]));
    let error = bench(shifted).service_now.describe(&object).await.unwrap_err();
    assert_eq!(error.problem.reason.as_str(), "TimeZoneShifted");

    let honest = described()
        .into_iter()
        .chain(filters_work())
        .chain([newest(), listed(1, &[])]);
    let schema = bench(honest).service_now.describe(&object).await.unwrap();
    assert_eq!(schema.fields.len(), 4);

    let dropped = described()
        .into_iter()
        .chain([listed(0, &[]), listed(0, &[]), listed(7, &[])]);
    let error = bench(dropped).service_now.describe(&object).await.unwrap_err();
    assert_eq!(error.problem.reason.as_str(), "FilterIgnored");
    assert!(error.problem.message.contains("sys_updated_on"));
}
