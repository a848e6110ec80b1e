//! Does what its configuration says, a line for each call of a host function, and logs what the host answers.
//!
//! It is written without an SDK, so that it can ask for what no SDK would. The plugin's configuration has the callbacks and
//! what to do in them; for `on_vm_start` that is in the VM's configuration:
//!
//! ```text
//! on_request_headers /a:
//!   get request x-user
//!   add request x-plugin hello
//! on_request_body end:
//!   body request 0 100
//!   return 0
//! ```
//!
//! Behind the name of a callback may stand, in any order, a path that the request must have, `end` or `more` for the last
//! part of a body (or headers that are all) or one before, and a number: only the call of that number in a stream.
//! [`steps`] has the lines.
#![deny(unsafe_code)]

#[allow(unsafe_code, reason = "exports symbols")]
mod exports;
#[allow(unsafe_code, reason = "calls C functions")]
mod host;
mod script;
mod steps;
