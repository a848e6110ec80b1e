//! Logging and time.

use enginebay_host::abi::LogLevel;

use crate::fixture::{Guest, Stream, TestPlatform, on_each, status};

#[test]
fn messages_and_their_levels() {
    on_each(|bay| {
        let mut guest = Guest::new();
        let [at, len] = guest.put("hello");
        let [bad, bad_len] = guest.put(b"a\xffb");
        let mut steps: Vec<_> = (0..=6)
            .map(|level| status("proxy_log", &[level, at, len]))
            .collect();
        steps.push(status("proxy_log", &[u32::MAX, at, len]));
        steps.push(status("proxy_log", &[3, bad, bad_len]));
        steps.push(status("proxy_log", &[3, 0, 0]));
        // The level comes first.
        steps.push(status("proxy_log", &[6, u32::MAX, len]));
        let guest = guest.on_request(&steps);
        assert_eq!(
            bay.reports(&guest),
            ["hello", "0", "0", "0", "0", "0", "0", "2", "2", "0", "0", "2"]
        );
        for level in [
            LogLevel::Debug,
            LogLevel::Info,
            LogLevel::Error,
            LogLevel::Critical,
        ] {
            assert_eq!(bay.logged(level), ["hello"]);
        }
        assert_eq!(bay.logged(LogLevel::Warn), ["hello", "a\u{fffd}b", ""]);
    });
}

#[test]
fn what_is_below_the_level_is_not_logged_and_still_checked() {
    on_each(|bay| {
        bay.platform.level.set(LogLevel::Warn);
        let mut guest = Guest::new();
        let [at, len] = guest.put("hello");
        let steps = [
            status("proxy_log", &[2, at, len]),
            status("proxy_log", &[3, at, len]),
            status("proxy_log", &[2, u32::MAX, len]),
            status("proxy_get_log_level", &[8]),
            "(drop (call $proxy_log (i32.const 3) (i32.const 1024) (i32.load (i32.const 8))))".to_owned(),
            // The guest's own reports are below.
            "(if (i32.ne (i32.const 6) (call $proxy_log (i32.const 2) (i32.const -1) (i32.const 5)))
                (then unreachable))"
                .to_owned(),
        ];
        bay.run(&guest.on_request(&steps), Stream::plain())
            .result
            .unwrap();
        assert_eq!(bay.logged(LogLevel::Warn), ["hello", "hel"]);
        assert_eq!(bay.platform.lines().len(), 2);
    });
}

#[test]
fn lines_are_those_of_envoy() {
    on_each(|bay| {
        let say = "(call $n (i32.const 1))";
        let guest = Guest::new()
            .on("proxy_on_configure", say)
            .on("proxy_on_request_headers", say);
        bay.run(&guest, Stream::plain()).result.unwrap();
        assert_eq!(
            bay.platform.lines(),
            ["wasm log my_root my_vm: 1", "wasm log my_plugin my_root my_vm: 1"]
        );
    });
}

#[test]
fn time() {
    on_each(|bay| {
        let [low, high] = [
            TestPlatform::REALTIME as u32,
            (TestPlatform::REALTIME >> 32) as u32,
        ];
        let steps = [
            status("proxy_get_current_time_nanoseconds", &[16]),
            "(call $n (i32.load (i32.const 16))) (call $n (i32.load (i32.const 20)))".to_owned(),
        ];
        let reports = bay.reports(&Guest::new().on_request(&steps));
        assert_eq!(reports, ["0".to_owned(), low.to_string(), high.to_string()]);
    });
}
