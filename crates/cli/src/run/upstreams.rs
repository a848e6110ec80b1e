//! `--upstream`: what stands in for the services that a plugin calls.

use bytes::Bytes;
use enginebay::abi::GrpcStatus;
use enginebay::host::HttpCallResponse;
use enginebay::{Body, HeaderMap};

use super::outcome::{CalloutKind, Came};

/// The text of Envoy's own answer when an upstream takes too long.
const TIMEOUT: &str = "upstream request timeout";

/// A service by its name, and what it answers to everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Upstream {
    pub(super) name: String,
    pub(super) answer: Answer,
}

/// What an upstream answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Http {
        status: u16,
        body: Bytes,
    },
    /// A message with status 0, else what the status says.
    Grpc {
        status: u32,
        body: Bytes,
    },
    Timeout,
    Error,
}

/// How a gRPC call or stream ends.
pub(super) struct GrpcEnd {
    pub(super) status: u32,
    /// What comes before a status of 0, if anything does.
    pub(super) message: Bytes,
    /// What goes with another one.
    pub(super) details: Bytes,
}

/// Reads `NAME=STATUS[:BODY]` and its like.
pub(super) fn upstream(text: &str) -> Result<Upstream, String> {
    const HELP: &str = "an upstream is written as NAME=STATUS, NAME=STATUS:BODY, NAME=grpc:STATUS, NAME=timeout or \
                        NAME=error";
    let (name, answer) = text.split_once('=').ok_or(HELP)?;
    if name.is_empty() {
        return Err(HELP.to_owned());
    }
    let answer = match answer {
        "timeout" => Answer::Timeout,
        "error" => Answer::Error,
        _ => match answer.strip_prefix("grpc:") {
            Some(answer) => grpc(answer)?,
            None => http(answer).ok_or(HELP)?,
        },
    };
    Ok(Upstream {
        name: name.to_owned(),
        answer,
    })
}

fn http(text: &str) -> Option<Answer> {
    let (status, body) = text.split_once(':').unwrap_or((text, ""));
    let status = status
        .parse()
        .ok()
        .filter(|status| (100..1000).contains(status))?;
    Some(Answer::Http {
        status,
        body: Bytes::copy_from_slice(body.as_bytes()),
    })
}

fn grpc(text: &str) -> Result<Answer, String> {
    let (status, body) = text.split_once(':').unwrap_or((text, ""));
    let status = status
        .parse()
        .map_err(|_| "a gRPC status is a number, 0 for OK")?;
    let body = match status {
        0 => unhex(body).ok_or("the message after grpc:0: is written in hexadecimal digits")?,
        _ => body.as_bytes().to_vec(),
    };
    Ok(Answer::Grpc {
        status,
        body: body.into(),
    })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect();
    let digits = digits?;
    let pairs = digits.chunks_exact(2);
    let whole = pairs.remainder().is_empty();
    whole.then(|| pairs.map(|pair| pair[0] << 4 | pair[1]).collect())
}

impl Answer {
    /// How it is shown as what came of a callout.
    pub(super) fn comes(&self, kind: CalloutKind) -> Came {
        match (self, kind) {
            (Answer::Timeout, _) => Came::Timeout,
            (Answer::Error, _) => Came::Error,
            (Answer::Http { status, body }, CalloutKind::Http) => {
                Came::Answer(u32::from(*status), body.len())
            }
            (Answer::Grpc { .. }, CalloutKind::Http) => Came::Answer(200, 0),
            (_, CalloutKind::GrpcCall | CalloutKind::GrpcStream) => {
                let end = self.grpc();
                Came::Answer(end.status, end.message.len())
            }
        }
    }

