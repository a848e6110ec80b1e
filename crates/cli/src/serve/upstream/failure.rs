//! Why there is no response of an upstream, in Envoy's words.

use http::{Response, StatusCode};

use crate::serve::reply::{self, ReplyBody};

/// Why an upstream did not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::serve) enum Failure {
    NoHost,
    Overflow,
    Connect,
    ConnectTimeout,
    /// The connection ended before the response's head.
    Terminated,
    /// What came is not HTTP.
    Protocol,
    /// The route's timeout.
    Timeout,
}

impl Failure {
    /// The response that the filters and the client see.
    pub(in crate::serve) fn response(self, head: bool) -> Response<ReplyBody> {
        macro_rules! reset {
            ($reason:literal) => {
                concat!(
                    "upstream connect error or disconnect/reset before headers. reset reason: ",
                    $reason
                )
            };
        }
        let (status, text) = match self {
            Failure::NoHost => (StatusCode::SERVICE_UNAVAILABLE, "no healthy upstream"),
            Failure::Overflow => (StatusCode::SERVICE_UNAVAILABLE, reset!("overflow")),
            Failure::Connect => (
                StatusCode::SERVICE_UNAVAILABLE,
                reset!("remote connection failure"),
            ),
            Failure::ConnectTimeout => (StatusCode::SERVICE_UNAVAILABLE, reset!("connection timeout")),
            Failure::Terminated => (StatusCode::SERVICE_UNAVAILABLE, reset!("connection termination")),
            Failure::Protocol => (StatusCode::BAD_GATEWAY, reset!("protocol error")),
            Failure::Timeout => (StatusCode::GATEWAY_TIMEOUT, "upstream request timeout"),
        };
        reply::fixed(status, text, head)
    }
}
