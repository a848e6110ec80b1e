//! Small guests written for one test each.

use enginebay::config::model::{Code, Plugin as PluginModel};
use enginebay::{Engines, FailurePolicy, Plugin};

pub fn load(
    engines: &Engines,
    runtime: &str,
    code: &[u8],
    configuration: &str,
    policy: FailurePolicy,
    stop_iteration: bool,
) -> Plugin {
    let mut model = PluginModel::new(runtime, Code::InlineBytes(code.to_vec()));
    model.configuration = configuration.as_bytes().to_vec();
    model.failure_policy = policy;
    model.allow_on_headers_stop_iteration = Some(stop_iteration);
    Plugin::load(engines, &model).unwrap()
}

/// A guest in text form. `body` has its callbacks; the strings it names lie where [`Wat::text`] puts them.
pub struct Wat {
    texts: Vec<(u32, String)>,
    next: u32,
    body: String,
    pub policy: FailurePolicy,
    pub stop_iteration: bool,
}

impl Default for Wat {
    fn default() -> Self {
        Wat {
            texts: Vec::new(),
            next: 16,
            body: String::new(),
            policy: FailurePolicy::FailClosed,
            stop_iteration: false,
        }
    }
}

/// The functions of the host that guests here use, and `$log` and `$reply` for short.
const PRELUDE: &str = r#"
  (import "env" "proxy_log" (func $proxy_log (param i32 i32 i32) (result i32)))
  (import "env" "proxy_done" (func $done (result i32)))
  (import "env" "proxy_continue_stream" (func $continue (param i32) (result i32)))
  (import "env" "proxy_close_stream" (func $close (param i32) (result i32)))
  (import "env" "proxy_set_effective_context" (func $effective (param i32) (result i32)))
  (import "env" "proxy_set_buffer_bytes" (func $set_buffer (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_add_header_map_value" (func $add (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_replace_header_map_value" (func $set (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_remove_header_map_value" (func $remove (param i32 i32 i32) (result i32)))
  (import "env" "proxy_get_header_map_value" (func $get (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_property" (func $property (param i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_property" (func $set_property (param i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_send_local_response"
    (func $send (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_tick_period_milliseconds" (func $tick_period (param i32) (result i32)))
  (import "env" "proxy_register_shared_queue" (func $register_queue (param i32 i32 i32) (result i32)))
  (import "env" "proxy_resolve_shared_queue" (func $resolve_queue (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_enqueue_shared_queue" (func $enqueue (param i32 i32 i32) (result i32)))
  (import "env" "proxy_dequeue_shared_queue" (func $dequeue (param i32 i32 i32) (result i32)))
  (import "env" "proxy_get_buffer_bytes" (func $get_buffer (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_http_call"
    (func $http_call (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_grpc_call"
    (func $grpc_call (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_grpc_stream"
    (func $grpc_stream (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_grpc_send" (func $grpc_send (param i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_grpc_cancel" (func $grpc_cancel (param i32) (result i32)))
  (import "env" "proxy_grpc_close" (func $grpc_close (param i32) (result i32)))
  (import "env" "proxy_get_status" (func $get_status (param i32 i32 i32) (result i32)))
  (memory (export "memory") 64)
  (global $ticks (mut i32) (i32.const 0))
  (global $heap (mut i32) (i32.const 65536))
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param i32) (result i32)
    (global.get $heap)
    (global.set $heap (i32.add (global.get $heap) (local.get 0))))
  (global $caller (mut i32) (i32.const 0))
  (func $log (param i32 i32) (drop (call $proxy_log (i32.const 2) (local.get 0) (local.get 1))))
  (func $reply (param i32 i32 i32)
    (drop (call $send (local.get 0) (i32.const 0) (i32.const 0) (local.get 1) (local.get 2)
      (i32.const 0) (i32.const 0) (i32.const -1))))
  ;; Logs the header of this name in this map, or its status as a digit.
  (func $log_header (param $map i32) (param $name i32) (param $len i32) (local $status i32)
    (local.set $status
      (call $get (local.get $map) (local.get $name) (local.get $len) (i32.const 0) (i32.const 4)))
    (call $log_result (local.get $status)))
  (func $log_number (param $value i32) (local $at i32)
    (local.set $at (i32.const 4096))
    (loop $again
      (local.set $at (i32.sub (local.get $at) (i32.const 1)))
      (i32.store8 (local.get $at) (i32.add (i32.const 48) (i32.rem_u (local.get $value) (i32.const 10))))
      (local.set $value (i32.div_u (local.get $value) (i32.const 10)))
      (br_if $again (local.get $value)))
    (call $log (local.get $at) (i32.sub (i32.const 4096) (local.get $at))))
  (func $log_buffer (param $buffer i32)
    (call $log_result (call $get_buffer
      (local.get $buffer) (i32.const 0) (i32.const 1000) (i32.const 0) (i32.const 4))))
  ;; Logs the property of this path, or the status as a digit.
  (func $show_property (param $path i32) (param $len i32)
    (call $log_result (call $property (local.get $path) (local.get $len) (i32.const 0) (i32.const 4))))
  (func $log_digit (param $digit i32)
    (i32.store8 (i32.const 8) (i32.add (i32.const 48) (local.get $digit)))
    (call $log (i32.const 8) (i32.const 1)))
  (func $log_result (param $status i32)
    (if (i32.eqz (local.get $status))
      (then (call $log (i32.load (i32.const 0)) (i32.load (i32.const 4))))
      (else
        (i32.store8 (i32.const 8) (i32.add (i32.const 48) (local.get $status)))
        (call $log (i32.const 8) (i32.const 1)))))
  (func $digit (param $at i32) (param $digit i32)
    (i32.store8 (local.get $at)
      (i32.add (local.get $digit)
        (select (i32.const 87) (i32.const 48) (i32.gt_u (local.get $digit) (i32.const 9))))))
  ;; Logs the property of this path in hexadecimal behind an x, or the status as a digit.
  (func $log_property (param $path i32) (param $len i32)
    (local $status i32) (local $from i32) (local $left i32) (local $to i32)
    (local.set $status
      (call $property (local.get $path) (local.get $len) (i32.const 0) (i32.const 4)))
    (if (local.get $status) (then (call $log_result (local.get $status)) (return)))
    (local.set $from (i32.load (i32.const 0)))
    (local.set $left (i32.load (i32.const 4)))
    (i32.store8 (i32.const 2097152) (i32.const 120))
    (local.set $to (i32.const 2097153))
    (block
      (loop
        (br_if 1 (i32.eqz (local.get $left)))
        (call $digit (local.get $to) (i32.shr_u (i32.load8_u (local.get $from)) (i32.const 4)))
        (call $digit (i32.add (local.get $to) (i32.const 1))
          (i32.and (i32.load8_u (local.get $from)) (i32.const 15)))
        (local.set $from (i32.add (local.get $from) (i32.const 1)))
        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
        (local.set $to (i32.add (local.get $to) (i32.const 2)))
        (br 0)))
    (call $log (i32.const 2097152) (i32.sub (local.get $to) (i32.const 2097152))))
"#;

impl Wat {
    /// `ADDRESS LENGTH` of a text, as two operands.
    pub fn text(&mut self, text: &str) -> String {
        let at = self.next;
        self.next += text.len() as u32;
        self.texts.push((at, text.to_owned()));
        format!("(i32.const {at}) (i32.const {})", text.len())
    }

    /// Adds a callback: its parameters' names are `$id`, `$n` and `$end` as far as it has them.
    pub fn on(mut self, name: &str, code: &str) -> Self {
        let (params, result) = match name {
            "configure" => ("(param $id i32) (param $n i32)", "(result i32)"),
            "tick" => ("(param $id i32)", ""),
            "queue_ready" => ("(param $id i32) (param $n i32)", ""),
            "context_create" => ("(param $id i32) (param $n i32)", ""),
            "log" | "delete" => ("(param $id i32)", ""),
            "new_connection" => ("(param $id i32)", "(result i32)"),
            "downstream_connection_close" | "upstream_connection_close" => {
                ("(param $id i32) (param $n i32)", "")
            }
            "done" => ("(param $id i32)", "(result i32)"),
            "http_call_response" => (
                "(param $id i32) (param $call i32) (param $n i32) (param $size i32) (param $trailers i32)",
                "",
            ),
            name if name.starts_with("grpc_") => ("(param $id i32) (param $call i32) (param $n i32)", ""),
            "request_trailers" | "response_trailers" => ("(param $id i32) (param $n i32)", "(result i32)"),
            _ => ("(param $id i32) (param $n i32) (param $end i32)", "(result i32)"),
        };
        // What comes of a callout is told to the root context. As in SDKs, the code acts on the stream that called out.
        let first = match name {
            "request_headers" | "new_connection" => "(global.set $caller (local.get $id))",
            name if name == "http_call_response" || name.starts_with("grpc_") => {
                "(drop (call $effective (global.get $caller)))"
            }
            _ => "",
        };
        let code = format!("{first}\n{}", self.texts_in(code));
        self.body += &format!("(func (export \"proxy_on_{name}\") {params} {result}\n{code})\n");
        self
    }

    /// Puts `'text'` in the code at an address.
    fn texts_in(&mut self, code: &str) -> String {
        code.split('\'')
            .enumerate()
            .map(|(i, part)| match i % 2 {
                0 => part.to_owned(),
                _ => self.text(part),
            })
            .collect()
    }

    pub fn code(&self) -> Vec<u8> {
        let escape = |text: &str| {
            text.bytes()
                .map(|byte| format!("\\{byte:02x}"))
                .collect::<String>()
        };
        let data: String = self
            .texts
            .iter()
            .map(|(at, text)| format!("(data (i32.const {at}) \"{}\")\n", escape(text)))
            .collect();
        wat::parse_str(format!("(module {PRELUDE} {data} {})", self.body)).unwrap()
    }

    pub fn load(&self, engines: &Engines, runtime: &str) -> Plugin {
        load(
            engines,
            runtime,
            &self.code(),
            "",
            self.policy,
            self.stop_iteration,
        )
    }

    pub fn quick(&self) -> Plugin {
        self.load(&super::engines(), super::QUICK)
    }
}

/// A guest that logs each callback of a TCP stream, with `name` in front, its bytes and what else it is told.
pub fn tcp_recorder(name: &str) -> Wat {
    let data = |buffer: u32, callback: &str| {
        format!(
            "(call $log '{name} {callback}') (call $log_buffer (i32.const {buffer}))
             (if (local.get $end) (then (call $log 'end'))) (i32.const 0)"
        )
    };
    let closed = |callback: &str| format!("(call $log '{name} {callback}') (call $log_digit (local.get $n))");
    Wat::default()
        .on(
            "new_connection",
            &format!("(call $log '{name} new') (i32.const 0)"),
        )
        .on("downstream_data", &data(2, "downstream"))
        .on("upstream_data", &data(3, "upstream"))
        .on("downstream_connection_close", &closed("downstream closed"))
        .on("upstream_connection_close", &closed("upstream closed"))
        .on("done", &format!("(call $log '{name} done') (i32.const 1)"))
        .on("log", &format!("(call $log '{name} log')"))
        .on("delete", &format!("(call $log '{name} delete')"))
}

/// A guest that logs each callback, with `name` in front, and goes on.
pub fn recorder(name: &str) -> Wat {
    let mut wat = Wat::default();
    for callback in [
        "request_headers",
        "request_body",
        "request_trailers",
        "response_headers",
        "response_body",
        "response_trailers",
        "done",
        "log",
        "delete",
    ] {
        let result = match callback {
            "log" | "delete" => "",
            "done" => "(i32.const 1)",
            _ => "(i32.const 0)",
        };
        wat = wat.on(callback, &format!("(call $log '{name} {callback}') {result}"));
    }
    wat
}
