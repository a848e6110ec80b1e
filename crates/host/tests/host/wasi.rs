//! WASI, under both of its names.

use enginebay_engine::TrapKind;
use enginebay_host::FailState;
use enginebay_host::abi::LogLevel;

use crate::fixture::{Bay, Guest, Stream, TestPlatform, on_each, status};

const BADF: &str = "8";
const FAULT: &str = "21";
const INVAL: &str = "28";
const IO: &str = "29";
const NOENT: &str = "44";
const NOSYS: &str = "52";
const NOTSUP: &str = "58";

/// Runs a test on every engine under both names of WASI.
fn on_both(test: impl Fn(&mut Bay, Guest)) {
    on_each(|bay| {
        for wasi in ["wasi_snapshot_preview1", "wasi_unstable"] {
            let mut guest = Guest::new();
            guest.wasi = wasi;
            bay.platform.clear();
            test(bay, guest);
        }
    });
}

/// Puts pieces of text and the list of them into memory; gives the address and length of the list.
fn pieces(guest: &mut Guest, texts: &[&str]) -> [u32; 2] {
    let mut list = Vec::new();
    for text in texts {
        for word in guest.put(text) {
            list.extend_from_slice(&word.to_le_bytes());
        }
    }
    [guest.put(list)[0], texts.len() as u32]
}

const WRITTEN: &str = "(call $n (i32.load (i32.const 8)))";

#[test]
fn writing() {
    on_both(|bay, mut guest| {
        let mut write = |fd, texts: &[&str]| {
            let [list, count] = pieces(&mut guest, texts);
            status("fd_write", &[fd, list, count, 8]) + WRITTEN
        };
        let steps = [
            write(1, &["out\n"]),
            write(2, &["er", "", "ror\n\n"]),
            write(1, &["no newline"]),
            write(1, &["\n"]),
            // Nothing is not a message.
            write(1, &[]),
            write(1, &["", ""]),
        ];
        let reports = bay.reports(&guest.on_request(&steps));
        assert_eq!(
            reports,
            ["0", "4", "0", "7", "0", "10", "0", "1", "0", "0", "0", "0"]
        );
        assert_eq!(bay.logged(LogLevel::Info), ["out", "no newline", ""]);
        assert_eq!(bay.logged(LogLevel::Error), ["error\n"]);
    });
}

#[test]
fn writing_where_and_what_cannot_be() {
    on_both(|bay, mut guest| {
        let [list, count] = pieces(&mut guest, &["text"]);
        let end = guest.memory();
        let piece = |guest: &mut Guest, at: u32, len: u32| {
            let list = guest.put([at.to_le_bytes(), len.to_le_bytes()].concat());
            status("fd_write", &[1, list[0], 1, 8])
        };
        let many = guest.put(vec![0; 8 * 1025])[0];
        let steps = [
            status("fd_write", &[0, list, count, 8]),
            status("fd_write", &[3, list, count, 8]),
            status("fd_write", &[u32::MAX, u32::MAX, count, 8]),
            status("fd_write", &[1, end - 7, count, 8]),
            status("fd_write", &[1, end - 8, 2, 8]),
            status("fd_write", &[1, list, count, end - 3]),
            piece(&mut guest, end, 1),
            piece(&mut guest, end - 1, 2),
            piece(&mut guest, 0, u32::MAX),
            // An empty piece is nowhere.
            piece(&mut guest, u32::MAX, 0),
            status("fd_write", &[1, many, 1024, 8]),
            status("fd_write", &[1, many, 1025, 8]),
            status("fd_write", &[1, many, u32::MAX, 8]),
        ];
        let reports = bay.reports(&guest.on_request(&steps));
        let expected = [
            BADF, BADF, BADF, FAULT, FAULT, FAULT, FAULT, FAULT, FAULT, "0", "0", INVAL, INVAL,
        ];
        assert_eq!(reports, expected);
        assert!(bay.logged(LogLevel::Info).is_empty());
    });
}

#[test]
fn environment_and_arguments() {
    on_both(|bay, guest| {
        let sizes = "(call $n (i32.load (i32.const 8))) (call $n (i32.load (i32.const 12)))";
        let none = [
            status("environ_sizes_get", &[8, 12]) + sizes,
            status("environ_get", &[8, 12]),
            "(i32.store (i32.const 8) (i32.const 5))".to_owned(),
            status("args_sizes_get", &[8, 12]) + sizes,
            status("args_get", &[8, 12]),
        ];
        bay.vm_config.environment.clear();
        let reports = bay.reports(&guest.clone().on_request(&none));
        assert_eq!(reports, ["0", "0", "0", "0", "0", "0", "0", "0"]);

        let environment = [("A", "1"), ("EMPTY", ""), ("B", "two words")];
        bay.vm_config.environment = environment.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        let steps = [
            status("environ_sizes_get", &[8, 12]) + sizes,
            status("environ_get", &[16, 512]),
            "(call $n (i32.load (i32.const 16))) (call $n (i32.load (i32.const 20)))
             (call $n (i32.load (i32.const 24))) (call $log (i32.const 512) (i32.const 23))"
                .to_owned(),
        ];
        bay.platform.clear();
        let reports = bay.reports(&guest.on_request(&steps));
        assert_eq!(
            reports,
            [
                "0",
                "3",
                "23",
                "0",
                "512",
                "516",
                "523",
                "A=1\0EMPTY=\0B=two words\0"
            ]
        );
    });
}

