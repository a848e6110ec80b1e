//! `--limit NAME=N`: bounds on what plugins can make the server keep, by name.

use std::time::Duration;

use enginebay::foreign;
use enginebay::host::{ForeignFunctions, SharedLimits, VmLimits};
use enginebay_http::ChainOptions;

use crate::run::values;

/// A bound that was given.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    place: usize,
    value: usize,
}

/// All bounds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Limits {
    pub(super) vm: VmLimits,
    pub(super) shared: SharedLimits,
    pub(super) chain: ChainOptions,
    foreign: foreign::Limits,
    foreign_results: ForeignResults,
}

/// Bytes that a foreign function may return.
#[derive(Clone, Copy, Debug)]
struct ForeignResults(usize);

impl Default for ForeignResults {
    fn default() -> Self {
        ForeignResults(ForeignFunctions::MAX_RESULTS)
    }
}

type Set = fn(&mut Limits, usize);

/// Name, what it bounds with its default, and where it is kept.
const TABLE: [(&str, &str, Set); 34] = [
    (
        "headers",
        "headers of a map that a plugin changes [1024]",
        |l, n| l.vm.headers.entries = n,
    ),
    ("header-bytes", "bytes of such a map [1MiB]", |l, n| {
        l.vm.headers.bytes = n
    }),
    (
        "buffer",
        "bytes that a plugin can make a buffer grow to [64MiB]",
        |l, n| l.vm.buffer = n,
    ),
    (
        "local-response-body",
        "bytes of a local response's body [64MiB]",
        |l, n| l.vm.local_response_body = n,
    ),
    (
        "local-response-details",
        "bytes of its explanation [4KiB]",
        |l, n| l.vm.local_response_details = n,
    ),
    (
        "property",
        "bytes of path and value of a property that is set [1MiB]",
        |l, n| l.vm.property = n,
    ),
    (
        "declared-properties",
        "properties that a plugin declares [1024]",
        |l, n| l.vm.declared_properties = n,
    ),
    (
        "declared-path",
        "bytes of the path of one of them [4KiB]",
        |l, n| l.vm.declared_path = n,
    ),
    ("callouts", "callouts of a context under way [4096]", |l, n| {
        l.vm.callouts = n
    }),
    ("callout-bytes", "bytes of what these send [256MiB]", |l, n| {
        l.vm.callout_bytes = n
    }),
    (
        "finishing",
        "contexts of a VM that wait for proxy_done [65536]",
        |l, n| l.vm.finishing = n,
    ),
    ("log-message", "bytes of a log message [1MiB]", |l, n| {
        l.vm.log_message = n
    }),
    (
        "log-rate",
        "log messages of a VM in one second [100000]",
        |l, n| {
            l.vm.log_rate = u32::try_from(n).unwrap_or(u32::MAX);
        },
    ),
    (
        "shared-entries",
        "keys in the shared data of a vm_id [65536]",
        |l, n| l.shared.data_entries = n,
    ),
    ("shared-bytes", "bytes of that data [64MiB]", |l, n| {
        l.shared.data_bytes = n
    }),
    ("queues", "queues of a vm_id [1024]", |l, n| l.shared.queues = n),
    ("queue-items", "items in a queue [65536]", |l, n| {
        l.shared.queue_items = n
    }),
    ("queue-bytes", "bytes of those items [64MiB]", |l, n| {
        l.shared.queue_bytes = n
    }),
    ("metrics", "metrics of all plugins [16384]", |l, n| {
        l.shared.metrics = n
    }),
    ("metrics-per-vm", "metrics that a VM defines [16384]", |l, n| {
        l.shared.metrics_per_vm = n
    }),
    (
        "name-bytes",
        "bytes of the name of a queue or metric [4KiB]",
        |l, n| l.shared.name_bytes = n,
    ),
    (
        "body-growth",
        "bytes of a body at which a plugin loses it [64MiB]",
        |l, n| l.chain.body_growth = n,
    ),
    ("properties", "properties set on a stream [64]", |l, n| {
        l.chain.properties = n
    }),
    ("property-bytes", "bytes of all of them [64KiB]", |l, n| {
        l.chain.property_bytes = n
    }),
    (
        "callout-response",
        "bytes of the response to a callout [16MiB]",
        |l, n| l.chain.callout_response = n,
    ),
    (
        "grpc-send",
        "bytes that wait to be sent on a gRPC stream [16MiB]",
        |l, n| l.chain.grpc_send = n,
    ),
    (
        "lingering",
        "replaced plugins of a worker that wait for proxy_done [16]",
        |l, n| l.chain.lingering = n,
    ),
    ("linger-seconds", "how long each of them may [60]", |l, n| {
        l.chain.linger = Duration::from_secs(u64::try_from(n).unwrap_or(u64::MAX));
    }),
    (
        "foreign-results",
        "bytes that a foreign function returns [64MiB]",
        |l, n| l.foreign_results.0 = n,
    ),
    (
        "uncompressed-bytes",
        "bytes that `uncompress` returns [64MiB]",
        |l, n| l.foreign.uncompressed_bytes = n,
    ),
    (
        "expressions",
        "expressions (expr_create) of a VM [1024]",
        |l, n| l.foreign.expressions = n,
    ),
    ("expression-bytes", "bytes of an expression [4KiB]", |l, n| {
        l.foreign.expression_bytes = n
    }),
    ("expression-steps", "steps of its evaluation [1000000]", |l, n| {
        l.foreign.expression_steps = u64::try_from(n).unwrap_or(u64::MAX);
    }),
    (
        "expression-memory",
        "bytes of the values in it [16MiB]",
        |l, n| l.foreign.expression_memory = n,
    ),
];

