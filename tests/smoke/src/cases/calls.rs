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
",
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
",
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
",
    },
    Case {
        name: "callout_to_nobody",
        code: Code::Guest("callout"),
        given: NOTHING,
        needs: Needs::Nothing,
        page: "
",
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
",
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
",
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
",
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
",
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
",
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
",
    },
    Case {
        name: "grpc_to_nobody",
        code: Code::Guest("grpc_callout"),
        given: NOTHING,
        needs: Needs::Nothing,
        page: "
",
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
",
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
",
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
",
    },
    Case {
        name: "queue_without_a_consumer",
        code: Code::Guest("queue_producer"),
        given: NOTHING,
        needs: Needs::Nothing,
        page: "
",
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
",
    },
];
