//! What a module may call while it starts.

use enginebay::abi::{Callback, HostFunction as F, Phase, Results, VersionSet};

use crate::case::{Area, Arg, Case, num};

pub(super) fn cases() -> Vec<Case> {
    let versions = [VersionSet::V0_1, VersionSet::V0_2_1];
    let cases = F::ALL.iter().filter_map(|function| {
        let def = function.def();
        // One version is enough for functions that are the same in all.
        let version = versions
            .into_iter()
            .rfind(|version| version.iter().all(|version| def.versions.contains(version)))?;
        let case = |name: &str| {
            Case::new(format!("{function}/{name}"))
                .in_area(Area::Start)
                .in_versions(version)
                .during(Callback::ProxyOnVmStart)
        };
        if def.phase == Phase::Started {
            let zeros = vec![num(0); def.params.len()];
            let message = match function {
                F::WasiProcExit => "proc_exit: exit code 0",
                _ => "was called while the module starts",
            };
            return Some(case("refused").call(*function, zeros, ()).failing(message));
        }
        // Addresses where there is room, and descriptors that are standard output.
        let args: Vec<Arg> = def
            .param_names
            .iter()
            .map(|name| match *name {
                "fd" => num(1),
                "iovs_len" | "message_size" | "buffer_size" | "log_level" | "clock_id" => num(0),
                _ => num(512),
            })
            .collect();
        let returns = match def.function.answer().results {
            Results::Errnos([errno]) => Some(errno.as_u32()),
            Results::Errnos([first, ..]) => Some(match function {
                // There is no such file.
                F::WasiFdFilestatGet => enginebay::abi::WasiErrno::Badf.as_u32(),
                _ => first.as_u32(),
            }),
            Results::Statuses(_) => Some(0),
            _ => None,
        };
        Some(match returns {
            Some(returns) => case("allowed").call(*function, args, returns),
            None => case("allowed").call(*function, args, ()),
        })
    });
    cases.collect()
}
