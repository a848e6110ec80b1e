//! What a guest gets back from each host function, and from whom.
//!
//! `docs/abi.md` is written from this table. The conformance suite fails when a host function returns what is not in it,
//! and when something in it is never returned.

use crate::enums::Status;
use crate::functions::HostFunction;
use crate::version::{AbiVersion, VersionSet};
use crate::wasi::WasiErrno;

/// Who has the answer to a call of a host function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AnsweredBy {
    /// The host alone, from what it knows of the VM.
    Host,
    /// The embedder's surroundings: log, clocks, randomness, timers.
    Platform,
    /// The embedder's stream: headers, bodies, properties, the way of the stream.
    Stream,
    /// What the VMs of a process share: data, queues, metrics.
    Shared,
    /// The embedder's client for calls to other services.
    Callouts,
    /// A function that the embedder registered by name. Its own status is the guest's.
    Foreign,
    /// Nobody: the host does nothing and says so.
    Nobody,
}

impl AnsweredBy {
    /// In one word.
    pub const fn name(self) -> &'static str {
        match self {
            AnsweredBy::Host => "host",
            AnsweredBy::Platform => "platform",
            AnsweredBy::Stream => "stream",
            AnsweredBy::Shared => "shared",
            AnsweredBy::Callouts => "callouts",
            AnsweredBy::Foreign => "foreign function",
            AnsweredBy::Nobody => "nobody",
        }
    }
}

/// What a host function can return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Results {
    /// One of these statuses, each to guests of these versions.
    Statuses(&'static [(Status, VersionSet)]),
    /// One of these error numbers.
    Errnos(&'static [WasiErrno]),
    /// 0 or 1.
    Truth,
    /// Nothing: the function has no result.
    Nothing,
    /// It doesn't return.
    Never,
}

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Who has the answer.
    pub by: AnsweredBy,
    /// What it can be.
    pub results: Results,
}

impl Answer {
    /// Whether a function with this answer may return `value` to a guest of this version.
    pub fn allows(&self, version: AbiVersion, value: u32) -> bool {
        match self.results {
            Results::Statuses(statuses) => {
                let listed = |(status, versions): &(Status, VersionSet)| {
                    status.as_u32() == value && versions.contains(version)
                };
                statuses.iter().any(listed)
                    || self.by == AnsweredBy::Foreign && Status::from_u32(value).is_some()
            }
            Results::Errnos(errnos) => errnos.iter().any(|errno| errno.as_u32() == value),
            Results::Truth => value <= 1,
            Results::Nothing | Results::Never => false,
        }
    }
}

impl HostFunction {
    /// The numbers that this function can return to a guest of this version, in order: none for one that has no result.
    /// A [`AnsweredBy::Foreign`] function may return other statuses too.
    pub fn values(self, version: AbiVersion) -> Vec<u32> {
        let mut values: Vec<u32> = match self.answer().results {
            Results::Statuses(statuses) => statuses
                .iter()
                .filter(|(_, versions)| versions.contains(version))
                .map(|(status, _)| status.as_u32())
                .collect(),
            Results::Errnos(errnos) => errnos.iter().map(|errno| errno.as_u32()).collect(),
            Results::Truth => vec![0, 1],
            Results::Nothing | Results::Never => Vec::new(),
        };
        values.sort_unstable();
        values
    }
}

/// Writes [`HostFunction::answer`] from a list.
macro_rules! answers {
    (@versions) => { VersionSet::ALL };
    (@versions $versions:ident) => { VersionSet::$versions };
    (@results status [$($status:ident $(in $versions:ident)?),+]) => {
        Results::Statuses(&[$((Status::$status, answers!(@versions $($versions)?))),+])
    };
    (@results errno [$($errno:ident),+]) => { Results::Errnos(&[$(WasiErrno::$errno),+]) };
    (@results truth []) => { Results::Truth };
    (@results nothing []) => { Results::Nothing };
    (@results never []) => { Results::Never };
    ($($by:ident $kind:ident [$($result:tt)*]: $($function:ident)+;)+) => {
        impl HostFunction {
            /// What a guest gets back, and from whom.
            pub const fn answer(self) -> Answer {
                match self {
                    $($(HostFunction::$function)|+ => Answer {
                        by: AnsweredBy::$by,
                        results: answers!(@results $kind [$($result)*]),
                    },)+
                }
            }
        }
    };
}

