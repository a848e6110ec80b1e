//! The lines about statuses in the specification's three documents, and the check that cases produce all of them.

use std::collections::BTreeSet;

use enginebay::abi::{
    AbiVersion, AnsweredBy, Callback, HostFunction, Results, Status, VersionSet, WasiErrno,
};

use crate::group::{Group, produced};

use HostFunction as F;
use Status::{BadArgument, CasMismatch, Empty, InternalFailure, InvalidMemoryAccess, NotFound, Ok as Fine};
use Status::{ParseFailure, SerializationFailure, Unimplemented};

/// What a document says that a function of `env` returns.
type Lines = (F, VersionSet, &'static [Status]);

/// In the order of the documents. The sets of versions are those whose documents have the lines.
const STATUSES: &[Lines] = &[
    (F::ProxyDone, VersionSet::ALL, &[Fine, NotFound]),
    (F::ProxySetEffectiveContext, VersionSet::ALL, &[Fine, BadArgument]),
    (
        F::ProxyGetConfiguration,
        VersionSet::V0_1,
        &[Fine, InvalidMemoryAccess],
    ),
    (
        F::ProxyLog,
        VersionSet::ALL,
        &[Fine, BadArgument, InvalidMemoryAccess],
    ),
    (
        F::ProxyGetLogLevel,
        VersionSet::V0_2_1,
        &[Fine, InvalidMemoryAccess],
    ),
    (
        F::ProxyGetCurrentTimeNanoseconds,
        VersionSet::ALL,
        &[Fine, InvalidMemoryAccess],
    ),
    (F::ProxySetTickPeriodMilliseconds, VersionSet::ALL, &[Fine]),
    (
        F::ProxySetBufferBytes,
        VersionSet::ALL,
        &[Fine, BadArgument, NotFound, InvalidMemoryAccess],
    ),
    (
        F::ProxyGetBufferBytes,
        VersionSet::ALL,
        &[Fine, BadArgument, NotFound, InvalidMemoryAccess],
    ),
    (
        F::ProxyGetBufferStatus,
        VersionSet::ALL,
        &[Fine, BadArgument, NotFound, InvalidMemoryAccess],
    ),
    (
        F::ProxyGetHeaderMapSize,
        VersionSet::ALL,
        &[Fine, BadArgument, InvalidMemoryAccess],
    ),
    (
        F::ProxyGetHeaderMapPairs,
        VersionSet::ALL,
        &[Fine, BadArgument, InvalidMemoryAccess],
    ),
    (
        F::ProxySetHeaderMapPairs,
        VersionSet::ALL,
        &[Fine, BadArgument, InvalidMemoryAccess],
    ),
    (
        F::ProxyGetHeaderMapValue,
        VersionSet::ALL,
        &[Fine, BadArgument, InvalidMemoryAccess],
    ),
    (F::ProxyGetHeaderMapValue, VersionSet::V0_2_1, &[NotFound]),
    (
        F::ProxyAddHeaderMapValue,
        VersionSet::ALL,
        &[Fine, BadArgument, InvalidMemoryAccess],
    ),
    (
        F::ProxyReplaceHeaderMapValue,
        VersionSet::ALL,
        &[Fine, BadArgument, InvalidMemoryAccess],
    ),
    (
        F::ProxyRemoveHeaderMapValue,
        VersionSet::ALL,
        &[Fine, BadArgument, InvalidMemoryAccess],
    ),
    (
        F::ProxyContinueStream,
        VersionSet::V0_2,
        &[Fine, BadArgument, Unimplemented],
    ),
    (F::ProxyCloseStream, VersionSet::V0_2, &[Fine, BadArgument]),
    (F::ProxyGetStatus, VersionSet::ALL, &[Fine, InvalidMemoryAccess]),
    (
        F::ProxySendLocalResponse,
        VersionSet::ALL,
        &[Fine, InvalidMemoryAccess],
    ),
    (
        F::ProxyHttpCall,
        VersionSet::ALL,
        &[Fine, BadArgument, InternalFailure, InvalidMemoryAccess],
    ),
    (
        F::ProxyGrpcCall,
        VersionSet::ALL,
        &[Fine, ParseFailure, InternalFailure, InvalidMemoryAccess],
    ),
    (
        F::ProxyGrpcStream,
        VersionSet::ALL,
        &[Fine, ParseFailure, InternalFailure, InvalidMemoryAccess],
    ),
    (
        F::ProxyGrpcSend,
        VersionSet::ALL,
        &[Fine, BadArgument, NotFound, InvalidMemoryAccess],
    ),
    (
        F::ProxyGrpcCancel,
        VersionSet::ALL,
        &[Fine, BadArgument, NotFound],
    ),
    (F::ProxyGrpcClose, VersionSet::ALL, &[Fine, BadArgument, NotFound]),
    (
        F::ProxySetSharedData,
        VersionSet::ALL,
        &[Fine, CasMismatch, InvalidMemoryAccess],
    ),
    (
        F::ProxyGetSharedData,
        VersionSet::ALL,
        &[Fine, NotFound, InvalidMemoryAccess],
    ),
    (
        F::ProxyRegisterSharedQueue,
        VersionSet::ALL,
        &[Fine, InvalidMemoryAccess],
    ),
    (
        F::ProxyResolveSharedQueue,
        VersionSet::ALL,
        &[Fine, NotFound, InvalidMemoryAccess],
    ),
    (
        F::ProxyEnqueueSharedQueue,
        VersionSet::ALL,
        &[Fine, NotFound, InvalidMemoryAccess],
    ),
    (
        F::ProxyDequeueSharedQueue,
        VersionSet::ALL,
        &[Fine, NotFound, Empty, InvalidMemoryAccess],
    ),
    (
        F::ProxyDefineMetric,
        VersionSet::ALL,
        &[Fine, BadArgument, InvalidMemoryAccess],
    ),
    (F::ProxyRecordMetric, VersionSet::ALL, &[Fine, NotFound]),
    (
        F::ProxyIncrementMetric,
        VersionSet::ALL,
        &[Fine, NotFound, BadArgument],
    ),
    (
        F::ProxyGetMetric,
        VersionSet::ALL,
        &[Fine, NotFound, InvalidMemoryAccess],
    ),
    (
        F::ProxyGetProperty,
        VersionSet::ALL,
        &[Fine, NotFound, SerializationFailure, InvalidMemoryAccess],
    ),
    (
        F::ProxySetProperty,
        VersionSet::ALL,
        &[Fine, NotFound, InvalidMemoryAccess],
    ),
    (
        F::ProxyCallForeignFunction,
        VersionSet::ALL,
        &[Fine, NotFound, InvalidMemoryAccess],
    ),
];

/// The same in all three documents.
const ERRNOS: &[(F, &[WasiErrno])] = &[
    (
        F::WasiFdWrite,
        &[WasiErrno::Success, WasiErrno::Badf, WasiErrno::Fault],
    ),
    (
        F::WasiClockTimeGet,
        &[WasiErrno::Success, WasiErrno::Notsup, WasiErrno::Fault],
    ),
    (
        F::WasiRandomGet,
        &[WasiErrno::Success, WasiErrno::Inval, WasiErrno::Fault],
    ),
    (F::WasiEnvironSizesGet, &[WasiErrno::Success, WasiErrno::Fault]),
    (F::WasiEnvironGet, &[WasiErrno::Success, WasiErrno::Fault]),
    (F::WasiArgsSizesGet, &[WasiErrno::Success, WasiErrno::Fault]),
    (F::WasiArgsGet, &[WasiErrno::Success]),
];

/// Compares the cases with the specification and with the tables of `enginebay-abi`: every line of the specification is
/// produced by a case, unless the function is one that nobody answers; every value of the table is produced; no case
/// expects a value that is not in the table; and the callbacks that are called are those that the table says are.
///
/// # Errors
/// What is missing or too much, one line each.
pub fn check_table(groups: &[Group]) -> Result<(), Vec<String>> {
    let mut wrong = Vec::new();
    for &version in AbiVersion::ALL {
        let in_version = groups.iter().filter(|group| group.version() == version);
        let mut found: BTreeSet<(F, u32)> = in_version.flat_map(produced).collect();
        // WASI doesn't depend on the version.
        let wasi = groups
            .iter()
            .filter(|group| group.name().starts_with("wasi/"))
            .flat_map(produced);
        found.extend(wasi);
        for line in lines(version) {
            let answered = line.0.answer().by != AnsweredBy::Nobody;
            if answered && !found.contains(&line) {
                wrong.push(format!("{version}: no case has {} return {}", line.0, line.1));
            }
        }
        let functions = F::ALL
            .iter()
            .filter(|function| function.def().versions.contains(version));
        for function in functions {
            for value in function.values(version) {
                if !found.contains(&(*function, value)) {
                    wrong.push(format!(
                        "{version}: {function}: {value} is in the table and in no case"
                    ));
                }
            }
        }
        for (function, value) in &found {
            let in_version = function.def().versions.contains(version);
            let returns = !matches!(function.answer().results, Results::Nothing | Results::Never);
            if in_version && returns && !function.answer().allows(version, *value) {
                wrong.push(format!(
                    "{version}: {function}: {value} is in a case and not in the table"
                ));
            }
        }
    }
    wrong.extend(callbacks(groups));
    wrong.extend(names(groups));
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(wrong),
    }
}

