//! WAMR's C interface, made safe. All of the crate's `unsafe` is in here.
#![allow(unsafe_code)]

mod guest;
mod instance;
mod module;
mod process;

pub(crate) use guest::{Access, Owner};
pub(crate) use instance::{Interrupter, RawInstance};
pub(crate) use module::{Import, RawModule};
pub(crate) use process::initialise;
#[cfg(test)]
pub(crate) use process::version;

/// Room for WAMR's words about an error.
const MESSAGE_BYTES: usize = 256;

/// The words in a buffer that WAMR filled, without what it puts in front of them.
fn message(buffer: &[u8; MESSAGE_BYTES], prefix: &str) -> String {
    let bytes = buffer.split(|byte| *byte == 0).next().unwrap_or_default();
    let message = String::from_utf8_lossy(bytes);
    message.strip_prefix(prefix).unwrap_or(&message).to_owned()
}
