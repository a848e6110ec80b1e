//! What the server knows of a request besides its messages, for plugins that ask (`proxy_get_property`).
//!
//! Everything from the configuration is put into the form that plugins read once, at the start.

mod exchange;
mod facts;
mod listener;
mod platform;
mod tree;

pub(super) use exchange::{Exchange, Outcome};
pub(super) use facts::Facts;
pub(super) use listener::ListenerAttributes;
pub(super) use platform::ServerPlatform;
pub(super) use tree::Tree;
