//! `enginebay run` on the committed guests and on small modules, on every runtime.

#![cfg(any(feature = "wamr", feature = "wasmer", feature = "wasmi", feature = "wasmtime"))]

mod common;

use common::{RUNTIMES, any_runtime, enginebay, file, guest, module, plugin, run, run_all_json, values};
use serde_json::{Value, json};

#[test]
fn add_header_adds_its_header_on_every_runtime() {
    let (code, lines) = run_all_json(guest("add_header"), &["-H", "x-user: a"]);
    assert_eq!(code, 0);
    for line in &lines {
        assert_eq!(
            line["request"],
            json!({
                "headers": [
                    [":authority", "localhost"],
                    [":path", "/"],
                    [":method", "GET"],
                    [":scheme", "http"],
                    ["x-user", "a"],
                    ["x-enginebay", "hello"],
                ],
                "body": "",
                "trailers": [],
            })
        );
        assert_eq!(
            line["response"],
            json!({
                "status": 200,
                "headers": [[":status", "200"], ["x-enginebay", "hello"]],
                "body": "",
                "trailers": [],
            })
        );
        assert_eq!(line["local_reply"], false);
        assert_eq!(
            line["action"],
            json!({"request_headers": "CONTINUE", "response_headers": "CONTINUE"})
        );
        assert_eq!(line["failed"], Value::Null);
        assert_eq!(line["error"], Value::Null);
        assert_eq!(line["ending"], "done");
        assert_eq!(line["logs"][0]["level"], "info");
    }
}

#[test]
fn a_json_line_has_these_fields_and_no_others() {
    let (_, lines) = run_all_json(guest("noop"), &[]);
    let names = |value: &Value| {
        let mut names: Vec<String> = value.as_object().unwrap().keys().cloned().collect();
        names.sort();
        names
    };
    for line in &lines {
        assert_eq!(
            names(line),
            [
                "action",
                "callouts",
                "ending",
                "error",
                "failed",
                "load_us",
                "local_reply",
                "logs",
                "request",
                "response",
                "runtime",
                "timings_us"
            ]
        );
        assert_eq!(names(&line["request"]), ["body", "headers", "trailers"]);
        assert_eq!(
            names(&line["response"]),
            ["body", "headers", "status", "trailers"]
        );
        assert!(line["load_us"].as_f64().unwrap() > 0.0);
        for name in [
            "initialize",
            "start",
            "context_create",
            "request_headers",
            "response_headers",
            "log",
            "done",
        ] {
            assert!(line["timings_us"][name].is_f64(), "{name}: {line}");
        }
    }
}

#[test]
fn configuration_comes_from_text_and_from_a_file() {
    let config = r#"{"request": {"x-plugin": "a"}, "response": {"x-hello": "b"}}"#;
    let (_folder, path) = file("config.json", config.as_bytes());
    for config in [config.to_owned(), format!("@{}", path.display())] {
        let (code, lines) = run_all_json(guest("add_header"), &["--config", &config]);
        assert_eq!(code, 0);
        for line in lines {
            assert_eq!(values(&line["request"]["headers"], "x-plugin"), ["a"]);
            assert_eq!(values(&line["response"]["headers"], "x-hello"), ["b"]);
        }
    }
}

#[test]
fn auth_answers_itself_without_the_token() {
    let (code, lines) = run_all_json(guest("auth"), &["--body", "x", "--trailer", "t: 1"]);
    assert_eq!(code, 0);
    for line in &lines {
        assert_eq!(line["local_reply"], true);
        let response = &line["response"];
        assert_eq!(response["status"], 403);
        assert_eq!(response["body"], "forbidden\n");
        assert_eq!(values(&response["headers"], "x-auth"), ["denied"]);
        assert_eq!(values(&response["headers"], "content-length"), ["10"]);
        assert_eq!(values(&response["headers"], "content-type"), ["text/plain"]);
        // The plugin sees its own response, and nothing more of the request.
        assert_eq!(
            line["action"],
            json!({
                "request_headers": "STOP_ALL_ITERATION_AND_WATERMARK",
                "response_headers": "CONTINUE",
                "response_body": "CONTINUE",
            })
        );
    }
    let (_, lines) = run_all_json(guest("auth"), &["-H", "x-token: secret"]);
    for line in &lines {
        assert_eq!(line["local_reply"], false);
        assert_eq!(line["response"]["status"], 200);
    }
}

