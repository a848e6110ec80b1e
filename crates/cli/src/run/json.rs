//! The outcome for programs: one object on one line.

use std::time::Duration;

use enginebay::HeaderMap;
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::outcome::{Callout, Came, Message, Outcome};
use super::platform::Log;

/// One line of `run --json`.
#[derive(serde::Serialize)]
pub(super) struct Line<'a> {
    runtime: &'a str,
    request: Request<'a>,
    response: Response<'a>,
    local_reply: bool,
    action: Entries<&'a str>,
    callouts: Vec<CalloutLine<'a>>,
    logs: Vec<LogLine<'a>>,
    failed: Option<&'static str>,
    error: Option<String>,
    /// `done`, or why the exchange has no whole response.
    ending: &'static str,
    load_us: f64,
    timings_us: Entries<f64>,
}

#[derive(serde::Serialize)]
struct Request<'a> {
    headers: Pairs<'a>,
    body: Text<'a>,
    trailers: Pairs<'a>,
}

#[derive(serde::Serialize)]
struct Response<'a> {
    /// Null when the client gets no response, or one whose status is not a number.
    status: Option<u32>,
    headers: Pairs<'a>,
    body: Text<'a>,
    trailers: Pairs<'a>,
}

#[derive(serde::Serialize)]
struct CalloutLine<'a> {
    /// `http`, `grpc call` or `grpc stream`.
    kind: &'static str,
    upstream: &'a str,
    method: &'a str,
    path: &'a str,
    /// `answer`, or why there was none.
    came: &'static str,
    /// Of HTTP or gRPC; null when there was no answer.
    status: Option<u32>,
}

#[derive(serde::Serialize)]
struct LogLine<'a> {
    level: String,
    message: &'a str,
}

impl<'a> Line<'a> {
    pub(super) fn new(outcome: &'a Outcome) -> Self {
        let mut action = Entries(Vec::new());
        let mut timings = Entries(Vec::new());
        for call in &outcome.calls {
            if let Some(name) = call.action {
                *action.entry(call.name, name) = name;
            }
            *timings.entry(call.name, 0.0) += microseconds(call.took);
        }
        timings.0.iter_mut().for_each(|(_, us)| *us = round(*us));
        let Message {
            headers,
            body,
            trailers,
        } = &outcome.request;
        let response = outcome.response.as_ref();
        Line {
            runtime: outcome.runtime,
            request: Request {
                headers: Pairs(Some(headers)),
                body: Text(body),
                trailers: Pairs(Some(trailers)),
            },
            response: Response {
                status: response.and_then(Message::status),
                headers: Pairs(response.map(|r| &r.headers)),
                body: Text(response.map_or(&[], |r| &r.body)),
                trailers: Pairs(response.map(|r| &r.trailers)),
            },
            local_reply: outcome.local_reply.is_some(),
            action,
            callouts: outcome.callouts.iter().map(CalloutLine::new).collect(),
            logs: outcome.logs.iter().map(LogLine::new).collect(),
            failed: outcome.failure.as_ref().map(|failure| failure.state().name()),
            error: outcome.failure.as_ref().map(ToString::to_string),
            ending: outcome.ending.name(),
            load_us: round(microseconds(outcome.load)),
            timings_us: timings,
        }
    }
}

impl<'a> CalloutLine<'a> {
    fn new(callout: &'a Callout) -> Self {
        CalloutLine {
            kind: callout.kind.name(),
            upstream: &callout.upstream,
            method: &callout.method,
            path: &callout.path,
            came: callout.came.name(),
            status: match callout.came {
                Came::Answer(status, _) => Some(status),
                _ => None,
            },
        }
    }
}

impl<'a> LogLine<'a> {
    fn new(log: &'a Log) -> Self {
        LogLine {
            level: log.level.name().to_ascii_lowercase(),
            message: &log.message,
        }
    }
}

fn microseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn round(us: f64) -> f64 {
    (us * 10.0).round() / 10.0
}

/// An object whose entries keep their order.
struct Entries<V>(Vec<(&'static str, V)>);

impl<V> Entries<V> {
    fn entry(&mut self, name: &'static str, new: V) -> &mut V {
        let at = match self.0.iter().position(|(other, _)| *other == name) {
            Some(at) => at,
            None => {
                self.0.push((name, new));
                self.0.len() - 1
            }
        };
        &mut self.0[at].1
    }
}

impl<V: Serialize> Serialize for Entries<V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// A list of `[name, value]`.
struct Pairs<'a>(Option<&'a HeaderMap>);

impl Serialize for Pairs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let pairs = self.0.into_iter().flat_map(HeaderMap::iter);
        serializer.collect_seq(pairs.map(|(name, value)| (Text(name), Text(value))))
    }
}

/// Text, or `{"base64": "…"}` for bytes that are none.
struct Text<'a>(&'a [u8]);

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use base64::Engine as _;
        match std::str::from_utf8(self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry(
                    "base64",
                    &base64::engine::general_purpose::STANDARD.encode(self.0),
                )?;
                map.end()
            }
        }
    }
}
