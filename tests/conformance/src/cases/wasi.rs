//! WASI preview 1 and Emscripten's functions.

use enginebay::abi::wasi::MAX_RANDOM_BYTES;
use enginebay::abi::{HostFunction as F, LogLevel, Namespace, Results, VersionSet, WasiErrno};

use super::with_bad_pointers;
use crate::case::{Area, Arg, Case, Effect, NUMBER, OTHER, OUT, Step, num, wide};
use crate::host::{MONOTONIC, REALTIME};

const OK: WasiErrno = WasiErrno::Success;

fn case(function: F, name: &str) -> Case {
    Case::of(function, name)
        .in_area(Area::Wasi)
        .in_versions(VersionSet::V0_2_1)
}

fn pieces(texts: &[&str]) -> Arg {
    Arg::Pieces(texts.iter().map(|text| text.as_bytes().to_vec()).collect())
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = writing();
    cases.extend(surroundings());
    cases.extend(descriptors());
    cases.extend(refused());
    cases.extend(emscripten());
    cases
}

fn writing() -> Vec<Case> {
    let mut cases = Vec::new();
    for (function, offset) in [(F::WasiFdWrite, None), (F::WasiFdPwrite, Some(wide(3)))] {
        let case = |name: &str| case(function, name);
        let write = |case: Case, fd: u32, list: Arg, returns: WasiErrno| {
            let args = [num(fd), list]
                .into_iter()
                .chain(offset.clone())
                .chain([num(NUMBER)]);
            case.call(function, args, returns)
        };
        cases.extend(with_bad_pointers(
            write(case("success"), 1, pieces(&["hello ", "world\n"]), OK)
                .number(12)
                .then(Effect::Logged(LogLevel::Info, "hello world")),
        ));
        // One piece, which is nowhere itself.
        let list = case("fault/a_piece")
            .step(Step::Store(OTHER, u32::MAX - 8))
            .step(Step::Store(OTHER + 4, 4));
        let args = [num(1), num(OTHER), num(1)]
            .into_iter()
            .chain(offset.clone())
            .chain([num(NUMBER)]);
        cases.push(list.call(function, args, WasiErrno::Fault).then(Effect::Silent));
        cases.extend([
            write(case("success/standard_error"), 2, pieces(&["oh"]), OK)
                .number(2)
                .then(Effect::Logged(LogLevel::Error, "oh")),
            write(case("success/nothing"), 1, pieces(&[]), OK)
                .number(0)
                .then(Effect::Silent),
            write(case("badf"), 0, pieces(&["x"]), WasiErrno::Badf).then(Effect::Silent),
            write(case("badf/3"), 3, pieces(&["x"]), WasiErrno::Badf).then(Effect::Silent),
            write(case("badf/negative"), u32::MAX, pieces(&["x"]), WasiErrno::Badf),
            write(
                case("inval"),
                1,
                Arg::Pieces(vec![Vec::new(); 1025]),
                WasiErrno::Inval,
            )
            .differs("Envoy has no bound"),
        ]);
    }
    cases
}

fn surroundings() -> Vec<Case> {
    let mut cases = Vec::new();
    let sizes = |function: F| case(function, "success").call(function, OUT.map(num), OK);
    let two = |a: u32, b: u32| Step::Memory(OUT[0], [a.to_le_bytes(), b.to_le_bytes()].concat());
    cases.extend(with_bad_pointers(sizes(F::WasiArgsSizesGet).step(two(0, 0))));
    cases.push(case(F::WasiArgsGet, "success").call(F::WasiArgsGet, OUT.map(num), OK));
    cases.extend(with_bad_pointers(sizes(F::WasiEnvironSizesGet).step(two(2, 17))));
    let environ = case(F::WasiEnvironGet, "success").call(F::WasiEnvironGet, [num(8), num(512)], OK);
    cases.extend(with_bad_pointers(
        environ
            .step(two(512, 522))
            .step(Step::Memory(512, b"KEY=value\0EMPTY=\0".into())),
    ));
    cases.push(
        case(F::WasiEnvironSizesGet, "success/none")
            .given(|given| given.environment = Vec::new())
            .call(F::WasiEnvironSizesGet, OUT.map(num), OK)
            .step(two(0, 0)),
    );

    let clock = |name: &str, id: u32, returns: WasiErrno| {
        case(F::WasiClockTimeGet, name).call(F::WasiClockTimeGet, [num(id), wide(0), num(NUMBER)], returns)
    };
    let time = |value: u64| Step::Memory(NUMBER, value.to_le_bytes().into());
    cases.extend(with_bad_pointers(clock("success", 0, OK).step(time(REALTIME))));
    cases.push(clock("success/monotonic", 1, OK).step(time(MONOTONIC)));
    for (name, id) in [
        ("notsup", 2),
        ("notsup/thread", 3),
        ("notsup/unknown", 4),
        ("notsup/negative", u32::MAX),
    ] {
        cases.push(clock(name, id, WasiErrno::Notsup));
    }
    let resolution = |name: &str, id: u32, returns: WasiErrno| {
        case(F::WasiClockResGet, name).call(F::WasiClockResGet, [num(id), num(NUMBER)], returns)
    };
    cases.extend(with_bad_pointers(resolution("success", 0, OK).step(time(1))));
    cases.push(resolution("success/monotonic", 1, OK).step(time(1)));
    cases.push(resolution("notsup", 2, WasiErrno::Notsup));

    let random = |name: &str, size: u32, returns: WasiErrno| {
        case(F::WasiRandomGet, name).call(F::WasiRandomGet, [num(1 << 17), num(size)], returns)
    };
    cases.extend(with_bad_pointers(
        random("success", 4, OK).step(Step::Memory(1 << 17, vec![1, 2, 3, 4, 0])),
    ));
    cases.extend([
        random("success/nothing", 0, OK),
        random("success/as_much_as_there_is_at_once", MAX_RANDOM_BYTES, OK),
        random("inval", MAX_RANDOM_BYTES + 1, WasiErrno::Inval),
        random("io", 4, WasiErrno::Io).given(|given| given.random = false),
    ]);
    cases
}

