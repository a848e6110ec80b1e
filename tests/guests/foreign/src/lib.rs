//! Calls foreign functions of the host and answers with what they gave. The request header `x-foreign` says which, and
//! `x-data` is what for:
//!
//! - `roundtrip`: `compress`, then `uncompress` of the text; `x-compressed-bytes` has the length between.
//! - `expr`: `expr_create` of the expression, `expr_evaluate`, `expr_delete`; `x-deleted` is what evaluating it once more
//!   gives.
//! - `state`: `set_envoy_filter_state` of `NAME=VALUE`, then the property `filter_state` NAME.
//! - `declare`: `declare_property` of `NAME=VALUE` as a string, then the property set and read.
//! - any other: the function of this name, with the bytes that the hexadecimal digits mean.
//!
//! The body is the result, and `x-result` how it is written: `text`, or `hex` for what is no text. A refusal is 500 with
//! the function's name and the status. Without `x-foreign` the request goes on.
#![forbid(unsafe_code)]

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel, Status};

mod encoding;

use encoding::{hex, message, text, unhex};

// A native program that links several plugins calls `start`: there can be one `_initialize` in a program.
#[cfg(not(feature = "linked"))]
proxy_wasm::main! {{ start() }}

/// Says what makes the plugin's contexts.
pub fn start() {
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::new(Root));
}

struct Root;

impl Context for Root {}

impl RootContext for Root {
    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

/// What a function gave, with a header for the answer.
struct Answer {
    body: Vec<u8>,
    header: Option<(&'static str, String)>,
}

impl From<Vec<u8>> for Answer {
    fn from(body: Vec<u8>) -> Self {
        Self { body, header: None }
    }
}

/// Which function failed, and how.
type Refusal = (String, Status);

fn call(name: &str, arguments: &[u8]) -> Result<Vec<u8>, Refusal> {
    match hostcalls::call_foreign_function(name, Some(arguments)) {
        Ok(result) => Ok(result.unwrap_or_default()),
        Err(status) => Err((name.to_owned(), status)),
    }
}

fn property(path: &[&str]) -> Result<Vec<u8>, Refusal> {
    let value = hostcalls::get_property(path.to_vec());
    let value = value.and_then(|value| value.ok_or(Status::NotFound));
    value.map_err(|status| (path.join("."), status))
}

fn roundtrip(data: &str) -> Result<Answer, Refusal> {
    let compressed = call("compress", data.as_bytes())?;
    Ok(Answer {
        body: call("uncompress", &compressed)?,
        header: Some(("x-compressed-bytes", compressed.len().to_string())),
    })
}

fn expr(data: &str) -> Result<Answer, Refusal> {
    let token = call("expr_create", data.as_bytes())?;
    let value = call("expr_evaluate", &token);
    call("expr_delete", &token)?;
    let again = match call("expr_evaluate", &token) {
        Ok(_) => "there".to_owned(),
        Err((_, status)) => format!("{status:?}"),
    };
    Ok(Answer {
        body: value?,
        header: Some(("x-deleted", again)),
    })
}

fn state(data: &str) -> Result<Answer, Refusal> {
    let (name, value) = data.split_once('=').unwrap_or((data, ""));
    let arguments = message(&[(1, name.as_bytes()), (2, value.as_bytes())]);
    call("set_envoy_filter_state", &arguments)?;
    Ok(property(&["filter_state", name])?.into())
}

fn declare(data: &str) -> Result<Answer, Refusal> {
    let (name, value) = data.split_once('=').unwrap_or((data, ""));
    let mut arguments = message(&[(1, name.as_bytes())]);
    // Field 3, a number: the type, 1 for a string.
    arguments.extend([3 << 3, 1]);
    call("declare_property", &arguments)?;
    let _ = hostcalls::set_property(vec![name], Some(value.as_bytes()));
    Ok(property(&[name])?.into())
}

struct Stream;

impl Stream {
    fn answer(&self, result: Result<Answer, Refusal>) {
        let answer = match result {
            Ok(answer) => answer,
            Err((name, status)) => {
                let body = format!("{name}: {status:?}\n");
                self.send_http_response(500, vec![], Some(body.as_bytes()));
                return;
            }
        };
        let (kind, body) = match text(answer.body) {
            Ok(text) => ("text", text),
            Err(bytes) => ("hex", hex(&bytes)),
        };
        let mut headers = vec![("x-result", kind)];
        headers.extend(
            answer
                .header
                .as_ref()
                .map(|(name, value)| (*name, value.as_str())),
        );
        self.send_http_response(200, headers, Some(body.as_bytes()));
    }
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _num_headers: usize, _end_of_stream: bool) -> Action {
        let Some(name) = self.get_http_request_header("x-foreign") else {
            return Action::Continue;
        };
        let data = self.get_http_request_header("x-data").unwrap_or_default();
        self.answer(match name.as_str() {
            "roundtrip" => roundtrip(&data),
            "expr" => expr(&data),
            "state" => state(&data),
            "declare" => declare(&data),
            _ => unhex(&data)
                .ok_or_else(|| ("x-data".to_owned(), Status::ParseFailure))
                .and_then(|arguments| call(&name, &arguments))
                .map(Answer::from),
        });
        Action::Pause
    }
}
