//! The stream guests as native code, with a host written by hand for them alone: what their own code takes, when nothing
//! is between it and the host but a call of a function.
//!
//! There is no protection from what a plugin does: no stack of its own, no unwinding, no check of pointers.

#[path = "../../src/arena.rs"]
mod arena;
mod host;
#[path = "../../src/messages.rs"]
mod messages;

pub use crate::messages::{BODY, REQUEST, RESPONSE};

use crate::host::STATE;

/// A plugin: what the Rust SDK calls `start`, and its name.
#[derive(Clone, Copy)]
pub struct Plugin {
    /// As in `enginebay-bench`.
    pub name: &'static str,
    /// Bytes of the request's body.
    pub body: usize,
    /// How many headers come out.
    pub headers: usize,
    start: fn(),
}

const HEADERS: usize = REQUEST.len() + RESPONSE.len();

/// The plugins there are.
pub const PLUGINS: [Plugin; 3] = [
    Plugin {
        name: "noop",
        body: 0,
        headers: HEADERS,
        start: noop::start,
    },
    Plugin {
        name: "header_filter",
        body: 0,
        headers: HEADERS + 3,
        start: header_filter::start,
    },
    Plugin {
        name: "body_rewrite",
        body: BODY.len(),
        headers: HEADERS - 1,
        start: body_rewrite::start,
    },
];

// SAFETY: the SDK defines them with these types, and they may be called with any numbers.
unsafe extern "C" {
    safe fn proxy_on_context_create(context_id: u32, root_context_id: u32);
    safe fn proxy_on_request_headers(context_id: u32, headers: usize, end: bool) -> u32;
    safe fn proxy_on_request_body(context_id: u32, size: usize, end: bool) -> u32;
    safe fn proxy_on_response_headers(context_id: u32, headers: usize, end: bool) -> u32;
    safe fn proxy_on_log(context_id: u32);
    safe fn proxy_on_done(context_id: u32) -> bool;
    safe fn proxy_on_delete(context_id: u32);
}

/// Streams through one plugin.
pub struct Streams {
    root: u32,
    next: u32,
    body: usize,
}

impl Streams {
    /// Makes the plugin the one of this thread. `root` is the number of its root context; those of streams follow it.
    pub fn new(plugin: Plugin, root: u32) -> Streams {
        (plugin.start)();
        proxy_on_context_create(root, 0);
        Streams {
            root,
            next: root + 1,
            body: plugin.body,
        }
    }

    /// One stream from beginning to end, with headers copied in. Returns how many headers came out.
    ///
    /// # Panics
    /// When the plugin does.
    pub fn run(&mut self) -> usize {
        let id = self.next;
        self.next += 1;
        STATE.with_borrow_mut(|state| state.request.fill(REQUEST));
        proxy_on_context_create(id, self.root);
        proxy_on_request_headers(id, REQUEST.len(), self.body == 0);
        if self.body > 0 {
            proxy_on_request_body(id, self.body, true);
            let after = STATE.with_borrow(|state| state.replaced.len());
            assert_eq!(after, self.body, "the plugin did its work");
        }
        STATE.with_borrow_mut(|state| state.response.fill(RESPONSE));
        proxy_on_response_headers(id, RESPONSE.len(), true);
        proxy_on_log(id);
        proxy_on_done(id);
        proxy_on_delete(id);
        STATE.with_borrow(|state| state.request.len() + state.response.len())
    }
}