/// Every line of a version's document.
pub(crate) fn lines(version: AbiVersion) -> impl Iterator<Item = (F, u32)> {
    let statuses = STATUSES
        .iter()
        .filter(move |(_, versions, _)| versions.contains(version))
        .flat_map(|(function, _, statuses)| statuses.iter().map(|status| (*function, status.as_u32())));
    let errnos = ERRNOS
        .iter()
        .flat_map(|(function, errnos)| errnos.iter().map(|errno| (*function, errno.as_u32())));
    statuses.chain(errnos)
}

/// Callbacks that the table says are called and no case hears, and the other way round.
fn callbacks(groups: &[Group]) -> Vec<String> {
    let cases = groups.iter().flat_map(|group| group.cases());
    let heard: BTreeSet<Callback> = cases
        .flat_map(|case| case.script.iter().map(|(callback, _)| *callback))
        .collect();
    let wrong = Callback::ALL
        .iter()
        .filter(|callback| callback.called().by.is_some() != heard.contains(callback));
    wrong
        .map(|callback| format!("{callback}: the table and the cases disagree on whether it is called"))
        .collect()
}

/// Names that two cases have.
fn names(groups: &[Group]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let names = groups.iter().flat_map(|group| {
        group
            .cases()
            .iter()
            .map(|case| format!("{}/{}", group.name(), case.name))
    });
    names
        .filter(|name| !seen.insert(name.clone()))
        .map(|name| format!("{name}: two cases have this name"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_document_has_its_lines() {
        // As many as there are behind "Returned status value is" and "Returned errno value is".
        assert_eq!(lines(AbiVersion::V0_2_1).count(), 132);
    }

    #[test]
    fn wasi_is_tested_under_both_names() {
        let groups = crate::groups();
        let wasi = groups.iter().filter(|group| group.name().starts_with("wasi/"));
        let counts: Vec<usize> = wasi.map(|group| group.cases().len()).collect();
        assert!(
            matches!(counts[..], [one, other] if one == other && one > 0),
            "{counts:?}"
        );
    }

    #[test]
    fn every_group_has_cases() {
        for group in crate::groups() {
            assert!(!group.cases().is_empty(), "{}", group.name());
        }
    }
}