    /// What a plugin that called by HTTP is told.
    pub(super) fn http(&self) -> Option<HttpCallResponse> {
        let (status, bytes) = match self {
            Answer::Http { status, body } => (*status, body.clone()),
            Answer::Grpc { .. } => (200, Bytes::new()),
            Answer::Timeout => (504, Bytes::from_static(TIMEOUT.as_bytes())),
            Answer::Error => return None,
        };
        let mut headers = HeaderMap::new();
        headers.push_valid(":status", status.to_string());
        if let Answer::Grpc { status, .. } = self {
            // As a gRPC server answers without a message.
            headers.push_valid("content-type", "application/grpc");
            headers.push_valid("grpc-status", status.to_string());
        }
        let mut body = Body::new();
        body.push(bytes);
        Some(HttpCallResponse {
            headers,
            body,
            trailers: HeaderMap::new(),
        })
    }

    /// What a plugin that called by gRPC is told.
    pub(super) fn grpc(&self) -> GrpcEnd {
        let unavailable = GrpcStatus::Unavailable.as_u32();
        let (status, body) = match self {
            Answer::Grpc { status, body } => (*status, body.clone()),
            // An answer that is given as 200 is meant as success.
            Answer::Http { status: 200, body } => (GrpcStatus::Ok.as_u32(), body.clone()),
            Answer::Http { status, body } => (GrpcStatus::from_http((*status).into()).as_u32(), body.clone()),
            Answer::Timeout => (unavailable, Bytes::from_static(TIMEOUT.as_bytes())),
            Answer::Error => (unavailable, Bytes::from_static(b"no response")),
        };
        let (message, details) = match status {
            0 => (body, Bytes::new()),
            _ => (Bytes::new(), body),
        };
        GrpcEnd {
            status,
            message,
            details,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &str) -> Option<Answer> {
        upstream(&format!("a={text}"))
            .ok()
            .map(|upstream| upstream.answer)
    }

    #[test]
    fn answers() {
        let http = |status, body: &'static str| {
            let body = Bytes::from_static(body.as_bytes());
            Some(Answer::Http { status, body })
        };
        assert_eq!(answer("200"), http(200, ""));
        assert_eq!(answer("403:a:b=c"), http(403, "a:b=c"));
        let grpc = |status, body: &'static [u8]| {
            let body = Bytes::from_static(body);
            Some(Answer::Grpc { status, body })
        };
        assert_eq!(answer("grpc:0:0a01"), grpc(0, &[10, 1]));
        assert_eq!(answer("grpc:7:not you"), grpc(7, b"not you"));
        assert_eq!(answer("timeout"), Some(Answer::Timeout));
        assert_eq!(answer("error"), Some(Answer::Error));
        for wrong in [
            "",
            "x",
            "99",
            "1000",
            "-1",
            "grpc:",
            "grpc:x",
            "grpc:0:0",
            "grpc:0:é",
        ] {
            assert_eq!(answer(wrong), None, "{wrong}");
        }
        assert!(upstream("=200").is_err());
        assert!(upstream("a").is_err());
    }

    #[test]
    fn answers_are_shown_as_the_plugin_gets_them() {
        let comes = |text, kind| answer(text).map(|answer| answer.comes(kind));
        let cases = [
            ("403:no", CalloutKind::Http, Came::Answer(403, 2)),
            ("grpc:0:0a01", CalloutKind::Http, Came::Answer(200, 0)),
            ("grpc:0:0a01", CalloutKind::GrpcCall, Came::Answer(0, 2)),
            ("grpc:7:no", CalloutKind::GrpcStream, Came::Answer(7, 0)),
            ("403:no", CalloutKind::GrpcCall, Came::Answer(7, 0)),
            ("timeout", CalloutKind::Http, Came::Timeout),
            ("error", CalloutKind::GrpcCall, Came::Error),
        ];
        for (text, kind, expected) in cases {
            assert_eq!(comes(text, kind), Some(expected), "{text}");
        }
        assert_eq!(
            answer("timeout")
                .and_then(|answer| answer.http())
                .map(|r| r.body.len()),
            Some(TIMEOUT.len())
        );
    }

    #[test]
    fn http_answers_are_mapped_for_grpc() {
        let status = |text| answer(text).map(|answer| answer.grpc().status);
        let given = ["200", "403", "503", "204", "timeout", "error", "grpc:5"];
        assert_eq!(given.map(status), [0, 7, 14, 2, 14, 14, 5].map(Some));
    }
}