#[test]
fn body_rewrite_sees_whole_bodies_however_they_come() {
    for extra in [
        &[][..],
        &["--chunk-size", "2"],
        &["--chunk-size", "2", "--trailer", "t: 1"],
    ] {
        let mut args = vec![
            "--body",
            "hello",
            "--response-body",
            "world",
            "--response-trailer",
            "u: 2",
        ];
        args.extend(extra);
        let (code, lines) = run_all_json(guest("body_rewrite"), &args);
        assert_eq!(code, 0);
        for line in lines {
            assert_eq!(line["request"]["body"], "HELLO", "{extra:?}");
            assert_eq!(line["response"]["body"], "rewritten: world", "{extra:?}");
            assert_eq!(line["response"]["trailers"], json!([["u", "2"]]));
            assert_eq!(values(&line["request"]["headers"], "content-length"), [""; 0]);
            assert_eq!(line["ending"], "done");
        }
    }
}

#[test]
fn headers_dump_logs_trailers_too() {
    let args = [
        "--trailer",
        "x-t: 1",
        "--response-trailer",
        "x-u: 2",
        "--response-status",
        "404",
    ];
    let (code, lines) = run_all_json(guest("headers_dump"), &args);
    assert_eq!(code, 0);
    for line in lines {
        let logs: Vec<&str> = line["logs"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|log| log["message"].as_str())
            .collect();
        assert!(logs.contains(&"request trailer: x-t: 1"), "{logs:?}");
        assert!(logs.contains(&"response trailer: x-u: 2"), "{logs:?}");
        assert!(logs.contains(&"response header: :status: 404"), "{logs:?}");
    }
    let (_, lines) = run_all_json(guest("headers_dump"), &["--log-level", "warn"]);
    assert_eq!(lines[0]["logs"], json!([]));
}

#[test]
fn a_crash_closes_the_request_with_503() {
    for callback in ["request_headers", "request_body", "response_headers"] {
        let header = format!("x-crash: {callback}");
        let (code, lines) = run_all_json(guest("crash"), &["-H", &header, "--body", "x"]);
        assert_eq!(code, 1);
        for line in lines {
            assert_eq!(line["failed"], "RuntimeError");
            assert_eq!(line["response"]["status"], 503, "{callback}");
            assert_eq!(line["response"]["body"], "");
            assert_eq!(line["local_reply"], false);
            let error = line["error"].as_str().unwrap();
            let expected = format!("Function: proxy_on_{callback} failed: unreachable");
            assert!(error.starts_with(&expected), "{error}");
        }
    }
}

#[test]
fn a_crash_after_the_headers_cuts_the_response_off() {
    let args = ["-H", "x-crash: response_body", "--response-body", "x"];
    let (code, lines) = run_all_json(guest("crash"), &args);
    assert_eq!(code, 1);
    for line in lines {
        assert_eq!(line["failed"], "RuntimeError");
        assert_eq!(line["response"]["status"], 200);
        assert_eq!(line["response"]["body"], "");
        assert_eq!(line["ending"], "cut");
    }
    // The response is out by then.
    let (code, lines) = run_all_json(guest("crash"), &["-H", "x-crash: log"]);
    assert_eq!(code, 1);
    for line in lines {
        assert_eq!(line["failed"], "RuntimeError");
        assert_eq!(line["response"]["status"], 200);
    }
}

#[test]
fn a_plugin_that_refuses_to_start_is_an_object_with_its_state() {
    for (flag, value, state) in [
        ("--vm-config", "vm_start", "StartFailed"),
        ("--config", "configure", "ConfigureFailed"),
        ("--config", "panic_configure", "ConfigureFailed"),
    ] {
        let (code, lines) = run_all_json(guest("crash"), &[flag, value]);
        assert_eq!(code, 1);
        for line in lines {
            assert_eq!(line["failed"], state);
            assert_eq!(line["ending"], "not_started");
            assert_eq!(line["response"]["status"], Value::Null);
        }
    }
}