impl Limits {
    /// The defaults with these instead.
    pub(super) fn new(given: &[Limit]) -> Self {
        let mut limits = Limits::default();
        for limit in given {
            let (.., set) = TABLE[limit.place];
            set(&mut limits, limit.value);
        }
        limits
    }

    /// Envoy's foreign functions within these bounds.
    pub(super) fn foreign_functions(&self) -> ForeignFunctions {
        foreign::envoy_with(self.foreign).with_max_results(self.foreign_results.0)
    }
}

/// Reads `NAME=N`.
pub(super) fn parse(text: &str) -> Result<Limit, String> {
    let (name, value) = text.split_once('=').ok_or("a limit is a name, =, and a number")?;
    let place = TABLE
        .iter()
        .position(|(known, ..)| *known == name)
        .ok_or_else(|| {
            let names: Vec<&str> = TABLE.iter().map(|(name, ..)| *name).collect();
            format!("there is no limit {name:?}; there are {}", names.join(", "))
        })?;
    let value = match value {
        "0" => 0,
        value => values::size(value)?,
    };
    let value = usize::try_from(value).unwrap_or(usize::MAX);
    Ok(Limit { place, value })
}

/// All names, for `--help`.
pub(super) fn help() -> String {
    let mut text =
        "Bounds on what plugins can make the server keep (--limit NAME=N, with a unit where it is bytes):"
            .to_owned();
    for (name, what, _) in TABLE {
        text += &format!("\n  {name:<24} {what}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_can_be_set() {
        let mut seen = vec![format!("{:?}", Limits::default())];
        for (name, ..) in TABLE {
            let limits = Limits::new(&[parse(&format!("{name}=7")).unwrap()]);
            let text = format!("{limits:?}");
            assert!(!seen.contains(&text), "{name}");
            seen.push(text);
        }
        let limits =
            Limits::new(&["callouts=0", "buffer=2KiB", "buffer=3KiB"].map(|text| parse(text).unwrap()));
        assert_eq!((limits.vm.callouts, limits.vm.buffer), (0, 3 << 10));
    }

    /// The defaults that the help names are those that hold.
    #[test]
    fn the_help_tells_the_truth() {
        let default = format!("{:?}", Limits::default());
        for (name, what, _) in TABLE {
            let told = what.rsplit_once('[').unwrap().1.trim_end_matches(']');
            let limits = Limits::new(&[parse(&format!("{name}={told}")).unwrap()]);
            assert_eq!(format!("{limits:?}"), default, "{name}");
        }
    }

    #[test]
    fn what_is_no_limit_is_an_error_that_names_all() {
        assert!(
            parse("callout=1")
                .unwrap_err()
                .contains("callouts, callout-bytes")
        );
        assert!(parse("callouts").is_err());
        assert!(parse("callouts=many").is_err());
    }
}
