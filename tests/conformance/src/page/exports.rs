//! What a module exports besides callbacks, with the cases that need it.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use enginebay::abi::{AbiVersion, Integration};

use crate::report::Report;

/// A row for each export of the specification's first two sections.
pub(super) fn write(page: &mut String, report: &Report) {
    let hosts = report.runtimes.values();
    let names: BTreeSet<&str> = hosts
        .flat_map(|host| &host.cases)
        .map(|case| case.name.as_str())
        .collect();
    page.push_str("\n### Integration and memory\n| export | cases |\n| --- | --- |\n");
    for version in AbiVersion::ALL {
        let beginning = format!("abi/{version}/");
        row(page, version.marker(), &names, |name| {
            name.starts_with(&beginning)
        });
    }
    for export in Integration::ALL {
        row(page, export.name(), &names, |name| about(*export, name));
    }
}

/// Whether a case is about an export, by its name.
fn about(export: Integration, name: &str) -> bool {
    let starting = name.strip_prefix("lifecycle/starting/").unwrap_or_default();
    match export {
        Integration::Initialize => name.starts_with("start/") || starting.contains("initialize"),
        Integration::Main => starting.contains("main"),
        Integration::Start => starting.starts_with("start_"),
        Integration::ProxyOnMemoryAllocate => allocates(name),
        Integration::Malloc => name.starts_with("lifecycle/") && name.contains("malloc"),
    }
}

/// Whether a case is about an allocator that does not do what it should: an area, and those of the cases that are data.
fn allocates(name: &str) -> bool {
    name.starts_with("allocator/")
        || name.ends_with("/no_memory_left")
        || name.ends_with("/allocated_outside")
}

fn row(page: &mut String, export: &str, names: &BTreeSet<&str>, about: impl Fn(&str) -> bool) {
    let mut about = names.iter().filter(|name| about(name));
    let cases = match (about.next(), about.count()) {
        (None, _) => "none".to_owned(),
        (Some(first), 0) => format!("`{first}`"),
        (Some(first), more) => format!("`{first}` and {more} more"),
    };
    writeln!(page, "| `{export}` | {cases} |").ok();
}
