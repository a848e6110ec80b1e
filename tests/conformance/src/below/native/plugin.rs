//! A native plugin that does what the configuration of its VM says.
//!
//! A line is the name of a callback, a command and its arguments, such as `request set key value`. What a command returns is
//! reported as in the guests of WebAssembly: a status as a number, bytes as they are.

use std::time::Duration;

use enginebay::null;
use enginebay::null::native::{Action, Buffer, HostCalls, LogLevel, Map, MetricKind, NativePlugin, Status};

/// The name of the plugin.
pub(super) const NAME: &str = "conformance_script";

null::native_plugin!("conformance_script", Script::default);

#[derive(Default)]
struct Script {
    /// The number that the last value came with.
    cas: u32,
    /// The queue that was registered or resolved last.
    queue: u32,
    /// The metric that was defined last.
    metric: u32,
    /// `proxy_on_done` returns false.
    waits: bool,
}

fn report(host: &HostCalls<'_>, text: &str) {
    let _ = host.log(LogLevel::Trace, text);
}

/// Reports a status, and what there is with it.
fn outcome<T>(host: &HostCalls<'_>, result: Result<T, Status>) -> Option<T> {
    let status = result.as_ref().err().map_or(0, |status| status.0);
    report(host, &status.to_string());
    result.ok()
}

fn found<T>(value: Option<T>, missing: Status) -> Result<T, Status> {
    value.ok_or(missing)
}

impl Script {
    /// Does what the script says of a callback.
    fn during(&mut self, host: &HostCalls<'_>, callback: &str, context: u32) {
        let script = host
            .buffer(Buffer::VmConfiguration, 0, usize::MAX)
            .unwrap_or_default();
        let script = String::from_utf8_lossy(&script);
        for line in script.lines() {
            if let Some(command) = line
                .strip_prefix(callback)
                .and_then(|rest| rest.strip_prefix(' '))
            {
                self.run(host, command, context);
            }
        }
    }

    fn run(&mut self, host: &HostCalls<'_>, command: &str, context: u32) {
        let words: Vec<&str> = command.split(' ').collect();
        let number = |at: usize| {
            words
                .get(at)
                .and_then(|word| word.parse::<i64>().ok())
                .unwrap_or(0)
        };
        let word = |at: usize| words.get(at).copied().unwrap_or_default();
        let bytes = |at: usize| word(at).as_bytes();
        match words[0] {
            "say" => report(host, word(1)),
            "trap" => panic!("told to"),
            "wait" => self.waits = true,
            "whose" => {
                let name = host.property(&["plugin_name"]);
                let name = outcome(host, name).flatten().unwrap_or_default();
                report(host, &String::from_utf8_lossy(&name));
            }
            "get" => {
                let value = host.shared_data(bytes(1));
                let value = outcome(host, value.and_then(|value| found(value, Status::NOT_FOUND)));
                let (value, cas) = value.unwrap_or_default();
                self.cas = cas;
                report(host, &String::from_utf8_lossy(&value));
            }
            "set" => drop(outcome(host, host.set_shared_data(bytes(1), bytes(2), None))),
            "set_got" => drop(outcome(
                host,
                host.set_shared_data(bytes(1), bytes(2), Some(self.cas)),
            )),
            "register" => self.queue = outcome(host, host.register_queue(word(1))).unwrap_or(0),
            "resolve" => {
                let queue = host.resolve_queue(word(1), word(2));
                let queue = queue.and_then(|queue| found(queue, Status::NOT_FOUND));
                self.queue = outcome(host, queue).unwrap_or(0);
            }
            "enqueue" => drop(outcome(host, host.enqueue(self.queue, bytes(1)))),
            "dequeue" => {
                let item = host.dequeue(self.queue);
                let item = outcome(host, item.and_then(|item| found(item, Status::EMPTY)));
                report(host, &String::from_utf8_lossy(&item.unwrap_or_default()));
            }
            "counter" => {
                self.metric = outcome(host, host.define_metric(MetricKind::Counter, word(1))).unwrap_or(0)
            }
            "gauge" => {
                self.metric = outcome(host, host.define_metric(MetricKind::Gauge, word(1))).unwrap_or(0)
            }
            "increment" => drop(outcome(host, host.increment_metric(self.metric, number(1)))),
            "value" => {
                let value = outcome(host, host.metric(self.metric)).unwrap_or(0);
                report(host, &value.to_string());
            }
            // So many contexts away from the one that the callback is for.
            "effective" => {
                let other = context.wrapping_add(number(1) as u32);
                outcome(host, host.set_effective_context(other));
            }
            "done" => drop(outcome(host, host.done())),
            "tick" => drop(outcome(host, host.set_tick_period(Duration::from_millis(5)))),
            "header" => drop(outcome(
                host,
                host.add_header(Map::RequestHeaders, bytes(1), bytes(2)),
            )),
            "append" => drop(outcome(
                host,
                host.set_buffer(Buffer::RequestBody, usize::MAX, 0, bytes(1)),
            )),
            "property" => drop(outcome(host, host.set_property(&[word(1)], bytes(2)))),
            unknown => report(host, &format!("no command: {unknown}")),
        }
    }
}

impl NativePlugin for Script {
    fn on_context_create(&mut self, host: &HostCalls<'_>, context: u32, _: u32) {
        self.during(host, "create", context);
    }

    fn on_vm_start(&mut self, host: &HostCalls<'_>, root: u32, _: usize) -> bool {
        self.during(host, "start", root);
        !std::mem::take(&mut self.waits)
    }

    fn on_configure(&mut self, host: &HostCalls<'_>, root: u32, _: usize) -> bool {
        self.during(host, "configure", root);
        !std::mem::take(&mut self.waits)
    }

    fn on_tick(&mut self, host: &HostCalls<'_>, root: u32) {
        self.during(host, "tick", root);
    }

    fn on_queue_ready(&mut self, host: &HostCalls<'_>, root: u32, _: u32) {
        self.during(host, "ready", root);
    }

    fn on_request_headers(&mut self, host: &HostCalls<'_>, context: u32, _: usize, _: bool) -> Action {
        self.during(host, "request", context);
        Action::Continue
    }

    fn on_response_headers(&mut self, host: &HostCalls<'_>, context: u32, _: usize, _: bool) -> Action {
        self.during(host, "response", context);
        Action::Continue
    }

    fn on_done(&mut self, host: &HostCalls<'_>, context: u32) -> bool {
        self.during(host, "done", context);
        !std::mem::take(&mut self.waits)
    }

    fn on_log(&mut self, host: &HostCalls<'_>, context: u32) {
        self.during(host, "log", context);
    }

    fn on_delete(&mut self, host: &HostCalls<'_>, context: u32) {
        self.during(host, "delete", context);
    }
}
