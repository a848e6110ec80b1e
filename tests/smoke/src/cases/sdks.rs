//! Exchanges with plugins of the other SDKs: Rust 0.1.4 (ABI 0.1.0), AssemblyScript (ABI 0.2.0).

use super::{Case, Code, Given, NOTHING, Needs};

/// Exchanges of plugins that other SDKs built.
pub const SDKS: &[Case] = &[
    Case {
        name: "legacy",
        code: Code::Guest("legacy"),
        given: NOTHING,
        needs: Needs::OtherSdk,
        page: "
request_headers CONTINUE
request :method: GET
request :path: /
request x-legacy: old
response_headers CONTINUE
response :status: 200
response x-legacy: old
response x-missing: none
contexts left 1",
    },
    Case {
        name: "legacy_as_configured",
        code: Code::Guest("legacy"),
        given: Given {
            config: "word",
            ..NOTHING
        },
        needs: Needs::OtherSdk,
        page: "
request_headers CONTINUE
request :method: GET
request :path: /
request x-legacy: word
response_headers CONTINUE
response :status: 200
response x-legacy: word
response x-missing: none
contexts left 1",
    },
    Case {
        name: "assemblyscript",
        code: Code::Guest("assemblyscript"),
        given: Given {
            headers: &[("x-user", "me")],
            ..NOTHING
        },
        needs: Needs::OtherSdk,
        page: "
log INFO: assemblyscript: configured
request_headers CONTINUE
request :method: GET
request :path: /
request x-user: me
request x-assembly: me
response_headers CONTINUE
response :status: 200
response x-assembly: script
response x-config:
contexts left 1",
    },
    Case {
        name: "assemblyscript_with_a_configuration",
        code: Code::Guest("assemblyscript"),
        given: Given {
            config: "a configuration",
            ..NOTHING
        },
        needs: Needs::OtherSdk,
        page: "
log INFO: assemblyscript: configured
request_headers CONTINUE
request :method: GET
request :path: /
request x-assembly: nobody
response_headers CONTINUE
response :status: 200
response x-assembly: script
response x-config:
contexts left 1",
    },
];