#[test]
fn spin_is_stopped_by_the_time_limit() {
    let args = ["-H", "x-spin: 1", "--time-limit", "200ms"];
    let (code, lines) = run_all_json(guest("spin"), &args);
    assert_eq!(code, 1);
    for line in lines {
        assert_eq!(line["failed"], "RuntimeError");
        assert_eq!(line["response"]["status"], 503);
        let error = line["error"].as_str().unwrap();
        assert!(
            error.starts_with("Function: proxy_on_request_headers failed: time limit reached"),
            "{error}"
        );
        let took = line["timings_us"]["request_headers"].as_f64().unwrap();
        assert!(took >= 100_000.0, "stopped after {took} µs");
    }
}

#[test]
fn hog_meets_its_memory_limit() {
    for (limit, at_most) in [("16MiB", 16), ("64MiB", 64)] {
        let (code, lines) = run_all_json(guest("hog"), &["-H", "x-hog: grow", "--memory-limit", limit]);
        assert_eq!(code, 0);
        for line in lines {
            let got = values(&line["response"]["headers"], "x-hog-mib");
            let got: u32 = got[0].parse().unwrap();
            assert!(got <= at_most && got >= at_most - 4, "{got} MiB of {limit}");
        }
    }
}

#[test]
fn a_paused_request_has_no_response() {
    let (_folder, path) = module(
        "pause.wasm",
        &plugin(
            r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 1))
               (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32) unreachable)"#,
        ),
    );
    let (code, lines) = run_all_json(&path, &["--body", "held"]);
    assert_eq!(code, 0);
    for line in lines {
        assert_eq!(line["ending"], "request_paused");
        assert_eq!(line["response"]["status"], Value::Null);
        assert_eq!(line["request"]["body"], "held");
        assert_eq!(
            line["action"],
            json!({"request_headers": "STOP_ALL_ITERATION_AND_WATERMARK"})
        );
    }
}

#[test]
fn what_a_plugin_resumes_goes_on() {
    let (_folder, path) = module(
        "resume.wasm",
        &plugin(
            r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
                   (drop (call $continue (i32.const 0))) (i32.const 1))
               (func (export "proxy_on_response_body") (param i32 i32 i32) (result i32)
                   (drop (call $continue (i32.const 1))) (i32.const 1))"#,
        ),
    );
    let (_, lines) = run_all_json(&path, &["--response-body", "b", "--response-trailer", "t: 1"]);
    for line in lines {
        assert_eq!(line["ending"], "done");
        assert_eq!(line["response"]["body"], "b");
    }
}

#[test]
fn headers_alone_can_be_held_where_that_is_allowed() {
    let (_folder, path) = module(
        "hold.wasm",
        &plugin(
            r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 1))
               (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
                   (drop (call $add (i32.const 0) (i32.const 0) (i32.const 3) (i32.const 0) (i32.const 3)))
                   (i32.const 0))"#,
        ),
    );
    let (_, lines) = run_all_json(&path, &["--body", "b", "--allow-on-headers-stop-iteration"]);
    for line in &lines {
        assert_eq!(line["ending"], "done", "{line}");
        assert_eq!(line["action"]["request_headers"], "STOP_ITERATION");
        assert_eq!(values(&line["request"]["headers"], "x-a"), ["x-a"]);
    }
    let (_, lines) = run_all_json(&path, &["--body", "b"]);
    assert_eq!(lines[0]["ending"], "request_paused");
}

#[test]
fn a_plugin_may_close_the_stream() {
    let (_folder, path) = module(
        "close.wasm",
        &plugin(
            r#"(func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
                   (drop (call $close (i32.const 1))) (i32.const 1))"#,
        ),
    );
    let (code, lines) = run_all_json(&path, &[]);
    assert_eq!(code, 0);
    for line in lines {
        assert_eq!(line["ending"], "closed");
        assert_eq!(line["response"]["status"], Value::Null);
    }
}

/// Answers 418 in this callback.
fn teapot(callback: &str) -> String {
    plugin(&format!(
        r#"(func (export "{callback}") (param i32 i32 i32) (result i32)
               (drop (call $reply (i32.const 418) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 3)
                   (i32.const 0) (i32.const 0) (i32.const -1)))
               (i32.const 1))
           (func (export "proxy_on_response_trailers") (param i32 i32) (result i32) unreachable)"#
    ))
}

