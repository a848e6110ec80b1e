//! Section "Logging".

use enginebay::abi::{HostFunction as F, LogLevel, Status};

use super::with_bad_pointers;
use crate::case::{Case, Effect, NUMBER, data, num};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = with_bad_pointers(
        Case::of(F::ProxyLog, "ok")
            .call(
                F::ProxyLog,
                [num(LogLevel::Info.as_u32()), data("hello")],
                Status::Ok,
            )
            .then(Effect::Logged(LogLevel::Info, "hello")),
    );
    for level in LogLevel::ALL {
        cases.push(
            Case::of(F::ProxyLog, &format!("ok/{}", level.name().to_lowercase()))
                .call(F::ProxyLog, [num(level.as_u32()), data("text")], Status::Ok)
                .then(Effect::Logged(*level, "text")),
        );
    }
    cases.push(
        Case::of(F::ProxyLog, "ok/below_the_level")
            .given(|given| given.log_level = LogLevel::Warn)
            .call(F::ProxyLog, [num(2), data("text")], Status::Ok)
            .then(Effect::Silent),
    );
    for (name, level) in [("bad_argument", 6), ("bad_argument/negative", u32::MAX)] {
        cases.push(
            Case::of(F::ProxyLog, name)
                .call(F::ProxyLog, [num(level), data("text")], Status::BadArgument)
                .then(Effect::Silent),
        );
    }
    cases.extend(with_bad_pointers(
        Case::of(F::ProxyGetLogLevel, "ok")
            .given(|given| given.log_level = LogLevel::Warn)
            .call(F::ProxyGetLogLevel, [num(NUMBER)], Status::Ok)
            .number(LogLevel::Warn.as_u32()),
    ));
    cases
}
