//! Every message, answer and number of Envoy's that users of plugins see or search for, and the test that shows it here.
//! The tests in this folder are those that have no better place.
//!
//! Where enginebay means to differ, `docs/envoy-differences.md` says so, and the last column names the words there.

mod answers;
mod guest;
mod logs;
mod starts;
mod traps;

use std::path::Path;

/// What there is to see; words that are in the test's file; the test, below `tests/serve`; and words of the page of
/// differences, if it is not as on Envoy.
type Row = (&'static str, &'static str, &'static str, Option<&'static str>);

const LIFE: &[Row] = &[
    (
        "plugins of one VM configuration and code share a VM on each thread",
        "active",
        "shared.rs::SHARED",
        None,
    ),
    (
        "the root context is 1 and the first stream 2; a stream ends with on_log, on_done and on_delete",
        "[2, 50, 51, 52]",
        "messages/answers.rs::contexts_are_numbered_and_end_in_order",
        None,
    ),
    (
        "a service that is a singleton ticks on the main thread, others on each thread",
        "wasmcustom.ticker_ticks",
        "services.rs::a_singleton_has_one_vm_and_others_one_for_each_thread",
        None,
    ),
];

const LOGS: &[Row] = &[
    (
        "a message from a root context",
        "wasm log the_root the_vm: ",
        "messages/logs.rs::a_line_says_who_speaks",
        None,
    ),
    (
        "a message from a stream",
        "wasm log talks the_root the_vm: ",
        "messages/logs.rs::a_line_says_who_speaks",
        None,
    ),
    (
        "without the parts that are empty",
        "wasm log: root speaks",
        "messages/logs.rs::a_line_says_who_speaks",
        None,
    ),
    (
        "the standard output of a guest",
        "[info][wasm] wasm log writes: ",
        "messages/logs.rs::what_is_written_to_the_output_is_a_line",
        None,
    ),
    (
        "its standard error",
        "[error][wasm] wasm log writes: ",
        "messages/logs.rs::what_is_written_to_the_output_is_a_line",
        None,
    ),
];

const TRAPS: &[Row] = &[
    (
        "the request that traps and those after it, by policy",
        "failure_policy: FAIL_CLOSED",
        "messages/traps.rs::each_policy_has_its_answers",
        None,
    ),
    (
        "likewise, where all go on",
        "fail_open: true",
        "messages/traps.rs::each_policy_has_its_answers",
        None,
    ),
    (
        "likewise, where later ones go on",
        "failure_policy: FAIL_OPEN",
        "messages/traps.rs::each_policy_has_its_answers",
        Some("`FAIL_OPEN`: a request that is under way when another one crashes the plugin"),
    ),
    (
        "503 until the back-off is over, then 200",
        "failure_policy: FAIL_RELOAD",
        "reload.rs::a_crash_is_503_until_the_back_off_is_over",
        Some("| `FAIL_RELOAD` |"),
    ),
    (
        "what the plugin's VM counts then",
        "vm_reload_backoff",
        "reload.rs::a_crash_is_503_until_the_back_off_is_over",
        None,
    ),
    (
        "likewise",
        "vm_reload_success",
        "reload.rs::a_crash_is_503_until_the_back_off_is_over",
        None,
    ),
    (
        "likewise",
        "vm_reload_failure",
        "reload.rs::a_crash_is_503_until_the_back_off_is_over",
        None,
    ),
    (
        "the 503 has no body and these headers",
        "[\"content-length\", \"date\", \"server\"]",
        "messages/traps.rs::what_the_answer_for_a_crash_is",
        None,
    ),
    (
        "its details",
        "wasm_fail_stream",
        "messages/traps.rs::what_the_answer_for_a_crash_is",
        None,
    ),
    (
        "the answer to gRPC",
        "grpc-status",
        "messages/traps.rs::what_the_answer_for_a_crash_is",
        None,
    ),
    (
        "the function that trapped",
        "Function: proxy_on_request_headers failed: ",
        "messages/traps.rs::the_log_has_the_frames_of_the_guest",
        None,
    ),
    (
        "its frames, where the engine knows them",
        "Proxy-Wasm plugin in-VM backtrace:\\n",
        "messages/traps.rs::the_log_has_the_frames_of_the_guest",
        None,
    ),
    (
        "two policies at once",
        "only one of fail_open or failure_policy can be set",
        "messages/starts.rs::two_policies_at_once",
        None,
    ),
    (
        "the answer by callback",
        "response_headers",
        "messages/traps.rs::a_crash_in_each_callback_of_a_request",
        None,
    ),
    (
        "a connection that is cut behind the head",
        "response_body",
        "messages/traps.rs::a_crash_in_each_callback_of_a_request",
        None,
    ),
    (
        "a tick",
        "Function: proxy_on_tick failed",
        "messages/traps.rs::a_tick_that_crashes_is_the_last_one",
        None,
    ),
    (
        "a response to a callout for which a request waits",
        "Function: proxy_on_http_call_response failed",
        "callouts.rs::a_request_that_waits_is_answered_when_the_plugin_traps_in_the_response",
        Some("a stream that waits while its VM fails"),
    ),
    (
        "more memory than there may be",
        "hog",
        "bounds.rs::a_plugin_that_hogs_memory_meets_its_limit",
        Some("memory of a VM"),
    ),
    (
        "an exit",
        "proc_exit",
        "messages/traps.rs::an_exit_is_a_trap",
        Some("| `proc_exit` |"),
    ),
];

