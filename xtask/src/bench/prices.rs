//! The price list: what each host function and each callback costs.

use std::fmt::Write as _;

use serde_json::json;

use super::boundary::REPEAT;
use super::figures::{Figures, RUNTIMES, ratio};
use super::part::Outcome;

/// A line for a host function.
#[derive(Debug, Clone, Copy)]
pub struct Line {
    /// By which the benchmark knows it: the function's name.
    pub id: &'static str,
    /// As it is shown.
    pub label: &'static str,
    /// Bytes that go into the host and come out of it.
    pub bytes: &'static str,
}

macro_rules! lines {
    ($($id:literal $label:literal $bytes:literal)*) => {
        /// The host functions that have a price, in the order of the page.
        pub const LINES: &[Line] = &[$(Line { id: $id, label: $label, bytes: $bytes }),*];
    };
}

lines! {
    "proxy_log" "proxy_log (a level that is off)" "16 in"
    "proxy_get_log_level" "proxy_get_log_level" "4 out"
    "proxy_get_current_time_nanoseconds" "proxy_get_current_time_nanoseconds" "8 out"
    "proxy_set_tick_period_milliseconds" "proxy_set_tick_period_milliseconds" "–"
    "proxy_set_effective_context" "proxy_set_effective_context" "–"
    "proxy_get_buffer_bytes" "proxy_get_buffer_bytes" "1,024 out"
    "proxy_get_buffer_status" "proxy_get_buffer_status" "8 out"
    "proxy_set_buffer_bytes" "proxy_set_buffer_bytes ¹" "1,024 in"
    "proxy_get_header_map_size" "proxy_get_header_map_size" "4 out"
    "proxy_get_header_map_pairs" "proxy_get_header_map_pairs" "506 out"
    "proxy_set_header_map_pairs" "proxy_set_header_map_pairs" "46 in"
    "proxy_get_header_map_value" "proxy_get_header_map_value" "16 in, 16 out"
    "proxy_add_header_map_value" "proxy_add_header_map_value, proxy_remove_header_map_value" "48 in"
    "proxy_replace_header_map_value" "proxy_replace_header_map_value" "32 in"
    "proxy_continue_stream" "proxy_continue_stream" "–"
    "proxy_close_stream" "proxy_close_stream" "–"
    "proxy_send_local_response" "proxy_send_local_response ¹" "78 in"
    "proxy_get_shared_data" "proxy_get_shared_data" "16 in, 20 out"
    "proxy_set_shared_data" "proxy_set_shared_data ¹" "32 in"
    "proxy_register_shared_queue" "proxy_register_shared_queue" "16 in, 4 out"
    "proxy_resolve_shared_queue" "proxy_resolve_shared_queue" "16 in, 4 out"
    "proxy_enqueue_shared_queue" "proxy_enqueue_shared_queue, proxy_dequeue_shared_queue ¹" "16 in, 16 out"
    "proxy_define_metric" "proxy_define_metric ¹" "16 in, 4 out"
    "proxy_increment_metric" "proxy_increment_metric" "–"
    "proxy_record_metric" "proxy_record_metric" "–"
    "proxy_get_metric" "proxy_get_metric" "8 out"
    "proxy_get_property" "proxy_get_property" "15 in, 16 out"
    "proxy_set_property" "proxy_set_property" "31 in"
    "proxy_call_foreign_function" "proxy_call_foreign_function ²" "32 in, 16 out"
    "clock_time_get" "clock_time_get" "8 out"
    "random_get" "random_get" "16 out"
    "environ_sizes_get" "environ_sizes_get" "8 out"
    "environ_get" "environ_get" "–"
    "fd_write" "fd_write (a level that is off)" "24 in, 4 out"
}

/// The callbacks that have a price.
pub const CALLBACKS: [&str; 15] = [
    "proxy_on_request_headers",
    "proxy_on_request_body",
    "proxy_on_request_metadata",
    "proxy_on_response_headers",
    "proxy_on_response_body",
    "proxy_on_response_trailers",
    "proxy_on_response_metadata",
    "proxy_on_log",
    "proxy_on_tick",
    "proxy_on_foreign_function",
    "proxy_on_new_connection",
    "proxy_on_downstream_data",
    "proxy_on_upstream_data",
    "proxy_on_downstream_connection_close",
    "proxy_on_upstream_connection_close",
];

pub(super) fn outcome(figures: &Figures) -> Outcome {
    let mut outcome = Outcome::default();
    let runtimes = RUNTIMES.join(" | ");
    let _ = writeln!(
        outcome.text,
        "| host function | bytes | {runtimes} |\n| --- | --- | {} |",
        ["---:"; RUNTIMES.len()].join(" | ")
    );
    for line in LINES {
        let cells = cells(figures, line.id, REPEAT, &mut outcome.rows);
        let _ = writeln!(outcome.text, "| {} | {} | {cells} |", line.label, line.bytes);
    }
    let _ = writeln!(
        outcome.text,
        "\n| callback | {runtimes} |\n| --- | {} |",
        ["---:"; RUNTIMES.len()].join(" | ")
    );
    for name in CALLBACKS {
        let cells = cells(figures, name, 1.0, &mut outcome.rows);
        let _ = writeln!(outcome.text, "| {name} | {cells} |");
    }
    outcome
}

/// A cell for each runtime, such as `10 → 15 (1.5)`.
fn cells(figures: &Figures, id: &str, per: f64, rows: &mut Vec<serde_json::Value>) -> String {
    let mut cells = Vec::new();
    for runtime in RUNTIMES {
        let ns = |function| Some(figures.get(&format!("price_{runtime}_{id}"), function)? / per);
        let (bare, host) = (ns("bare"), ns("host"));
        let ratio = ratio(bare, host);
        cells.push(match (bare, host, ratio) {
            (Some(bare), Some(host), Some(ratio)) => format!("{bare:.0} → {host:.0} ({ratio:.1})"),
            (_, Some(host), _) => format!("{host:.0}"),
            _ => "–".to_owned(),
        });
        if host.is_some() {
            rows.push(json!({
                "what": id, "runtime": runtime, "bare_ns": bare, "host_ns": host, "ratio": ratio,
            }));
        }
    }
    cells.join(" | ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_has_both_prices() {
        let outcome = outcome(&Figures::of(&[
            ("price_wasmtime_proxy_get_log_level", "bare", 10_000.0),
            ("price_wasmtime_proxy_get_log_level", "host", 15_000.0),
            ("price_null_proxy_get_log_level", "host", 7_000.0),
            ("price_wasmtime_proxy_on_log", "bare", 10.0),
            ("price_wasmtime_proxy_on_log", "host", 20.0),
        ]));
        for line in [
            "| proxy_get_log_level | 4 out | 10 → 15 (1.5) | – | – | – | 7 |",
            "| proxy_on_log | 10 → 20 (2.0) | – | – | – | – |",
        ] {
            assert!(outcome.text.contains(line), "{}", outcome.text);
        }
    }
}
