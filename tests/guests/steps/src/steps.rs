//! Does what the script says.
//!
//! A line is the name of a step and its words; the last word of some takes the rest of the line. `MAP` is `request`,
//! `request-trailers`, `response`, `response-trailers`, `call`, `call-trailers` or a number, `BUFFER` is `request`,
//! `response`, `call`, `vm`, `plugin` and so on or a number. `$` as a word is what the host returned last.
//!
//! | step | what it does |
//! | --- | --- |
//! | `say TEXT` | logs the text at info |
//! | `log LEVEL TEXT`, `log-level` | logs at the level of this number; asks for the least one that is logged |
//! | `stdout TEXT`, `stderr TEXT` | writes a line |
//! | `params` | logs the callback's parameters |
//! | `return N` | what the callback returns |
//! | `get MAP NAME`, `pairs MAP NAME…`, `size MAP` | reads headers; of the pairs only those of these names are shown |
//! | `add MAP NAME VALUE`, `replace …`, `remove MAP NAME`, `set-pairs MAP A=B,…` | changes them |
//! | `body BUFFER START MAX`, `body-size BUFFER`, `set-body BUFFER START SIZE TEXT` | a buffer |
//! | `continue STREAM`, `close STREAM` | 0: request, 1: response, 2: downstream, 3: upstream |
//! | `reply STATUS GRPC HEADERS TEXT` | a local response; `HEADERS` as `a=b,c=d` or `""` |
//! | `call CLUSTER HEADERS TRAILERS TIMEOUT TEXT` | an HTTP callout |
//! | `status` | `proxy_get_status` |
//! | `shared-get KEY`, `shared-set KEY CAS TEXT` | shared data; the `CAS` `$` is that of the last `shared-get` |
//! | `queue-register NAME`, `queue-resolve VM NAME` | a queue, from then on known by its name |
//! | `enqueue NAME TEXT`, `dequeue NAME` | its items; a number for one that isn't known |
//! | `metric KIND NAME`, `record NAME N`, `increment NAME N`, `metric-get NAME` | metrics, likewise |
//! | `property PATH`, `property-size PATH`, `set-property PATH TEXT` | properties |
//! | `foreign NAME TEXT` | a foreign function |
//! | `effective CONTEXT` | another context from here on; `caller` is the one that made the call whose answer is told |
//! | `tick MS`, `done`, `time` | what it says; `time` shows only whether there is one |
//! | `env`, `random` | environment variables; whether there is randomness |
//! | `trap`, `exit N`, `loop` | ends badly |

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::host;
use crate::script::{Call, buffer, map, pairs, path, shown, shown_pairs, status, word};

#[derive(Default)]
struct State {
    /// By root context.
    scripts: BTreeMap<u32, String>,
    roots: BTreeMap<u32, u32>,
    paths: BTreeMap<u32, String>,
    calls: BTreeMap<(u32, String), u32>,
    /// The contexts that made calls.
    callers: BTreeMap<u32, u32>,
    /// The context of the callback.
    current: u32,
    /// The context that made the call whose answer is told.
    caller: u32,
    /// Queues and metrics, by name.
    ids: BTreeMap<String, u32>,
    last: Vec<u8>,
    cas: u32,
}

thread_local! {
    static STATE: RefCell<State> = RefCell::default();
}

/// Nothing is borrowed while the host is called, as it may call back.
fn state<T>(with: impl FnOnce(&mut State) -> T) -> T {
    STATE.with(|state| with(&mut state.borrow_mut()))
}

