//! Every function, status and callback of the specification, with cases that are about it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use enginebay::abi::{AbiVersion, Callback, HostFunction, Namespace, Results, Status, WasiErrno};

use crate::group::Group;
use crate::spec::lines;

/// The sections by the beginnings of the names of what is in them. The first that fits counts; callbacks are after the
/// functions.
const SECTIONS: [(&str, &[&str]); 15] = [
    (
        "Contexts",
        &[
            "proxy_done",
            "proxy_set_effective_context",
            "proxy_on_context_create",
            "proxy_on_done",
            "proxy_on_log",
            "proxy_on_delete",
        ],
    ),
    (
        "Configuration",
        &[
            "proxy_get_configuration",
            "proxy_on_vm_start",
            "proxy_on_configure",
            "proxy_validate",
        ],
    ),
    ("Logging", &["proxy_log", "proxy_get_log_level"]),
    (
        "Time",
        &["proxy_get_current_time", "proxy_set_tick", "proxy_on_tick"],
    ),
    ("Buffers", &["proxy_get_buffer", "proxy_set_buffer"]),
    (
        "Header maps",
        &[
            "proxy_get_header_map",
            "proxy_set_header_map",
            "proxy_add_header_map",
            "proxy_replace_header_map",
            "proxy_remove_header_map",
        ],
    ),
    (
        "HTTP and TCP streams",
        &[
            "proxy_continue",
            "proxy_close_stream",
            "proxy_clear_route",
            "proxy_send_local",
            "proxy_get_status",
            "proxy_on_request",
            "proxy_on_response",
            "proxy_on_new_connection",
            "proxy_on_downstream",
            "proxy_on_upstream",
        ],
    ),
    ("HTTP calls", &["proxy_http", "proxy_on_http"]),
    ("gRPC calls", &["proxy_grpc", "proxy_on_grpc"]),
    ("Shared data", &["proxy_get_shared", "proxy_set_shared"]),
    (
        "Shared queues",
        &[
            "proxy_register_shared",
            "proxy_resolve_shared",
            "proxy_enqueue",
            "proxy_dequeue",
            "proxy_on_queue",
        ],
    ),
    (
        "Metrics",
        &[
            "proxy_define_metric",
            "proxy_record_metric",
            "proxy_increment_metric",
            "proxy_get_metric",
        ],
    ),
    ("Properties", &["proxy_get_property", "proxy_set_property"]),
    ("Foreign functions", &["proxy_call_foreign", "proxy_on_foreign"]),
    ("Stats sinks", &["envoy_on_stats"]),
];

/// The sections' tables: they follow [`HEAD`].
pub(super) fn write(page: &mut String, groups: &[Group]) {
    let cases = Cases::of(groups);
    for (title, beginnings) in SECTIONS {
        let in_section = |name: &str| beginnings.iter().any(|beginning| name.starts_with(beginning));
        writeln!(page, "\n### {title}").ok();
        functions(page, &cases, |function| {
            function.def().namespace == Namespace::Env && in_section(function.name())
        });
        callbacks(page, &cases, |callback| in_section(callback.name()));
    }
    page.push_str(
        "\n### WASI\nUnder `wasi_snapshot_preview1` and `wasi_unstable`, the same in all versions.\n\n",
    );
    functions(page, &cases, |function| {
        function.def().namespace == Namespace::Wasi
    });
    page.push_str("\n### Emscripten\n");
    functions(page, &cases, |function| function.def().capability().is_none());
}

pub(super) const HEAD: &str = "
## Section by section
Every function and callback of 0.1.0, 0.2.0 and 0.2.1 and every status that a function returns, with a case that produces it
and how many more do. *In the documents* are the versions whose document has the status; where there is none, it is what
Envoy answers, or a bound. Names are without `abi/VERSION/` and `wasi/MODULE/`.
";

/// A case's name without its version, and the versions in which it is.
type Names = BTreeMap<String, BTreeSet<AbiVersion>>;

/// What cases are about.
struct Cases {
    /// By function and what it returns.
    returned: BTreeMap<(HostFunction, Option<u32>), Names>,
    /// By callback.
    heard: BTreeMap<Callback, Names>,
}

impl Cases {
    fn of(groups: &[Group]) -> Self {
        let mut cases = Cases {
            returned: BTreeMap::new(),
            heard: BTreeMap::new(),
        };
        for group in groups {
            let version = group.version();
            for case in group.cases() {
                let name = full_name(group, &case.name);
                for (function, returns) in case.calls() {
                    let names = cases.returned.entry((function, returns)).or_default();
                    names.entry(name.clone()).or_default().insert(version);
                }
                for (callback, _) in &case.script {
                    let names = cases.heard.entry(*callback).or_default();
                    names.entry(name.clone()).or_default().insert(version);
                }
            }
        }
        cases
    }
}

