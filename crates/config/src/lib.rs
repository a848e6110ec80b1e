//! Envoy's `extensions.wasm.v3` configuration and the bootstrap around it, as messages and as validated Rust types.
//!
//! Two steps lead from a file to something a server can run:
//!
//! 1. [`read_bootstrap`] and [`read_plugin_config`] read YAML or JSON into the messages of [`proto`], by the proto3 JSON
//!    rules. A field that is not known is an error that names its path.
//! 2. [`model::Bootstrap::from_message`] and [`model::Plugin::from_message`] check what the messages say and turn them
//!    into the plain types of [`model`].
//!
//! [`load_bootstrap`] and [`load_plugin`] do both. All of them report every problem they find, not only the first.
//!
//! The messages are those of Envoy, with its packages, names and numbers, so what is read here can be sent to Envoy and
//! the other way round; but only the fields that mean something here, and some that commonly stand in a configuration and
//! change nothing. Those say "Accepted, no effect".
//!
//! ```
//! use enginebay_config::{Process, load_plugin, model::Code};
//!
//! let text = r#"
//! name: greeter
//! vm_config:
//!   runtime: envoy.wasm.runtime.wasmtime
//!   code: {local: {filename: greeter.wasm}}
//! configuration:
//!   "@type": type.googleapis.com/google.protobuf.StringValue
//!   value: hello
//! "#;
//! let plugin = load_plugin(text, "plugin.yaml", &Process)?;
//! assert_eq!(plugin.vm.code, Code::LocalFile("greeter.wasm".into()));
//! assert_eq!(plugin.configuration, b"hello");
//!
//! let error = load_plugin("vm_config: {runtimee: x}", "plugin.yaml", &Process).unwrap_err();
//! assert_eq!(
//!     error.to_string(),
//!     "plugin.yaml: vm_config.runtimee: unknown field; did you mean `runtime`? (line 1)"
//! );
//! # Ok::<(), enginebay_config::ConfigError>(())
//! ```
#![forbid(unsafe_code)]

mod descriptors;
mod dump;
mod error;
mod json;
pub mod model;
mod node;
mod outside;
mod path;
mod plugin_bytes;
mod read;
mod route_match;
mod suggest;
mod validate;
mod walk;
mod well_known;
mod yaml;

pub use descriptors::DESCRIPTORS;
pub use dump::redacted_json;
pub use error::{ConfigError, Position, Problem};
pub use outside::{Outside, Process, Runtimes};
pub use read::{load_bootstrap, load_plugin, read_bootstrap, read_discovery_response, read_plugin_config};

/// The messages, in modules named after their packages.
pub mod proto {
    // Generated, with the comments of the `.proto` files; their types and modules have none to give.
    #![allow(missing_docs, unreachable_pub, clippy::all)]

    include!(concat!(env!("OUT_DIR"), "/messages.rs"));
}