/// A callback: what the script says of its answer.
pub(crate) fn on(name: &str, context: u32, params: &[u32]) -> Option<u32> {
    let param = |at: usize| params.get(at).copied().unwrap_or(0);
    match name {
        "on_context_create" => state(|state| {
            let parent = params.first().copied().filter(|parent| *parent != 0);
            state.roots.insert(context, parent.unwrap_or(context));
        }),
        "on_http_call_response" => state(|state| {
            let caller = state.callers.remove(&param(0));
            state.caller = caller.unwrap_or_default();
        }),
        "on_vm_start" => read(context, "vm", param(0)),
        "on_configure" => read(context, "plugin", param(0)),
        _ => {}
    }
    let root = state(|state| state.roots.get(&context).copied().unwrap_or(context));
    let script = state(|state| state.scripts.get(&root).cloned()).unwrap_or_default();
    if name == "on_request_headers" && script.contains(" /") {
        let (_, bytes) = host::get(map("request"), b":path");
        let text = String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned();
        state(|state| state.paths.insert(context, text));
    }
    let request = state(|state| state.paths.get(&context).cloned()).unwrap_or_default();
    let number = state(|state| {
        state.current = context;
        let number = state.calls.entry((context, name.to_owned())).or_default();
        *number += 1;
        *number
    });
    let end = match name {
        "on_request_headers"
        | "on_request_body"
        | "on_response_headers"
        | "on_response_body"
        | "on_downstream_data"
        | "on_upstream_data" => param(1) != 0,
        _ => false,
    };
    let call = Call {
        name,
        path: &request,
        end,
        number,
    };
    let mut answer = None;
    for line in call.lines(&script) {
        let (step, rest) = line.split_once(' ').unwrap_or((line, ""));
        match step {
            "return" => answer = rest.parse().ok(),
            "params" => report(line, &format!("{params:?}")),
            _ => step_of(line, step, rest),
        }
    }
    if name == "on_delete" {
        state(|state| {
            state.roots.remove(&context);
            state.paths.remove(&context);
            state.calls.retain(|(of, _), _| *of != context);
        });
    }
    answer
}

/// Adds a configuration to the root's script.
fn read(root: u32, from: &str, size: u32) {
    let (_, bytes) = host::body(buffer(from), 0, size as usize);
    let text = String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned();
    state(|state| {
        let script = state.scripts.entry(root).or_default();
        script.push_str(&text);
        script.push('\n');
    });
}

fn report(line: &str, answer: &str) {
    host::log(2, format!("{line}: {answer}").as_bytes());
}

/// A word as bytes, which `$` stands for what was returned last.
fn bytes(text: &str) -> Vec<u8> {
    match text {
        "$" => state(|state| state.last.clone()),
        text => word(text),
    }
}

fn number<T: std::str::FromStr + Default>(text: &str) -> T {
    text.parse().unwrap_or_default()
}

/// The number of a queue or metric.
fn id(name: &str) -> u32 {
    state(|state| state.ids.get(name).copied()).unwrap_or_else(|| number(name))
}

/// The first words, and the rest of the line. What is missing is empty.
fn split<const N: usize>(text: &str) -> ([&str; N], &str) {
    let mut rest = text;
    let words = std::array::from_fn(|_| {
        let (word, behind) = rest.split_once(' ').unwrap_or((rest, ""));
        rest = behind;
        word
    });
    (words, rest)
}

/// A status, with bytes if some were returned, which are kept.
fn with_bytes((code, bytes): host::Bytes) -> String {
    let text = match &bytes {
        Some(bytes) => format!("{} {}", status(code), shown(bytes)),
        None => status(code),
    };
    state(|state| state.last = bytes.unwrap_or_default());
    text
}

/// A status, with the value where it is `OK`.
fn with_value(code: u32, value: impl std::fmt::Display) -> String {
    match code {
        0 => format!("OK {value}"),
        code => status(code),
    }
}

/// A status; the number is kept under the name.
fn with_id(name: &str, (code, id): (u32, u32)) -> String {
    if code == 0 {
        state(|state| state.ids.insert(name.to_owned(), id));
    }
    status(code)
}

/// Headers by name, and no others: hosts add some of their own.
fn pairs_of(map: u32, names: &str) -> String {
    let (code, bytes) = host::pairs(map);
    if code != 0 {
        return status(code);
    }
    let Some(pairs) = shown_pairs(&bytes.unwrap_or_default()) else {
        return "no headers".to_owned();
    };
    let names: Vec<&str> = names.split(' ').collect();
    let found = pairs.iter().filter(|(name, _)| names.contains(&name.as_str()));
    let shown: Vec<String> = found.map(|(name, value)| format!("{name}={value}")).collect();
    format!("OK {}", shown.join(","))
}

fn environment() -> String {
    let variables: BTreeMap<String, String> = std::env::vars().collect();
    let shown: Vec<String> = variables
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    shown.join(",")
}