answers! {
    Platform status [Ok, BadArgument, InvalidMemoryAccess]: ProxyLog;
    Platform status [Ok, InvalidMemoryAccess]: ProxyGetLogLevel ProxyGetCurrentTimeNanoseconds;
    Platform status [Ok]: ProxySetTickPeriodMilliseconds;

    Host status [Ok, NotFound]: ProxyDone;
    Host status [Ok, BadArgument]: ProxySetEffectiveContext;
    Host status [Ok, InvalidMemoryAccess, InternalFailure]: ProxyGetConfiguration;

    // The two configurations are the host's own, all other buffers the stream's.
    Stream status [Ok, NotFound, BadArgument, InvalidMemoryAccess, InternalFailure]: ProxyGetBufferBytes;
    Stream status [Ok, NotFound, BadArgument, InvalidMemoryAccess]: ProxyGetBufferStatus ProxySetBufferBytes;

    Stream status [Ok, BadArgument, InvalidMemoryAccess]:
        ProxyGetHeaderMapSize ProxySetHeaderMapPairs ProxyAddHeaderMapValue ProxyReplaceHeaderMapValue
        ProxyRemoveHeaderMapValue;
    Stream status [Ok, BadArgument, InvalidMemoryAccess, InternalFailure]: ProxyGetHeaderMapPairs;
    // 0.1.0 knows no missing header: it is one without a value.
    Stream status [Ok, NotFound in V0_2, BadArgument, InvalidMemoryAccess, InternalFailure]: ProxyGetHeaderMapValue;

    Stream status [Ok, Unimplemented]: ProxyContinueRequest ProxyContinueResponse;
    Stream status [Ok]: ProxyClearRouteCache;
    Stream status [Ok, BadArgument, Unimplemented]: ProxyContinueStream;
    Stream status [Ok, BadArgument]: ProxyCloseStream;
    Stream status [Ok, BadArgument, InvalidMemoryAccess]: ProxySendLocalResponse;
    Host status [Ok, InvalidMemoryAccess, InternalFailure]: ProxyGetStatus;

    Callouts status [Ok, BadArgument, InvalidMemoryAccess, InternalFailure]: ProxyHttpCall;
    // Names and metadata that can't be sent are bad arguments; the specification has no status for them.
    Callouts status [Ok, BadArgument, ParseFailure, InvalidMemoryAccess, InternalFailure]: ProxyGrpcCall ProxyGrpcStream;
    Callouts status [Ok, NotFound, BadArgument, InvalidMemoryAccess, InternalFailure]: ProxyGrpcSend;
    Callouts status [Ok, NotFound, BadArgument]: ProxyGrpcCancel ProxyGrpcClose;

    Shared status [Ok, NotFound, InvalidMemoryAccess, InternalFailure]: ProxyGetSharedData;
    Shared status [Ok, InvalidMemoryAccess, CasMismatch, InternalFailure]: ProxySetSharedData;
    Shared status [Ok, InvalidMemoryAccess, InternalFailure]: ProxyRegisterSharedQueue;
    Shared status [Ok, NotFound, InvalidMemoryAccess]: ProxyResolveSharedQueue;
    Shared status [Ok, NotFound, InvalidMemoryAccess, InternalFailure]: ProxyEnqueueSharedQueue;
    Shared status [Ok, NotFound, InvalidMemoryAccess, Empty, InternalFailure]: ProxyDequeueSharedQueue;

    Shared status [Ok, BadArgument, InvalidMemoryAccess, InternalFailure]: ProxyDefineMetric;
    Shared status [Ok, NotFound]: ProxyRecordMetric;
    Shared status [Ok, NotFound, BadArgument]: ProxyIncrementMetric;
    Shared status [Ok, NotFound, BadArgument, InvalidMemoryAccess]: ProxyGetMetric;

    Stream status [Ok, NotFound, SerializationFailure, InvalidMemoryAccess, InternalFailure]: ProxyGetProperty;
    Stream status [Ok, NotFound, BadArgument, InvalidMemoryAccess]: ProxySetProperty;
    Foreign status [Ok, NotFound, InvalidMemoryAccess, InternalFailure]: ProxyCallForeignFunction;

    Nobody nothing []: EnvEmscriptenNotifyMemoryGrowth;
    Host truth []: EnvPthreadEqual;

    Host errno [Success]: WasiArgsGet WasiSchedYield WasiFdClose WasiFdSeek WasiFdAdvise;
    Host errno [Success, Fault]: WasiArgsSizesGet WasiEnvironGet WasiEnvironSizesGet WasiPollOneoff;
    Host errno [Success, Fault, Notsup]: WasiClockResGet;
    Platform errno [Success, Fault, Notsup]: WasiClockTimeGet;
    Platform errno [Success, Fault, Inval, Io]: WasiRandomGet;
    Platform errno [Success, Badf, Fault, Inval]: WasiFdWrite WasiFdPwrite;
    Host errno [Success, Badf, Fault]: WasiFdFdstatGet WasiFdTell;
    // There is nothing to do for standard output and error, which are the log.
    Host errno [Success, Badf]:
        WasiFdAllocate WasiFdDatasync WasiFdFdstatSetRights WasiFdFilestatSetSize WasiFdFilestatSetTimes WasiFdSync;
    Nobody errno [Badf]: WasiFdFilestatGet WasiFdPrestatGet WasiFdRenumber;
    Nobody errno [Notdir]: WasiFdReaddir;
    Nobody errno [Noent]: WasiPathOpen;
    Nobody errno [Nosys]: WasiFdFdstatSetFlags WasiFdPread WasiFdPrestatDirName WasiFdRead WasiProcRaise;
    Nobody errno [Notsup]:
        WasiPathCreateDirectory WasiPathFilestatGet WasiPathFilestatSetTimes WasiPathLink WasiPathReadlink
        WasiPathRemoveDirectory WasiPathRename WasiPathSymlink WasiPathUnlinkFile
        WasiSockAccept WasiSockRecv WasiSockSend WasiSockShutdown;
    Host never []: WasiProcExit;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Namespace, Param};

    #[test]
    fn results_fit_the_types() {
        for def in HostFunction::TABLE {
            let answer = def.function.answer();
            let fits = match answer.results {
                Results::Statuses(_) => def.namespace == Namespace::Env && def.result == Some(Param::U32),
                Results::Errnos(_) => def.namespace == Namespace::Wasi && def.result == Some(Param::U32),
                Results::Truth => def.result == Some(Param::U32),
                Results::Nothing | Results::Never => def.result.is_none(),
            };
            assert!(fits, "{}", def.name);
        }
    }

    #[test]
    fn results_are_in_order_and_none_is_there_twice() {
        for def in HostFunction::TABLE {
            for &version in AbiVersion::ALL {
                let values = def.function.values(version);
                let sorted = values.windows(2).all(|pair| pair[0] < pair[1]);
                assert!(sorted, "{}: {values:?}", def.name);
                for value in 0..100 {
                    let allowed = def.function.answer().allows(version, value);
                    let foreign = def.function.answer().by == AnsweredBy::Foreign;
                    assert!(
                        allowed == values.contains(&value) || foreign,
                        "{}: {value}",
                        def.name
                    );
                }
            }
        }
    }

    #[test]
    fn a_missing_header_is_an_empty_one_in_the_first_version() {
        let answer = HostFunction::ProxyGetHeaderMapValue.answer();
        assert!(!answer.allows(AbiVersion::V0_1_0, Status::NotFound.as_u32()));
        assert!(answer.allows(AbiVersion::V0_2_1, Status::NotFound.as_u32()));
    }
}
