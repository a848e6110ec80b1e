//! The tables.

mod calls;
mod sdks;

use enginebay::engine::{Engine, Runtime};
use libtest_mimic::Failed;

pub use calls::CALLS;
pub use sdks::SDKS;

use crate::upstreams::Named;

/// One exchange, and the page it must give.
pub struct Case {
    /// The last part of the trial's name.
    pub name: &'static str,
    /// The plugin.
    pub code: Code,
    /// What it is given.
    pub given: Given,
    /// What the runtime must be able to do.
    pub needs: Needs,
    /// What must be shown; lines at the beginning and the end don't count if they are empty.
    pub page: &'static str,
}

/// Where a plugin's code comes from.
pub enum Code {
    /// A guest in `tests/guests`: the committed module, or the source compiled natively.
    Guest(&'static str),
    /// A module written as text.
    Text(&'static str),
}

/// What a plugin is given.
pub struct Given {
    /// The plugin's configuration.
    pub config: &'static str,
    /// The VM's configuration.
    pub vm_config: &'static str,
    /// Headers of the request, besides `:method` and `:path`.
    pub headers: &'static [(&'static str, &'static str)],
    /// The request's body.
    pub body: &'static str,
    /// The request's trailers.
    pub trailers: &'static [(&'static str, &'static str)],
    /// The response's body.
    pub response_body: &'static str,
    /// The response's trailers.
    pub response_trailers: &'static [(&'static str, &'static str)],
    /// The upstreams that the plugin can call.
    pub upstreams: Named,
    /// A guest that runs before and beside the plugin in a VM whose id is `consumer`, and is told of its queues at the end.
    pub consumer: Option<Code>,
    /// The embedder panics when the plugin asks for a header map.
    pub host_panics: bool,
}

/// What a runtime must be able to do for a case to be about it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// To run plugins.
    Nothing,
    /// To keep guests apart from the host: to limit them, or run modules.
    Sandbox,
    /// To stop them after 300 ms.
    TimeLimit,
    /// To run a guest of an SDK that can't be compiled natively beside the others.
    OtherSdk,
}

impl Case {
    /// Why a case can't be run on this runtime, if it can't.
    pub fn lacks(&self, runtime: &Runtime) -> Option<&'static str> {
        match self.needs {
            _ if runtime.capabilities.sandbox => None,
            Needs::Nothing => None,
            Needs::Sandbox | Needs::TimeLimit => Some("native plugins have no limits"),
            Needs::OtherSdk => Some("its SDK is not built natively"),
        }
    }
}

impl Code {
    /// What the engine is to load.
    ///
    /// # Errors
    /// A guest's file that can't be read, or text that is no module.
    pub fn read(&self, engine: &dyn Engine) -> Result<Vec<u8>, Failed> {
        match self {
            Code::Guest(name) if engine.native() => Ok(name.as_bytes().to_vec()),
            Code::Guest(name) => {
                let path = format!("{}/../guests/wasm/{name}.wasm", env!("CARGO_MANIFEST_DIR"));
                Ok(std::fs::read(&path).map_err(|error| format!("{path}: {error}"))?)
            }
            Code::Text(text) => Ok(wat::parse_str(text)?),
        }
    }
}

const NOTHING: Given = Given {
    config: "",
    vm_config: "",
    headers: &[],
    body: "",
    trailers: &[],
    response_body: "",
    response_trailers: &[],
    upstreams: &[],
    consumer: None,
    host_panics: false,
};

