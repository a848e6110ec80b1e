//! The cases that are data, with guests of their own.

use std::rc::Rc;

use super::Check;
use crate::group::{Group, Guest};
use crate::host::Host;

/// One check for each case of each group.
pub(super) fn checks(host: &dyn Host) -> Vec<Check<'_>> {
    crate::groups()
        .into_iter()
        .flat_map(|group| {
            let group = Rc::new((group, Guest::default()));
            (0..group.0.cases().len()).map(move |number| check(host, &group, number))
        })
        .collect()
}

fn check<'h>(host: &'h dyn Host, group: &Rc<(Group, Guest)>, number: usize) -> Check<'h> {
    let name = format!("{}/{}", group.0.name(), group.0.cases()[number].name);
    let group = group.clone();
    Check::new(name, move || group.0.run(host, &group.1, number)).lacking(lacks(host))
}

fn lacks(host: &dyn Host) -> Option<&'static str> {
    let native = host
        .runtime()
        .is_some_and(|runtime| !runtime.capabilities.sandbox);
    native.then_some("the guests are WebAssembly")
}
