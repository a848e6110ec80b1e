//! The cases, one file for each section of the specification.

mod buffers;
mod callbacks;
mod callouts;
mod contexts;
mod foreign;
mod headers;
mod logging;
mod metrics;
mod properties;
mod shared;
mod start;
mod streams;
mod sweep;
mod time;
mod wasi;

use crate::case::Case;

/// Every case there is. Some are for several versions.
pub(crate) fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    cases.extend(logging::cases());
    cases.extend(contexts::cases());
    cases.extend(time::cases());
    cases.extend(buffers::cases());
    cases.extend(headers::cases());
    cases.extend(streams::cases());
    cases.extend(callouts::cases());
    cases.extend(shared::cases());
    cases.extend(metrics::cases());
    cases.extend(properties::cases());
    cases.extend(foreign::cases());
    cases.extend(callbacks::cases());
    cases.extend(wasi::cases());
    cases.extend(start::cases());
    cases
}

/// A case that works, and one for each address and size of its last call that is not in the guest's memory.
fn with_bad_pointers(good: Case) -> Vec<Case> {
    let mut cases = sweep::bad_pointers(&good);
    cases.push(good);
    cases
}

/// Headers in the form that guests pass.
fn pairs(headers: &[(&str, &str)]) -> Vec<u8> {
    let pairs = headers
        .iter()
        .map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    enginebay::abi::pairs::encode(pairs).expect("the cases' headers are short")
}