#[test]
fn a_local_reply_from_the_response_path_passes_the_plugin_by() {
    let (_folder, path) = module("teapot.wasm", &teapot("proxy_on_response_headers"));
    let args = ["--response-body", "gone", "--response-trailer", "t: 1"];
    let (code, lines) = run_all_json(&path, &args);
    assert_eq!(code, 0);
    for line in lines {
        assert_eq!(line["local_reply"], true);
        assert_eq!(line["response"]["status"], 418);
        assert_eq!(line["response"]["body"], "x-a");
        assert_eq!(line["response"]["trailers"], json!([]));
        assert_eq!(line["action"].as_object().unwrap().len(), 1);
    }
}

#[test]
fn a_local_reply_after_the_headers_cuts_the_response_off() {
    let (_folder, path) = module("teapot.wasm", &teapot("proxy_on_response_body"));
    let (code, lines) = run_all_json(&path, &["--response-body", "gone"]);
    assert_eq!(code, 0);
    for line in lines {
        assert_eq!(line["ending"], "cut");
        assert_eq!(line["local_reply"], false);
        assert_eq!(line["response"]["status"], 200);
        assert_eq!(line["response"]["body"], "");
    }
}

#[test]
fn bodies_that_are_no_text_are_base64() {
    let (_folder, path) = file("body", &[0xff, 0, 1]);
    let body = format!("@{}", path.display());
    let (_, lines) = run_all_json(guest("noop"), &["--body", &body]);
    assert_eq!(lines[0]["request"]["body"], json!({"base64": "/wAB"}));
}

#[test]
fn pseudo_headers_can_be_given_either_way() {
    let args = [
        "-X",
        "PUT",
        "--path",
        "/a?b",
        "--scheme",
        "https",
        "-H",
        "Host: h.example",
        "-H",
        ":path: /c",
    ];
    let (_, lines) = run_all_json(guest("noop"), &args);
    assert_eq!(
        lines[0]["request"]["headers"],
        json!([
            [":authority", "h.example"],
            [":path", "/c"],
            [":method", "PUT"],
            [":scheme", "https"]
        ])
    );
    let (_, lines) = run_all_json(guest("noop"), &["--body", "abc"]);
    assert_eq!(values(&lines[0]["request"]["headers"], ":method"), ["POST"]);
    assert_eq!(values(&lines[0]["request"]["headers"], "content-length"), ["3"]);
}

#[test]
fn runtimes_go_by_their_names_and_by_the_last_part() {
    let runtime = |args: &[&str]| -> Vec<String> {
        let mut all = vec!["--json"];
        all.extend(args);
        let ran = run(guest("noop"), &all);
        assert_eq!(ran.code, 0, "{}", ran.err);
        ran.lines()
            .iter()
            .filter_map(|line| line["runtime"].as_str().map(str::to_owned))
            .collect()
    };
    assert_eq!(runtime(&[]), [any_runtime()]);
    let mut all = Vec::new();
    for name in RUNTIMES {
        let short = name.rsplit('.').next().unwrap();
        assert_eq!(runtime(&["--runtime", name]), [*name]);
        assert_eq!(runtime(&["--runtime", short]), [*name]);
        all.insert(0, short);
    }
    let twice = format!("{0},{0}", all.join(","));
    let mut reversed = RUNTIMES.to_vec();
    reversed.reverse();
    assert_eq!(runtime(&["--runtime", &twice]), reversed);
}

#[test]
fn an_alias_says_who_answers_to_it() {
    for (alias, name) in [
        ("wavm", "envoy.wasm.runtime.wasmi"),
        ("v8", "envoy.wasm.runtime.wasmer"),
    ] {
        if !RUNTIMES.contains(&name) {
            continue;
        }
        let ran = run(guest("noop"), &["--json", "--runtime", alias]);
        assert_eq!(ran.lines()[0]["runtime"], name);
        assert_eq!(ran.error(), format!("note: {alias} is served by {name}"));
    }
}

#[test]
fn wrong_use_ends_with_2() {
    let noop = guest("noop");
    let noop = noop.to_str().unwrap();
    for args in [
        &["run"][..],
        &["run", noop, "--no-such-flag"],
        &["run", noop, "-H", "no colon"],
        &["run", noop, "--time-limit", "1"],
        &["run", noop, "--memory-limit", "lots"],
        &["run", noop, "--log-level", "loud"],
        &["run", noop, "--response-status", "20"],
        &["run", noop, "--env", "A"],
        &["nonsense"],
        &[],
    ] {
        let ran = enginebay(args);
        assert_eq!(ran.code, 2, "{args:?}: {}", ran.err);
        assert_eq!(ran.out, "");
    }
}

