//! Native plugins: the one that comes with the command, and those that are not there.

#![cfg(feature = "null")]

mod common;

use common::{RUNTIMES, guest, run, values};

const NULL: &str = "envoy.wasm.runtime.null";

#[test]
fn a_native_plugin_does_what_the_module_of_the_same_source_does() {
    let args = [
        "--json",
        "-H",
        "x-user: a",
        "--config",
        r#"{"request": {"x-a": "1"}}"#,
    ];
    let native = run("add_header", &[&args[..], &["--runtime", "null"]].concat());
    assert_eq!((native.code, native.err.as_str()), (0, ""));
    let mut native = native.lines().remove(0);
    assert_eq!(native["runtime"], NULL);
    for runtime in RUNTIMES {
        let module = run(
            guest("add_header"),
            &[&args[..], &["--runtime", runtime]].concat(),
        );
        let mut module = module.lines().remove(0);
        for line in [&mut native, &mut module] {
            let line = line.as_object_mut().unwrap();
            for differs in ["runtime", "load_us", "timings_us"] {
                line.remove(differs);
            }
        }
        assert_eq!(native, module);
    }
}

#[test]
fn what_is_denied_to_a_native_plugin() {
    let args = ["--json", "--allow-capability"];
    let allowed = "proxy_log,proxy_get_buffer_bytes,proxy_on_vm_start,proxy_on_configure,proxy_on_context_create,\
                   proxy_on_request_headers,proxy_on_response_headers";
    let ran = run("add_header", &[&args[..], &[allowed]].concat());
    assert_eq!(ran.code, 1);
    let line = ran.lines().remove(0);
    assert_eq!(line["runtime"], NULL);
    let denial = "Attempted call to restricted proxy-wasm capability: proxy_add_header_map_value";
    let logs = line["logs"].as_array().unwrap();
    assert!(logs.iter().any(|log| log["message"] == denial), "{logs:?}");
    // A callback that is denied is not called, and what it would have done is not done.
    let ran = run(
        "add_header",
        &[&args[..], &["proxy_log,proxy_on_context_create"]].concat(),
    );
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    let line = ran.lines().remove(0);
    assert!(values(&line["request"]["headers"], "x-enginebay").is_empty());
}

#[test]
fn a_name_that_is_no_file_is_a_native_plugin() {
    let ran = run("add_header", &["--json"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert_eq!(ran.lines()[0]["runtime"], NULL);
}

#[test]
fn an_unknown_plugin_is_one_line_that_lists_what_there_is() {
    let ran = run("nosuch", &["--runtime", "null"]);
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    let error = ran.error();
    assert!(error.starts_with("error: nosuch: "), "{error}");
    assert!(error.contains("add_header"), "{error}");
}

#[test]
fn a_limit_that_native_code_cannot_keep_is_refused() {
    for (flag, value, name) in [
        ("--time-limit", "1s", "call_time"),
        ("--memory-limit", "1MiB", "memory"),
        ("--stack-limit", "1MiB", "stack"),
        ("--table-limit", "10", "table_elements"),
    ] {
        let ran = run("add_header", &["--runtime", "null", flag, value]);
        assert_eq!((ran.code, ran.out.as_str()), (1, ""));
        let expected = format!("error: add_header: {NULL} can't limit {name}: ");
        assert!(ran.error().starts_with(&expected), "{}", ran.err);
    }
}