const STARTS: &[Row] = &[
    (
        "a VM's start that is false",
        "Failed to start base Wasm",
        "messages/starts.rs::a_vm_that_does_not_start",
        None,
    ),
    (
        "a configuration that is refused, whatever the policy",
        "Unable to create Wasm plugin crash: Plugin crash failed to load: Failed to configure base Wasm plugin",
        "messages/starts.rs::a_plugin_that_is_not_configured_whatever_its_policy",
        None,
    ),
    (
        "a file that is not there",
        "Invalid path: ",
        "starting.rs::code_that_cannot_be_loaded_is_named",
        None,
    ),
    (
        "code that is none",
        "Failed to load Wasm code",
        "messages/starts.rs::code_that_is_none",
        None,
    ),
    (
        "likewise",
        "Failed to parse corrupted Wasm module",
        "messages/starts.rs::code_that_is_none",
        None,
    ),
    (
        "a module that is no plugin",
        "Missing or unknown Proxy-Wasm ABI version",
        "starting.rs::code_that_cannot_be_loaded_is_named",
        None,
    ),
    (
        "an unknown runtime",
        "Failed to create Wasm VM using envoy.wasm.runtime.nosuch runtime. ",
        "runtime_names.rs::unknown_runtimes_are_named_with_all_other_mistakes",
        None,
    ),
    (
        "variables that are not set",
        "SURELY_NOT_SET",
        "messages/answers.rs::variables_that_are_not_set_are_left_out",
        None,
    ),
    (
        "variables that are there twice",
        "Key FOO is duplicated in envoy.extensions.wasm.v3.VmConfig.environment_variables for noop.",
        "messages/starts.rs::a_variable_that_is_there_twice",
        None,
    ),
    (
        "remote code with another digest",
        "Retry limit exceeded for fetching data from remote data source.",
        "remote_code.rs::code_with_another_digest_never_runs",
        None,
    ),
    (
        "what is counted of it",
        "remote_load_fetch_failures",
        "remote_code.rs::code_with_another_digest_never_runs",
        None,
    ),
    (
        "likewise",
        "remote_load_cache_misses",
        "remote_code.rs::code_with_another_digest_never_runs",
        None,
    ),
    (
        "likewise",
        "remote_load_cache_entries",
        "remote_code.rs::code_with_another_digest_never_runs",
        None,
    ),
    (
        "no digest",
        "vm_config.code.remote.sha256: ",
        "messages/starts.rs::remote_code_without_a_digest",
        Some("remote code whose `sha256` is no digest"),
    ),
    (
        "code that is not there yet",
        "its code is not in the cache",
        "remote_code.rs::code_that_is_not_in_the_cache_can_be_a_reason_to_refuse",
        None,
    ),
];

const CAPABILITIES: &[Row] = &[
    (
        "a function that is denied, and its status",
        "wasm log tries: status 10",
        "messages/logs.rs::what_is_denied_is_said_and_has_a_status",
        Some("the log line of a denied function"),
    ),
    (
        "its line",
        "Attempted call to restricted proxy-wasm capability: ",
        "capabilities.rs::a_plugin_without_all_capabilities",
        None,
    ),
    (
        "one of WASI",
        "Attempted call to restricted WASI capability: fd_write",
        "messages/logs.rs::what_is_denied_is_said_and_has_a_status",
        None,
    ),
    (
        "its status",
        "wasm log tries: status 76",
        "messages/logs.rs::what_is_denied_is_said_and_has_a_status",
        None,
    ),
    (
        "a callback that is denied",
        "called all the same",
        "messages/logs.rs::what_is_denied_is_said_and_has_a_status",
        None,
    ),
    (
        "a map without entries",
        "\"all\"",
        "capabilities.rs::a_plugin_without_all_capabilities",
        None,
    ),
];

const ANSWERS: &[Row] = &[
    (
        "local responses, of any status",
        "response seen",
        "messages/answers.rs::local_responses_and_the_plugins_own_callback",
        None,
    ),
    (
        "HTTP calls that can't be made",
        "[0, 2, 2, 2, 2]",
        "messages/answers.rs::calls_that_can_not_be_made_are_bad_arguments",
        None,
    ),
    (
        "a call to an upstream that is dead",
        "callout 1: status 503",
        "callouts.rs::plugins_are_told_of_upstreams_that_do_not_answer_as_clients_are",
        None,
    ),
    (
        "a body that is held back",
        "[28]",
        "messages/answers.rs::a_body_that_is_held_back_grows",
        None,
    ),
    (
        "metrics of plugins, and the types in their ids",
        "wasmcustom.",
        "messages/answers.rs::metrics_carry_their_type",
        None,
    ),
    (
        "headers that are not there, empty ones, and an empty path of a property",
        "[1, 0, 0, 0, 3]",
        "messages/answers.rs::headers_that_are_not_there_and_empty_ones",
        None,
    ),
    (
        "a request whose path was taken away",
        "404",
        "messages/answers.rs::a_request_without_a_path_is_404",
        None,
    ),
];

#[test]
fn every_message_has_its_test() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/serve");
    let differences = include_str!("../../../../../docs/envoy-differences.md");
    for rows in [LIFE, LOGS, TRAPS, STARTS, CAPABILITIES, ANSWERS] {
        for (what, words, test, difference) in rows {
            let (file, name) = test.split_once("::").unwrap();
            let text = std::fs::read_to_string(here.join(file)).unwrap();
            let declared = [" fn ", "\nfn "].iter().any(|begin| text.contains(&format!("{begin}{name}()")));
            assert!(declared, "{what}: there is no {test}");
            assert!(text.contains(words), "{what}: {file} does not say {words}");
            if let Some(difference) = difference {
                assert!(differences.contains(difference), "{what}: no difference {difference}");
            }
        }
    }
}