#[test]
fn what_is_wrong_with_the_flags_files_is_said_in_one_line() {
    let noop = guest("noop");
    for (args, error) in [
        (
            &["--config", "@/no/such"][..],
            "error: --config @/no/such: No such file",
        ),
        (
            &["--vm-config", "@/no/such"],
            "error: --vm-config @/no/such: No such file",
        ),
        (&["--body", "@/no/such"], "error: --body @/no/such: No such file"),
        (&["--env", "A=1", "--env", "A=2"], "error: --env A: given twice"),
        (
            &["--trailer", ":path: /"],
            "error: --trailer :path: there are no pseudo",
        ),
    ] {
        let ran = run(&noop, args);
        assert_eq!((ran.code, ran.out.as_str()), (1, ""));
        assert!(ran.error().starts_with(error), "{}", ran.err);
    }
}

#[test]
fn version_and_help() {
    let ran = enginebay(["--version"]);
    assert_eq!(ran.out, format!("enginebay {}\n", env!("CARGO_PKG_VERSION")));
    for command in ["run", "serve", "runtimes", "inspect", "compile"] {
        let ran = enginebay([command, "--help"]);
        assert_eq!(ran.code, 0);
        assert!(
            ran.out.contains(&format!("Example:\n  enginebay {command}")),
            "{}",
            ran.out
        );
    }
}

/// Neither a pool nor a memory of 4 GiB can be reserved here.
#[test]
#[cfg(all(target_os = "linux", feature = "wasmtime"))]
fn wasmtime_runs_in_little_address_space() {
    let output = std::process::Command::new("sh")
        .args(["-c", r#"ulimit -v 2500000 && exec "$0" "$@""#])
        .args([env!("CARGO_BIN_EXE_enginebay"), "run", "--runtime", "wasmtime"])
        .arg(guest("add_header"))
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
}

#[test]
fn capabilities_that_are_not_named_are_denied() {
    let inspected = enginebay([
        "inspect".as_ref(),
        guest("add_header").as_os_str(),
        "--json".as_ref(),
    ]);
    let needed: Vec<String> = serde_json::from_value(inspected.lines()[0]["capabilities"].clone()).unwrap();
    let names = |denied: &str| -> String {
        let names = needed.iter().filter(|name| *name != denied);
        names.cloned().collect::<Vec<_>>().join(",")
    };
    let (code, lines) = run_all_json(guest("add_header"), &["--allow-capability", &names("")]);
    assert_eq!(code, 0);
    for line in &lines {
        assert_eq!(values(&line["request"]["headers"], "x-enginebay"), ["hello"]);
        assert_eq!(values(&line["response"]["headers"], "x-enginebay"), ["hello"]);
    }
    let denied = names("proxy_on_response_headers");
    let (code, lines) = run_all_json(guest("add_header"), &["--allow-capability", &denied]);
    assert_eq!(code, 0);
    for line in &lines {
        assert_eq!(values(&line["request"]["headers"], "x-enginebay"), ["hello"]);
        assert!(values(&line["response"]["headers"], "x-enginebay").is_empty());
        assert_eq!(line["action"], json!({"request_headers": "CONTINUE"}));
    }
    let denied = names("proxy_add_header_map_value");
    let (code, lines) = run_all_json(guest("add_header"), &["--allow-capability", &denied]);
    assert_eq!(code, 1);
    for line in &lines {
        let denial = json!({
            "level": "error",
            "message": "Attempted call to restricted proxy-wasm capability: proxy_add_header_map_value",
        });
        let logs = line["logs"].as_array().unwrap();
        let texts: Vec<_> = logs
            .iter()
            .map(|log| json!({"level": log["level"], "message": log["message"]}))
            .collect();
        assert!(texts.contains(&denial), "{logs:?}");
    }
}

#[test]
fn a_capability_that_is_none_is_a_warning() {
    let ran = run(
        guest("noop"),
        &["--runtime", any_runtime(), "--allow-capability", "malloc"],
    );
    assert_eq!(ran.code, 0);
    assert_eq!(
        ran.error(),
        "warning: --allow-capability malloc: no capability that this host knows"
    );
}
