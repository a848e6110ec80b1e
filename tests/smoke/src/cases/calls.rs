//! Exchanges with plugins that call: other services, other plugins, and functions of the host.

use super::{Case, Code, Given, NOTHING, Needs};
use crate::upstreams::Answer;

/// Exchanges of plugins that call upstreams, queues and foreign functions, and those with trailers.
pub const CALLS: &[Case] = &[
    Case {
        name: "callout_answered",
        code: Code::Guest("callout"),
        given: Given {
            upstreams: &[("callout", Answer::Http("200", "yes"))],
            ..NOTHING
        },
        needs: Needs::Nothing,
        page: "
request_headers STOP_ALL_ITERATION_AND_WATERMARK
log INFO: callout 1: 200, 3 bytes, 0 trailers
log INFO: callout 2: 200, 3 bytes, 0 trailers
request resumed
request :method: GET
request :path: /
request x-callout-1: 200
request x-callout-2: 200
response_headers CONTINUE
response :status: 200
contexts left 1",
    },
    Case {
        name: "callout_refused",
        code: Code::Guest("callout"),
        given: Given {
            upstreams: &[("callout", Answer::Http("503", ""))],
            ..NOTHING
        },
        needs: Needs::Nothing,
        page: "
request_headers STOP_ALL_ITERATION_AND_WATERMARK
log INFO: callout 1: 503, 0 bytes, 0 trailers
log INFO: callout 2: 503, 0 bytes, 0 trailers
request :method: GET
request :path: /
reply 403
reply x-callout: refused
reply body callout 1: status 503
contexts left 1",
    },
    Case {
        name: "callout_without_an_answer",
        code: Code::Guest("callout"),
        given: Given {
            upstreams: &[("callout", Answer::Nothing)],
            ..NOTHING
        },
        needs: Needs::Nothing,
        page: "
request_headers STOP_ALL_ITERATION_AND_WATERMARK
log INFO: callout 1: no status, 0 bytes, 0 trailers
log INFO: callout 2: no status, 0 bytes, 0 trailers
request :method: GET
request :path: /
reply 403
reply x-callout: refused
reply body callout 1: failed with 0 headers
contexts left 1",
    },
    Case {
        name: "callout_to_nobody",
        code: Code::Guest("callout"),
        given: NOTHING,
        needs: Needs::Nothing,
        page: "
request_headers STOP_ALL_ITERATION_AND_WATERMARK
request :method: GET
request :path: /
reply 403
reply x-callout: refused
reply body callout 1: not made: BadArgument
contexts left 1",
    },
    Case {
        name: "panic_in_http_call_response",
        code: Code::Guest("callout"),
        given: Given {
            config: r#"{"trap": true}"#,
            upstreams: &[("callout", Answer::Http("200", ""))],
            ..NOTHING
        },
        needs: Needs::Nothing,
        page: "
request_headers STOP_ALL_ITERATION_AND_WATERMARK
failed: RuntimeError
Function: proxy_on_http_call_response failed: unreachable",
    },
    Case {
        name: "grpc_call",
        code: Code::Guest("grpc_callout"),
        given: Given {
            upstreams: &[("grpc", Answer::Grpc(0, ""))],
            ..NOTHING
        },
        needs: Needs::Nothing,
        page: "
request_headers STOP_ALL_ITERATION_AND_WATERMARK
log INFO: grpc_callout: call: status 0, 7 bytes
request resumed
request :method: GET
request :path: /
request x-grpc-status: 0
request x-grpc-messages: 1
request x-grpc-message-bytes: 7
response_headers CONTINUE
response :status: 200
contexts left 1",
    },
    Case {
        name: "grpc_call_that_fails",
        code: Code::Guest("grpc_callout"),
        given: Given {
            upstreams: &[("grpc", Answer::Grpc(7, "not you"))],
            ..NOTHING
        },
        needs: Needs::Nothing,
        page: "
request_headers STOP_ALL_ITERATION_AND_WATERMARK
log INFO: grpc_callout: call: status 7, 0 bytes
request resumed
request :method: GET
request :path: /
request x-grpc-status: 7
request x-grpc-messages: 0
request x-grpc-message-bytes: 0
request x-grpc-status-message: not you
response_headers CONTINUE
response :status: 200
contexts left 1",
    },
    Case {
        name: "grpc_stream",
        code: Code::Guest("grpc_callout"),
        given: Given {
            headers: &[("x-grpc", "stream")],
            upstreams: &[("grpc", Answer::Grpc(0, ""))],
            ..NOTHING
        },
        needs: Needs::Nothing,
        page: "
request_headers STOP_ALL_ITERATION_AND_WATERMARK
log INFO: grpc_callout: initial metadata: 1
log INFO: grpc_callout: x-to: you
log INFO: grpc_callout: message: 7 bytes
log INFO: grpc_callout: message: 7 bytes
log INFO: grpc_callout: stream closed: status 0
request resumed
request :method: GET
request :path: /
request x-grpc: stream
request x-grpc-status: 0
request x-grpc-messages: 2
request x-grpc-message-bytes: 14
response_headers CONTINUE
response :status: 200
contexts left 1",
    },
    Case {
        name: "grpc_stream_closed_by_the_plugin",
        code: Code::Guest("grpc_callout"),
        given: Given {
            headers: &[("x-grpc", "close")],
            upstreams: &[("grpc", Answer::Grpc(2, "late"))],
            ..NOTHING
        },
        needs: Needs::Nothing,
        page: "
request_headers STOP_ALL_ITERATION_AND_WATERMARK
log INFO: grpc_callout: initial metadata: 1
log INFO: grpc_callout: x-to: you
log INFO: grpc_callout: message: 7 bytes
log INFO: grpc_callout: message: 7 bytes
log INFO: grpc_callout: stream closed: status 2
request resumed
request :method: GET
request :path: /
request x-grpc: close
request x-grpc-status: 2
request x-grpc-messages: 2
request x-grpc-message-bytes: 14
request x-grpc-status-message: late
response_headers CONTINUE
response :status: 200
contexts left 1",
    },
    Case {
        name: "grpc_cancelled",
        code: Code::Guest("grpc_callout"),
        given: Given {
            headers: &[("x-grpc", "cancel")],
            upstreams: &[("grpc", Answer::Grpc(0, ""))],
            ..NOTHING
        },
        needs: Needs::Nothing,
        page: "
request_headers CONTINUE
request :method: GET
request :path: /
request x-grpc: cancel
request x-grpc-cancel: Ok(())
response_headers CONTINUE
response :status: 200
contexts left 1",
    },
    Case {
        name: "grpc_to_nobody",
        code: Code::Guest("grpc_callout"),
        given: NOTHING,
        needs: Needs::Nothing,
        page: "
request_headers CONTINUE
request :method: GET
request :path: /
request x-grpc-error: ParseFailure
response_headers CONTINUE
response :status: 200
contexts left 1",
    },
    Case {
        name: "foreign_functions",
        code: Code::Guest("foreign"),
        given: Given {
            headers: &[("x-foreign", "roundtrip"), ("x-data", "there and back")],
            ..NOTHING
        },
        needs: Needs::Nothing,
        page: "
request_headers STOP_ALL_ITERATION_AND_WATERMARK
request :method: GET
request :path: /
request x-foreign: roundtrip
request x-data: there and back
reply 200
reply x-result: text
reply x-compressed-bytes: 22
reply body there and back
contexts left 1",
    },
    Case {
        name: "foreign_function_of_no_name",
        code: Code::Guest("foreign"),
        given: Given {
            headers: &[("x-foreign", "nope")],
            ..NOTHING
        },
        needs: Needs::Nothing,
        page: "
request_headers STOP_ALL_ITERATION_AND_WATERMARK
request :method: GET
request :path: /
request x-foreign: nope
reply 500
reply body nope: NotFound
contexts left 1",
    },
    Case {
        name: "trailers",
        code: Code::Guest("trailers"),
        given: Given {
            body: "one",
            trailers: &[("x-a", "1"), ("x-remove", "2"), ("x-replace", "3")],
            response_trailers: &[("x-b", "1")],
            ..NOTHING
        },
        needs: Needs::Nothing,
        page: "
request_headers CONTINUE
request_body CONTINUE
log INFO: request trailer: x-a: 1
log INFO: request trailer: x-remove: 2
log INFO: request trailer: x-replace: 3
request_trailers CONTINUE
request :method: GET
request :path: /
request body one
request trailer x-a: 1
request trailer x-replace: replaced
request trailer x-trailers: 3
response_headers CONTINUE
log INFO: response trailer: x-b: 1
response_trailers CONTINUE
response :status: 200
response trailer x-b: 1
response trailer x-trailers: 1
contexts left 1",
    },
    Case {
        name: "queue_without_a_consumer",
        code: Code::Guest("queue_producer"),
        given: NOTHING,
        needs: Needs::Nothing,
        page: "
request_headers CONTINUE
request :method: GET
request :path: /
response_headers CONTINUE
response :status: 200
response x-queued: no queue
contexts left 1",
    },
    Case {
        name: "queue",
        code: Code::Guest("queue_producer"),
        given: Given {
            consumer: Some(Code::Guest("queue_consumer")),
            ..NOTHING
        },
        needs: Needs::Nothing,
        page: "
request_headers CONTINUE
request :method: GET
request :path: /
response_headers CONTINUE
response :status: 200
response x-queued: yes
contexts left 1
log INFO: queue_consumer: /",
    },
];
