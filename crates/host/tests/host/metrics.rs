//! Metrics.

use enginebay_host::abi::LogLevel;
use enginebay_host::{MetricValue, Shared, SharedLimits};

use crate::fixture::{Guest, Stream, on_each, status};

/// Where numbers come back.
const AT: u32 = 16;

fn define(guest: &mut Guest, kind: u32, name: &str) -> String {
    let [name, size] = guest.put(name);
    status("proxy_define_metric", &[kind, name, size, AT]) + &report()
}

fn report() -> String {
    format!("(call $n (i32.load (i32.const {AT})))")
}

fn get(metric: u32) -> String {
    status("proxy_get_metric", &[metric, AT]) + &report()
}

#[test]
fn each_kind_does_what_it_can() {
    on_each(|bay| {
        let mut guest = Guest::new();
        let decrement = "(call $n (call $proxy_increment_metric (i32.const 5) (i64.const -2)))
            (call $n (call $proxy_increment_metric (i32.const 4) (i64.const -2)))";
        let steps = [
            define(&mut guest, 0, "c"),
            define(&mut guest, 1, "g"),
            define(&mut guest, 2, "h"),
            status("proxy_increment_metric", &[4, 3]),
            status("proxy_record_metric", &[4, 4]),
            get(4),
            status("proxy_record_metric", &[5, 10]),
            decrement.to_owned(),
            get(5),
            status("proxy_record_metric", &[6, 10]),
            status("proxy_increment_metric", &[6, 1]),
            status("proxy_get_metric", &[6, AT]),
        ];
        let guest = guest.on_request(&steps);
        let run = bay.run(&guest, Stream::plain());
        run.result.unwrap();
        let expected = [
            "0", "4", "0", "5", "0", "6", "0", "0", "0", "7", "0", "0", "2", "0", "8", "0", "2", "2",
        ];
        assert_eq!(bay.platform.reports(), expected);
        let metrics = bay.platform.shared.metrics().snapshot();
        assert_eq!(metrics[0], ("c".to_owned(), MetricValue::Counter(7)));
        assert_eq!(metrics[1], ("g".to_owned(), MetricValue::Gauge(8)));
        assert!(
            matches!(
                &metrics[2].1,
                MetricValue::Histogram {
                    count: 1,
                    sum: 10,
                    ..
                }
            ),
            "{metrics:?}"
        );
    });
}

#[test]
fn what_is_not_there_is_not_found() {
    on_each(|bay| {
        let mut guest = Guest::new();
        let end = guest.memory();
        let [name, size] = guest.put("name");
        let steps = [
            status("proxy_define_metric", &[3, name, size, AT]),
            status("proxy_define_metric", &[0, end, 1, AT]),
            status("proxy_define_metric", &[0, name, size, end - 3]),
            status("proxy_get_metric", &[4, AT]),
            status("proxy_record_metric", &[5, 1]),
            status("proxy_increment_metric", &[4, 1]),
            define(&mut guest, 0, "c"),
            status("proxy_get_metric", &[4, end - 7]),
        ];
        let guest = guest.on_request(&steps);
        assert_eq!(bay.reports(&guest), ["2", "6", "6", "1", "1", "1", "0", "4", "6"]);
    });
}

#[test]
fn vms_share_what_has_one_name() {
    on_each(|bay| {
        let mut guest = Guest::new();
        let steps = [
            define(&mut guest, 0, "c"),
            status("proxy_increment_metric", &[4, 1]),
        ];
        let guest = guest.on_request(&steps);
        for _ in 0..3 {
            bay.run(&guest, Stream::plain()).result.unwrap();
            bay.vm_config.vm_id += "x";
        }
        let metrics = bay.platform.shared.metrics().snapshot();
        assert_eq!(metrics, [("c".to_owned(), MetricValue::Counter(3))]);
    });
}

#[test]
fn what_is_full_says_so() {
    on_each(|bay| {
        let mut limits = SharedLimits::default();
        limits.metrics_per_vm = 1;
        let platform = std::rc::Rc::get_mut(&mut bay.platform).unwrap();
        platform.shared = Shared::new(limits);
        let mut guest = Guest::new();
        let steps = [define(&mut guest, 0, "a"), define(&mut guest, 0, "a")];
        let guest = guest.on_request(&steps);
        assert_eq!(bay.reports(&guest), ["0", "4", "10", "0"]);
        assert_eq!(
            bay.logged(LogLevel::Warn),
            ["a metric was not defined: there are too many, or its name is too long"]
        );
    });
}