/// The name that the page has for a case of this group.
fn full_name(group: &Group, case: &str) -> String {
    match group.name().split_once('/') {
        Some(("abi", _)) => case.to_owned(),
        Some((_, version)) if AbiVersion::ALL.iter().any(|known| known.as_str() == version) => {
            format!("start/{case}")
        }
        // What is in both of WASI's modules is there once.
        _ => case.to_owned(),
    }
}

/// A table with a row for each status of each of these functions.
fn functions(page: &mut String, cases: &Cases, wanted: impl Fn(HostFunction) -> bool) {
    let wanted: Vec<HostFunction> = HostFunction::ALL
        .iter()
        .copied()
        .filter(|function| wanted(*function))
        .collect();
    if wanted.is_empty() {
        return;
    }
    page.push_str("| function | returns | in the documents | cases |\n| --- | --- | --- | --- |\n");
    for function in wanted {
        let documented: BTreeMap<u32, BTreeSet<AbiVersion>> = documented(function);
        let found = cases.returned.iter().filter(|((of, _), _)| *of == function);
        let mut rows: BTreeMap<Option<u32>, Option<&Names>> =
            documented.keys().map(|value| (Some(*value), None)).collect();
        rows.extend(found.map(|((_, value), names)| (*value, Some(names))));
        for (value, names) in rows {
            let versions = value.and_then(|value| documented.get(&value));
            writeln!(
                page,
                "| `{function}` | {} | {} | {} |",
                value.map_or_else(|| nothing(function), |value| shown(function, value)),
                versions.map(list).unwrap_or_default(),
                names.map_or_else(
                    || format!("none: {} answers", function.answer().by.name()),
                    |names| some(function.name(), names)
                ),
            )
            .ok();
        }
    }
}

/// A table with a row for each of these callbacks.
fn callbacks(page: &mut String, cases: &Cases, wanted: impl Fn(Callback) -> bool) {
    let wanted: Vec<Callback> = Callback::ALL
        .iter()
        .copied()
        .filter(|callback| wanted(*callback))
        .collect();
    if wanted.is_empty() {
        return;
    }
    page.push_str("\n| callback | versions | cases |\n| --- | --- | --- |\n");
    for callback in wanted {
        let versions = AbiVersion::ALL
            .iter()
            .filter(|version| callback.shape(**version).is_some());
        let cases = match cases.heard.get(&callback) {
            Some(names) => some(callback.name(), names),
            // The guests have it, and say so when it is called.
            None => "every case fails that hears it: it is never called".to_owned(),
        };
        writeln!(
            page,
            "| `{callback}` | {} | {cases} |",
            list(&versions.copied().collect())
        )
        .ok();
    }
}

/// What the documents say that a function returns, with the versions that say so.
fn documented(function: HostFunction) -> BTreeMap<u32, BTreeSet<AbiVersion>> {
    let mut values: BTreeMap<u32, BTreeSet<AbiVersion>> = BTreeMap::new();
    for &version in AbiVersion::ALL {
        for (_, value) in lines(version).filter(|(of, _)| *of == function) {
            values.entry(value).or_default().insert(version);
        }
    }
    values
}

/// What a function does in a case in which it returns nothing.
fn nothing(function: HostFunction) -> String {
    match function.answer().results {
        Results::Nothing => "nothing".to_owned(),
        _ => "*a trap*".to_owned(),
    }
}

fn shown(function: HostFunction, value: u32) -> String {
    let name = match function.answer().results {
        Results::Errnos(_) => WasiErrno::from_u32(value).map(|errno| errno.name()),
        Results::Statuses(_) => Status::from_u32(value).map(|status| status.name()),
        Results::Truth | Results::Nothing | Results::Never => None,
    };
    name.map_or_else(|| value.to_string(), str::to_owned)
}

fn list(versions: &BTreeSet<AbiVersion>) -> String {
    if versions.len() == AbiVersion::ALL.len() {
        return "all".to_owned();
    }
    let versions: Vec<&str> = versions.iter().map(|version| version.as_str()).collect();
    versions.join(", ")
}

/// Cases that together are in all the versions that any is in, those about `name` itself first, and how many more there are.
fn some(name: &str, names: &Names) -> String {
    let mut sorted: Vec<(&String, &BTreeSet<AbiVersion>)> = names.iter().collect();
    sorted.sort_by_key(|(case, versions)| {
        let own = case.split('/').next() == Some(name);
        (!own, std::cmp::Reverse(versions.len()), case.len())
    });
    let mut covered = BTreeSet::new();
    let mut shown = Vec::new();
    for (case, versions) in sorted {
        if !versions.is_subset(&covered) {
            covered.extend(versions.iter().copied());
            shown.push(format!("`{case}`"));
        }
    }
    match names.len() - shown.len() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