fn descriptors() -> Vec<Case> {
    let mut cases = Vec::new();
    let stat = |name: &str, fd: u32, returns: WasiErrno| {
        case(F::WasiFdFdstatGet, name).call(F::WasiFdFdstatGet, [num(fd), num(512)], returns)
    };
    // No type, and the one right to write.
    let mut writable = vec![0; 24];
    writable[8] = 64;
    cases.extend(with_bad_pointers(
        stat("success", 1, OK).step(Step::Memory(512, writable)),
    ));
    cases.push(stat("success/standard_error", 2, OK));
    cases.push(stat("badf", 0, WasiErrno::Badf));
    cases.push(stat("badf/3", 3, WasiErrno::Badf));
    let tell = |name: &str, fd: u32, returns: WasiErrno| {
        case(F::WasiFdTell, name).call(F::WasiFdTell, [num(fd), num(NUMBER)], returns)
    };
    cases.extend(with_bad_pointers(
        tell("success", 1, OK).step(Step::Memory(NUMBER, vec![0; 8])),
    ));
    cases.push(tell("badf", 3, WasiErrno::Badf));
    let poll = [num(512), num(600), num(1), num(NUMBER)];
    cases.extend(with_bad_pointers(
        case(F::WasiPollOneoff, "success")
            .call(F::WasiPollOneoff, poll, OK)
            .number(0),
    ));
    // What answers by the descriptor alone.
    for function in [
        F::WasiFdAllocate,
        F::WasiFdDatasync,
        F::WasiFdFdstatSetRights,
        F::WasiFdFilestatSetSize,
        F::WasiFdFilestatSetTimes,
        F::WasiFdSync,
    ] {
        for (name, fd, returns) in [
            ("success", 1, OK),
            ("success/standard_error", 2, OK),
            ("badf", 0, WasiErrno::Badf),
            ("badf/3", 3, WasiErrno::Badf),
        ] {
            cases.push(case(function, name).call(function, with_descriptor(function, fd), returns));
        }
    }
    cases
}

/// A descriptor, and zeros.
fn with_descriptor(function: F, fd: u32) -> Vec<Arg> {
    let mut args = vec![num(0); function.def().params.len()];
    if let Some(first) = args.first_mut() {
        *first = num(fd);
    }
    args
}

/// What always has one answer, whatever it is asked.
fn refused() -> Vec<Case> {
    let wasi = F::ALL
        .iter()
        .filter(|function| function.def().namespace == Namespace::Wasi);
    let mut cases = Vec::new();
    for function in wasi {
        let Results::Errnos([errno]) = function.answer().results else {
            continue;
        };
        if *function == F::WasiArgsGet {
            continue;
        }
        let name = errno.name().to_lowercase();
        for fd in [1, 3] {
            let name = format!("{name}/{fd}");
            let args = with_descriptor(*function, fd);
            cases.push(case(*function, &name).call(*function, args, *errno));
        }
        // No address is looked at.
        let args = vec![Arg::Num(u64::MAX); function.def().params.len()];
        cases.push(case(*function, &format!("{name}/arguments_of_ones")).call(*function, args, *errno));
    }
    cases.push(
        case(F::WasiProcExit, "ends_the_call")
            .call(F::WasiProcExit, [num(42)], ())
            .failing("proc_exit: exit code 42"),
    );
    cases
}

fn emscripten() -> Vec<Case> {
    let growth = F::EnvEmscriptenNotifyMemoryGrowth;
    let equal = F::EnvPthreadEqual;
    vec![
        Case::of(growth, "called").call(growth, [num(0)], ()),
        Case::of(equal, "equal").call(equal, [num(7), num(7)], 1),
        Case::of(equal, "different").call(equal, [num(7), num(8)], 0),
    ]
}
