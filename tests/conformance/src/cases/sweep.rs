//! Addresses and sizes that are not in the guest's memory.

use enginebay::abi::{HostFunction, Namespace, Param, Status, WasiErrno};

use crate::case::{Arg, Case, END, Effect, Step};

/// What a function never looks at, or refuses for another reason before it looks.
const NOT_LOOKED_AT: &[(HostFunction, &[&str])] = &[
    (
        HostFunction::WasiPollOneoff,
        &["subscriptions", "events", "subscription_count"],
    ),
    (HostFunction::WasiFdWrite, &["iovs_len"]),
    (HostFunction::WasiFdPwrite, &["iovs_len"]),
    (HostFunction::WasiRandomGet, &["buffer_size"]),
];

/// One case for each way in which a pointer of the last call of `good` can be wrong.
pub(crate) fn bad_pointers(good: &Case) -> Vec<Case> {
    let Some((_, steps)) = good.script.last() else {
        return Vec::new();
    };
    let is_call = |step: &Step| matches!(step, Step::Call { .. });
    let Some(at) = steps.iter().rposition(is_call) else {
        return Vec::new();
    };
    let Step::Call { function, args, .. } = &steps[at] else {
        return Vec::new();
    };
    let def = function.def();
    let fault = match def.namespace {
        Namespace::Env => ("invalid_memory_access", Status::InvalidMemoryAccess.as_u32()),
        Namespace::Wasi => ("fault", WasiErrno::Fault.as_u32()),
    };
    let sizes = sizes(args);
    let mut cases = Vec::new();
    for (index, (name, kind)) in std::iter::zip(def.param_names, def.params).enumerate() {
        let skipped = |(of, names): &(HostFunction, &[&str])| of == function && names.contains(name);
        if NOT_LOOKED_AT.iter().any(skipped) {
            continue;
        }
        let is_range = def.params.get(index + 1) == Some(&Param::Size);
        let values: &[(&str, u64)] = match kind {
            Param::Ptr if is_range => {
                let size = sizes.get(index + 1).copied().unwrap_or(1).max(1);
                &[
                    ("", u64::from(END)),
                    ("_across_the_end", u64::from(END) - size + 1),
                    ("_with_overflow", u64::from(u32::MAX)),
                ]
            }
            Param::Ptr => &[
                ("", u64::from(END)),
                ("_across_the_end", u64::from(END) - 1),
                ("_with_overflow", u64::from(u32::MAX)),
            ],
            Param::Size if index > 0 && def.params[index - 1] == Param::Ptr => {
                &[("", u64::from(END)), ("_of_4_gib", u64::from(u32::MAX))]
            }
            _ => continue,
        };
        for (suffix, value) in values {
            let mut case = good.clone();
            case.name = format!("{function}/{}/{name}{suffix}", fault.0);
            case.effects = vec![Effect::Untouched];
            match function {
                HostFunction::ProxyLog => case.effects.push(Effect::Silent),
                HostFunction::ProxyHttpCall | HostFunction::ProxyGrpcCall | HostFunction::ProxyGrpcStream => {
                    case.effects.push(Effect::Called(Vec::new()));
                }
                _ => {}
            }
            if let Some((_, steps)) = case.script.last_mut() {
                steps.truncate(at + 1);
                if let Some(Step::Call {
                    replaced, returns, ..
                }) = steps.last_mut()
                {
                    replaced.push((index, *value));
                    *returns = Some(fault.1);
                }
            }
            cases.push(case);
        }
    }
    cases
}

/// The value of each parameter that is a size.
fn sizes(args: &[Arg]) -> Vec<u64> {
    let sizes = args.iter().flat_map(|arg| match arg {
        Arg::Num(value) => vec![*value],
        Arg::Load(_) => vec![0],
        Arg::Data(bytes) => vec![0, bytes.len() as u64],
        // Two words for each piece.
        Arg::Pieces(pieces) => vec![0, 8 * pieces.len() as u64],
    });
    sizes.collect()
}