fn step_of(line: &str, step: &str, rest: &str) {
    let ([one, two, three, four], _) = split::<4>(rest);
    let behind_one = split::<1>(rest).1;
    let answer = match step {
        "say" => {
            host::log(2, &word(rest));
            return;
        }
        "log" => {
            host::log(number(one), &bytes(behind_one));
            return;
        }
        "stdout" => return println!("{rest}"),
        "stderr" => return eprintln!("{rest}"),
        "log-level" => {
            let (code, level) = host::log_level();
            with_value(code, level)
        }
        "get" => with_bytes(host::get(map(one), &bytes(two))),
        "pairs" => pairs_of(map(one), behind_one),
        "size" => {
            let (code, size) = host::map_size(map(one));
            with_value(code, if size == 0 { "nothing" } else { "something" })
        }
        "set-pairs" => status(host::set_pairs(map(one), &pairs(two))),
        "set-raw-pairs" => status(host::set_pairs(map(one), &bytes(two))),
        "add" => status(host::add(map(one), &bytes(two), &bytes(split::<2>(rest).1))),
        "replace" => status(host::replace(map(one), &bytes(two), &bytes(split::<2>(rest).1))),
        "remove" => status(host::remove(map(one), &bytes(two))),
        "body" => with_bytes(host::body(buffer(one), number(two), number(three))),
        "body-size" => {
            let (code, size) = host::body_status(buffer(one));
            with_value(code, size)
        }
        "set-body" => {
            let text = bytes(split::<3>(rest).1);
            status(host::set_body(buffer(one), number(two), number(three), &text))
        }
        "continue" => status(host::continue_stream(number(one))),
        "close" => status(host::close_stream(number(one))),
        "reply" => {
            let grpc = two.parse().unwrap_or(-1);
            let body = bytes(split::<3>(rest).1);
            status(host::reply(number(one), b"steps", &body, &pairs(three), grpc))
        }
        "call" => {
            let body = bytes(split::<4>(rest).1);
            let (code, id) = host::call(&bytes(one), &pairs(two), &body, &pairs(three), number(four));
            if code == 0 {
                state(|state| state.callers.insert(id, state.current));
            }
            status(code)
        }
        "status" => {
            let (answer, code) = host::status();
            format!("{} {code}", with_bytes(answer))
        }
        "shared-get" => {
            let (answer, cas) = host::shared_get(&bytes(one));
            state(|state| state.cas = cas);
            with_bytes(answer)
        }
        "shared-set" => {
            let cas = match two {
                "$" => state(|state| state.cas),
                text => number(text),
            };
            status(host::shared_set(&bytes(one), &bytes(split::<2>(rest).1), cas))
        }
        "queue-register" => with_id(one, host::queue_register(&bytes(one))),
        "queue-resolve" => with_id(two, host::queue_resolve(&bytes(one), &bytes(two))),
        "enqueue" => status(host::enqueue(id(one), &bytes(behind_one))),
        "dequeue" => with_bytes(host::dequeue(id(one))),
        "metric" => with_id(two, host::metric_define(number(one), &bytes(two))),
        "record" => status(host::metric_record(id(one), number(two))),
        "increment" => status(host::metric_increment(id(one), number(two))),
        "metric-get" => {
            let (code, value) = host::metric_get(id(one));
            with_value(code, value)
        }
        "property" => with_bytes(host::property(&path(rest))),
        "property-size" => {
            let (code, bytes) = host::property(&path(rest));
            with_value(code, bytes.map_or(0, |bytes| bytes.len()))
        }
        "set-property" => status(host::set_property(&path(one), &bytes(behind_one))),
        "foreign" => with_bytes(host::foreign(&bytes(one), &bytes(behind_one))),
        "tick" => status(host::tick(number(one))),
        "effective" => {
            let context = match one {
                "caller" => state(|state| state.caller),
                context => number(context),
            };
            state(|state| state.current = context);
            status(host::effective(context))
        }
        "done" => status(host::done()),
        "time" => {
            let (code, time) = host::time();
            with_value(code, if time == 0 { "no time" } else { "a time" })
        }
        "env" => environment(),
        "random" => {
            // The seed of the map's hashes is random.
            let _ = std::hash::RandomState::new();
            "OK".to_owned()
        }
        "trap" => std::process::abort(),
        "exit" => std::process::exit(number(one)),
        #[expect(clippy::empty_loop, reason = "is to be ended by the host")]
        "loop" => loop {},
        _ => "no such step".to_owned(),
    };
    report(line, &answer);
}
