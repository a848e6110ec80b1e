//! Callbacks that do nothing.

/// Parameters and results of a callback, all of 32 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One parameter.
    One,
    /// One parameter, and a result.
    OneResult,
    /// Two parameters, and a result.
    TwoResult,
    /// Two parameters.
    Two,
    /// Three parameters, and a result.
    ThreeResult,
    /// Three parameters.
    Three,
}

impl Shape {
    /// The callback of this shape that bare engines call.
    pub(crate) fn export(self) -> &'static str {
        match self {
            Shape::One => "proxy_on_log",
            Shape::OneResult => "proxy_on_new_connection",
            Shape::TwoResult => "proxy_on_response_trailers",
            Shape::Two => "proxy_on_downstream_connection_close",
            Shape::ThreeResult => "proxy_on_request_headers",
            Shape::Three => "proxy_on_foreign_function",
        }
    }

    /// How a function of it begins in WebAssembly text.
    pub(crate) fn text(self) -> (&'static str, &'static str) {
        match self {
            Shape::One => ("(param i32)", ""),
            Shape::OneResult => ("(param i32) (result i32)", "i32.const 0"),
            Shape::Two => ("(param i32 i32)", ""),
            Shape::TwoResult => ("(param i32 i32) (result i32)", "i32.const 0"),
            Shape::Three => ("(param i32 i32 i32)", ""),
            Shape::ThreeResult => ("(param i32 i32 i32) (result i32)", "i32.const 0"),
        }
    }
}

/// A callback.
#[derive(Clone, Copy, Debug)]
pub struct Callback {
    /// Its export.
    pub name: &'static str,
    /// Its type.
    pub shape: Shape,
}

macro_rules! callbacks {
    ($($name:literal $shape:ident)*) => {
        /// Those that are priced: that need no call under way.
        pub const CALLBACKS: &[Callback] = &[$(Callback { name: $name, shape: Shape::$shape }),*];
    };
}

callbacks! {
    "proxy_on_request_headers" ThreeResult
    "proxy_on_request_body" ThreeResult
    "proxy_on_request_metadata" TwoResult
    "proxy_on_response_headers" ThreeResult
    "proxy_on_response_body" ThreeResult
    "proxy_on_response_trailers" TwoResult
    "proxy_on_response_metadata" TwoResult
    "proxy_on_log" One
    "proxy_on_tick" One
    "proxy_on_foreign_function" Three
    "proxy_on_new_connection" OneResult
    "proxy_on_downstream_data" ThreeResult
    "proxy_on_upstream_data" ThreeResult
    "proxy_on_downstream_connection_close" Two
    "proxy_on_upstream_connection_close" Two
}