/// Exchanges that need nothing but the plugin.
pub const CASES: &[Case] = &[
    Case {
        name: "noop",
        code: Code::Guest("noop"),
        given: NOTHING,
        needs: Needs::Nothing,
        page: "
request_headers CONTINUE
request :method: GET
request :path: /
response_headers CONTINUE
response :status: 200
contexts left 1",
    },
    Case {
        name: "add_header",
        code: Code::Guest("add_header"),
        given: Given {
            headers: &[("x-user", "a")],
            ..NOTHING
        },
        needs: Needs::Nothing,
        page: "
log INFO: add_header: configured, request headers: 1, response headers: 1
request_headers CONTINUE
request :method: GET
request :path: /
request x-user: a
request x-enginebay: hello
response_headers CONTINUE
response :status: 200
response x-enginebay: hello
contexts left 1",
    },
    Case {
        name: "add_header_as_configured",
        code: Code::Guest("add_header"),
        given: Given {
            config: r#"{"request": {"x-one": "1", "x-two": "2"}, "response": {}}"#,
            ..NOTHING
        },
        needs: Needs::Nothing,
        page: "
log INFO: add_header: configured, request headers: 2, response headers: 0
request_headers CONTINUE
request :method: GET
request :path: /
request x-one: 1
request x-two: 2
response_headers CONTINUE
response :status: 200
contexts left 1",
    },
    Case {
        name: "add_header_with_a_bad_configuration",
        code: Code::Guest("add_header"),
        given: Given {
            config: "{",
            ..NOTHING
        },
        needs: Needs::Nothing,
        page: r#"
log ERROR: add_header: bad configuration: not JSON like {"request": {NAME: VALUE}, "response": {NAME: VALUE}}
failed: ConfigureFailed
Failed to configure base Wasm plugin: proxy_on_configure returned false"#,
    },
    Case {
        name: "auth_answers",
        code: Code::Guest("auth"),
        given: NOTHING,
        needs: Needs::Nothing,
        page: "
request_headers STOP_ALL_ITERATION_AND_WATERMARK
request :method: GET
request :path: /
reply 403
reply x-auth: denied
reply body forbidden
contexts left 1",
    },
    Case {
        name: "auth_lets_pass",
        code: Code::Guest("auth"),
        given: Given {
            config: "sesame",
            headers: &[("x-token", "sesame")],
            ..NOTHING
        },
        needs: Needs::Nothing,
        page: "
request_headers CONTINUE
request :method: GET
request :path: /
request x-token: sesame
response_headers CONTINUE
response :status: 200
contexts left 1",
    },
    Case {
        name: "body_rewrite",
        code: Code::Guest("body_rewrite"),
        given: Given {
            body: "one two",
            response_body: "three",
            ..NOTHING
        },
        needs: Needs::Nothing,
        page: "
request_headers CONTINUE
request_body CONTINUE
request :method: GET
request :path: /
request body ONE TWO
response_headers CONTINUE
response_body CONTINUE
response :status: 200
response body rewritten: three
contexts left 1",
    },
    Case {
        name: "header_filter",
        code: Code::Guest("header_filter"),
        given: Given {
            headers: &[("user-agent", "test")],
            ..NOTHING
        },
        needs: Needs::Nothing,
        page: "
request_headers CONTINUE
request :method: GET
request :path: /
request user-agent: test
request x-client: browser
request x-headers: few
response_headers CONTINUE
response :status: 200
response x-filtered: yes
contexts left 1",
    },
    Case {
        name: "headers_dump",
        code: Code::Guest("headers_dump"),
        given: Given {
            headers: &[("x-a", "1"), ("x-a", "2")],
            ..NOTHING
        },
        needs: Needs::Nothing,
        page: "
log INFO: request header: :method: GET
log INFO: request header: :path: /
log INFO: request header: x-a: 1
log INFO: request header: x-a: 2
request_headers CONTINUE
request :method: GET
request :path: /
request x-a: 1
request x-a: 2
log INFO: response header: :status: 200
response_headers CONTINUE
response :status: 200
contexts left 1",
    },
    Case {
        name: "access_log",
        code: Code::Guest("access_log"),
        given: NOTHING,
        needs: Needs::Nothing,
        page: "
request_headers CONTINUE
request :method: GET
request :path: /
response_headers CONTINUE
response :status: 200
log INFO: access_log: - - 200 -
contexts left 1",
    },
    Case {
        name: "metrics",
        code: Code::Guest("metrics"),
        given: NOTHING,
        needs: Needs::Nothing,
        page: "
request_headers CONTINUE
request :method: GET
request :path: /
response_headers CONTINUE
response :status: 200
response x-requests: 1
response x-active: 1
contexts left 1",
    },
    Case {
        name: "properties",
        code: Code::Guest("properties"),
        given: Given {
            config: "a.b=c\na.b\nbytes=\u{1}\nbytes\n/a/b\nno.such",
            ..NOTHING
        },
        needs: Needs::Nothing,
        page: "
request_headers CONTINUE
request :method: GET
request :path: /
response_headers CONTINUE
response :status: 200
response x-property: a.b=c
response x-property: bytes=0x01
response x-property: /a/b=c
response x-property: no.such none
contexts left 1",
    },
    Case {
        name: "shared",
        code: Code::Guest("shared"),
        given: NOTHING,
        needs: Needs::Nothing,
        page: "
request_headers CONTINUE
request :method: GET
request :path: /
response_headers CONTINUE
response :status: 200
response x-shared-count: 1
response x-shared-retries: 0
contexts left 1",
    },
    Case {
        name: "ticker",
        code: Code::Guest("ticker"),
        given: Given {
            config: "20 5",
            ..NOTHING
        },
        needs: Needs::Nothing,
        page: "
request_headers CONTINUE
request :method: GET
request :path: /
response_headers CONTINUE
response :status: 200
response x-ticks: 0
contexts left 1",
    },
    Case {
        name: "crash_in_vm_start",
        code: Code::Guest("crash"),
        given: Given {
            vm_config: "vm_start",
            ..NOTHING
        },
        needs: Needs::Nothing,
        page: "
failed: StartFailed
Failed to start base Wasm: proxy_on_vm_start returned false",
    },
    Case {
        name: "panic_in_configure",
        code: Code::Guest("crash"),
        given: Given {
            config: "panic_configure",
            ..NOTHING
        },
        needs: Needs::Nothing,
        page: "
failed: ConfigureFailed
Function: proxy_on_configure failed: unreachable",
    },
    Case {
        name: "panic_in_request_headers",
        code: Code::Guest("crash"),
        given: Given {
            headers: &[("x-crash", "request_headers")],
            ..NOTHING
        },
        needs: Needs::Nothing,
        page: "
log INFO: crash: asked for request_headers
failed: RuntimeError
Function: proxy_on_request_headers failed: unreachable",
    },
    Case {
        name: "panic_in_response_body",
        code: Code::Guest("crash"),
        given: Given {
            headers: &[("x-crash", "response_body")],
            response_body: "x",
            ..NOTHING
        },
        needs: Needs::Nothing,
        page: "
log INFO: crash: asked for response_body
request_headers CONTINUE
request :method: GET
request :path: /
request x-crash: response_body
response_headers CONTINUE
failed: RuntimeError
Function: proxy_on_response_body failed: unreachable",
    },
    Case {
        name: "panic_in_log",
        code: Code::Guest("crash"),
        given: Given {
            headers: &[("x-crash", "log")],
            ..NOTHING
        },
        needs: Needs::Nothing,
        page: "
log INFO: crash: asked for log
request_headers CONTINUE
request :method: GET
request :path: /
request x-crash: log
response_headers CONTINUE
response :status: 200
failed: RuntimeError
Function: proxy_on_log failed: unreachable",
    },
    Case {
        name: "panic_in_the_host",
        code: Code::Guest("add_header"),
        given: Given {
            host_panics: true,
            ..NOTHING
        },
        needs: Needs::Nothing,
        page: "
log INFO: add_header: configured, request headers: 1, response headers: 1
failed: RuntimeError
Function: proxy_on_request_headers failed: host error: a host function panicked: told to panic",
    },
    Case {
        name: "spin",
        code: Code::Guest("spin"),
        given: Given {
            headers: &[("x-spin", "1")],
            ..NOTHING
        },
        needs: Needs::TimeLimit,
        page: "
log INFO: spin: looping in request_headers
failed: RuntimeError
Function: proxy_on_request_headers failed: time limit reached: the call took longer than 300ms",
    },
    Case {
        name: "hog_grows_to_the_limit",
        code: Code::Guest("hog"),
        given: Given {
            headers: &[("x-hog", "grow")],
            ..NOTHING
        },
        needs: Needs::Sandbox,
        page: "
log INFO: hog: got 126 MiB
request_headers CONTINUE
request :method: GET
request :path: /
request x-hog: grow
request x-hog-mib: 126
response_headers CONTINUE
response :status: 200
response x-hog-mib: 126
contexts left 1",
    },
    Case {
        name: "stack_overflow",
        code: Code::Text(
            r#"(module (memory (export "memory") 1)
                (func (export "proxy_abi_version_0_2_1"))
                (func (export "malloc") (param i32) (result i32) (i32.const 0))
                (func $deeper (param i32) (result i32)
                    (i32.add (call $deeper (i32.add (local.get 0) (i32.const 1))) (i32.const 1)))
                (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
                    (call $deeper (i32.const 0))))"#,
        ),
        given: NOTHING,
        needs: Needs::Sandbox,
        page: "
failed: RuntimeError
Function: proxy_on_request_headers failed: stack overflow",
    },
    Case {
        name: "missing_import",
        code: Code::Text(
            r#"(module (import "env" "proxy_nope" (func)) (memory (export "memory") 1)
                (func (export "proxy_abi_version_0_2_1"))
                (func (export "malloc") (param i32) (result i32) (i32.const 0)))"#,
        ),
        given: NOTHING,
        needs: Needs::Sandbox,
        page: "
failed: UnableToInitializeCode
Failed to load Wasm module due to a missing import: env.proxy_nope",
    },
];