#[test]
fn clocks() {
    on_both(|bay, guest| {
        let clock = |id| status("clock_time_get", &[id, 0, 16]);
        let value = "(call $n (i32.load (i32.const 16))) (call $n (i32.load (i32.const 20)))";
        let steps = [
            clock(0) + value,
            clock(1) + value,
            clock(2),
            clock(3),
            clock(4),
            clock(u32::MAX),
            status("clock_res_get", &[0, 16]) + value,
            status("clock_res_get", &[1, 16]) + value,
            status("clock_res_get", &[2, 16]),
            status("clock_res_get", &[9, 16]),
        ];
        let low = (TestPlatform::REALTIME as u32).to_string();
        let high = (TestPlatform::REALTIME >> 32).to_string();
        let monotonic = TestPlatform::MONOTONIC.to_string();
        let expected = [
            "0", &low, &high, "0", &monotonic, "0", NOTSUP, NOTSUP, NOTSUP, NOTSUP, "0", "1", "0", "0", "1",
            "0", NOTSUP, NOTSUP,
        ];
        assert_eq!(bay.reports(&guest.on_request(&steps)), expected);
    });
}

#[test]
fn randomness() {
    on_both(|bay, guest| {
        let steps = [
            "(i32.store (i32.const 20) (i32.const 9))".to_owned(),
            status("random_get", &[16, 4]),
            "(call $n (i32.load8_u (i32.const 16))) (call $n (i32.load8_u (i32.const 19)))
             (call $n (i32.load8_u (i32.const 20)))"
                .to_owned(),
            status("random_get", &[16, 0]),
            status("random_get", &[65536, 65536]),
            "(call $n (i32.load8_u (i32.const 65536)))".to_owned(),
            status("random_get", &[65536, 65537]),
            status("random_get", &[4 * 65536 - 3, 4]),
        ];
        let guest = guest.on_request(&steps);
        bay.platform.has_random.set(true);
        let expected = ["0", "1", "4", "9", "0", "0", "1", INVAL, FAULT];
        assert_eq!(bay.reports(&guest), expected);
        bay.platform.clear();
        bay.platform.has_random.set(false);
        assert_eq!(bay.reports(&guest)[0], IO);
    });
}

#[test]
fn leaving_is_a_trap() {
    on_both(|bay, guest| {
        let exit = "(call $proc_exit (i32.const 42)) (call $n (i32.const 1))";
        let failure = bay
            .run(
                &guest.clone().on("proxy_on_request_headers", exit),
                Stream::plain(),
            )
            .result
            .unwrap_err();
        assert_eq!(failure.state(), FailState::RuntimeError);
        assert_eq!(failure.trap().unwrap().kind(), TrapKind::Exit(42));
        assert!(
            failure
                .to_string()
                .starts_with("Function: proxy_on_request_headers failed: proc_exit: exit code 42"),
            "{failure}"
        );
        assert!(bay.platform.reports().is_empty());
        // Also with 0, and also where it is what a WASI command does.
        let failure = bay
            .try_vm(&guest.on("_start", "(call $proc_exit (i32.const 0))"))
            .err()
            .unwrap();
        assert_eq!(failure.state(), FailState::UnableToInitializeCode);
        assert_eq!(failure.trap().unwrap().kind(), TrapKind::Exit(0));
    });
}

#[test]
fn descriptors() {
    on_both(|bay, guest| {
        let stat = |fd| status("fd_fdstat_get", &[fd, 64]);
        let words: String = (0..6)
            .map(|word| format!("(call $n (i32.load (i32.const {})))", 64 + 4 * word))
            .collect();
        let steps = [
            "(i64.store (i32.const 64) (i64.const -1)) (i64.store (i32.const 80) (i64.const -1))".to_owned(),
            stat(1),
            words,
            stat(2),
            stat(0),
            stat(3),
            status("fd_prestat_get", &[3, 64]),
            status("fd_prestat_dir_name", &[3, 64, 8]),
            status("fd_read", &[0, 64, 1, 8]),
            status("fd_seek", &[1, 0, 0, 8]),
            status("fd_close", &[1]),
            status("fd_sync", &[1]),
            status("path_open", &[3, 0, 64, 1, 0, 0, 0, 0, 8]),
            status("sock_accept", &[3, 0, 8]),
            status("poll_oneoff", &[64, 64, 1, 8]),
            status("proc_raise", &[9]),
            status("sched_yield", &[]),
            status("pthread_equal", &[7, 7]),
            status("pthread_equal", &[7, 8]),
            "(call $emscripten_notify_memory_growth (i32.const 0))".to_owned(),
        ];
        let expected = [
            "0", "0", "0", "64", "0", "0", "0", "0", BADF, BADF, BADF, NOSYS, NOSYS, "0", "0", "0", NOENT,
            NOTSUP, "0", NOSYS, "0", "1", "0",
        ];
        assert_eq!(bay.reports(&guest.on_request(&steps)), expected);
    });
}
