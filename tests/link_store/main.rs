//! What a link store promises, checked on every one there is: in memory, in pages in memory, and in `ConfigMaps` on a
//! real API server under the shipped Role.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "outside #[test] functions too, a failure here is a test failure"
)]

mod api_server;
mod bench;
mod documents;
mod examples;
mod in_memory;
mod promises;

/// Checks promises on flows of a bench, each on a flow of its own. A promise is a test of its own name.
macro_rules! check {
    ($bench:ty: $($module:ident::{$($promise:ident),+ $(,)?}),+ $(,)?) => {
        $($(
            #[tokio::test]
            async fn $promise() {
                let flow = <$bench>::flow(&stringify!($promise).replace('_', "-")).await;
                crate::$module::$promise(&flow).await;
            }
        )+)+
    };
}

/// What every store promises.
macro_rules! check_promises {
    ($bench:ty) => {
        check!($bench: promises::{
            what_was_committed_is_loaded_by_any_process,
            a_link_is_replaced_whole,
            nothing_can_be_committed_before_a_load,
            a_stale_writer_is_refused_and_changes_nothing,
            of_two_that_begin_a_flow_one_is_refused,
            nothing_is_written_where_nothing_differs,
            a_commit_that_dies_anywhere_leaves_whole_links_and_the_header_last,
            no_link_is_durable_before_the_value_that_it_overwrites,
            ten_thousand_links_fit_and_no_more,
            lost_state_is_no_state_and_who_knew_it_is_refused,
        });
    };
}

/// What every store promises that keeps documents.
macro_rules! check_document_promises {
    ($bench:ty) => {
        check!($bench: documents::{
            no_document_is_larger_than_64_kibibytes,
            no_value_of_a_record_can_be_read_in_a_document,
            what_was_overwritten_can_be_read_with_the_key_only,
            the_journal_is_bounded,
            a_document_that_cannot_be_read_stops_the_load_and_stays,
            a_deleted_page_loses_its_own_links_only,
        });
    };
}

mod memory {
    check_promises!(crate::in_memory::Direct);
}

mod pages_in_memory {
    check_promises!(crate::in_memory::Paged);
    check_document_promises!(crate::in_memory::Paged);
}

mod config_maps {
    check_promises!(crate::api_server::ApiServer);
    check_document_promises!(crate::api_server::ApiServer);
    check!(crate::api_server::ApiServer: api_server::{
        a_document_is_owned_and_labelled,
        deleting_the_flow_removes_all_of_its_state,
        the_state_of_a_deleted_flow_is_not_taken_for_that_of_its_successor,
        a_process_of_a_deleted_flow_cannot_touch_its_successor,
        two_flows_do_not_see_each_other,
        the_key_is_made_once_and_a_lost_one_is_replaced,
        a_key_that_is_none_is_named,
        a_missing_right_is_named_with_the_rule_that_grants_it,
    });
}
