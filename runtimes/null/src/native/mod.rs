//! Plugins that are Rust types: no SDK and no C.
//!
//! ```
//! use enginebay_runtime_null::native::{Action, HostCalls, Map, NativePlugin};
//!
//! #[derive(Default)]
//! struct Hello;
//!
//! impl NativePlugin for Hello {
//!     fn on_request_headers(&mut self, host: &HostCalls<'_>, _: u32, _: usize, _: bool) -> Action {
//!         // A plugin must not give up because its host does not do as it likes.
//!         let _ = host.add_header(Map::RequestHeaders, b"x-hello", b"world");
//!         Action::Continue
//!     }
//! }
//!
//! enginebay_runtime_null::native_plugin!("hello", Hello::default);
//! ```
//!
//! One value of the type is made for each VM and told of all the contexts in it by their numbers. A panic in a method is
//! a trap: the VM fails, and the value is dropped with it.

mod allocations;
mod encoding;
mod host_calls;
#[allow(unsafe_code, reason = "lets the host write results")]
mod out;
mod plugin;
mod thunks;
mod values;

pub(crate) use allocations::Allocations;
pub use host_calls::HostCalls;
pub use plugin::NativePlugin;
pub(crate) use thunks::{NativeThunk, has, thunk};
pub use values::{Action, Buffer, LogLevel, Map, MetricKind, Status, Stream};

/// A [`NullPlugin`](crate::NullPlugin) of a type that implements [`NativePlugin`], for [`register`](crate::register):
/// `native!("name", MyPlugin::new)`. The second part is a function or a closure without captures that makes a value;
/// it is called for each VM.
#[macro_export]
macro_rules! native {
    ($name:expr, $make:expr $(,)?) => {
        $crate::NullPlugin::native($name, || ::std::boxed::Box::new(($make)()))
    };
}

/// Registers a type that implements [`NativePlugin`] under a name: `native_plugin!("name", MyPlugin::new);`
#[macro_export]
macro_rules! native_plugin {
    ($name:expr, $make:expr $(,)?) => {
        $crate::submit! { $crate::native!($name, $make) }
    };
}
