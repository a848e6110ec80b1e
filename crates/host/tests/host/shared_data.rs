//! Shared data.

use enginebay_host::SharedLimits;
use enginebay_host::abi::LogLevel;

use crate::fixture::{Guest, OUT, Stream, on_each, status};

const AT: u32 = OUT[0];
const LEN: u32 = OUT[1];
/// Where the compare-and-swap number comes back.
const CAS: u32 = 16;

fn get(guest: &mut Guest, key: &str) -> String {
    let [key, size] = guest.put(key);
    status("proxy_get_shared_data", &[key, size, AT, LEN, CAS])
}

/// Sets with the number at an address, plus something.
fn set(guest: &mut Guest, key: &str, value: &str, cas: &str) -> String {
    let ([key, key_size], [value, size]) = (guest.put(key), guest.put(value));
    format!(
        "(call $n (call $proxy_set_shared_data (i32.const {key}) (i32.const {key_size}) (i32.const {value}) \
         (i32.const {size}) {cas}))"
    )
}

const WHATEVER: &str = "(i32.const 0)";
const READ: &str = "(i32.load (i32.const 16))";
const WRONG: &str = "(i32.add (i32.load (i32.const 16)) (i32.const 1))";

#[test]
fn values_are_set_and_compared() {
    on_each(|bay| {
        let mut guest = Guest::new();
        let steps = [
            get(&mut guest, "k"),
            set(&mut guest, "k", "one", WHATEVER),
            get(&mut guest, "k") + "(call $out)",
            set(&mut guest, "k", "two", WRONG),
            set(&mut guest, "k", "two", READ),
            set(&mut guest, "k", "three", READ),
            get(&mut guest, "k") + "(call $out)",
            set(&mut guest, "", "", WHATEVER),
            get(&mut guest, ""),
            format!("(call $n (i32.load (i32.const {LEN})))"),
        ];
        let guest = guest.on_request(&steps);
        assert_eq!(
            bay.reports(&guest),
            ["1", "0", "0", "one", "8", "0", "8", "0", "two", "0", "0", "0"]
        );
    });
}

#[test]
fn vms_of_one_id_share_and_others_do_not() {
    on_each(|bay| {
        let mut writer = Guest::new();
        let step = set(&mut writer, "k", "v", WHATEVER);
        let writer = writer.on_request(&[step]);
        let mut reader = Guest::new();
        let step = get(&mut reader, "k");
        let reader = reader.on_request(&[step]);

        let kept = bay.run(&writer, Stream::plain());
        assert_eq!(bay.reports(&reader)[1..], ["0"]);
        bay.vm_config.vm_id = "other".to_owned();
        assert_eq!(bay.reports(&reader)[2..], ["1"]);
        // The last VM of the id takes the data with it.
        drop(kept);
        bay.vm_config.vm_id = "my_vm".to_owned();
        assert_eq!(bay.reports(&reader)[3..], ["1"]);
    });
}

#[test]
fn memory_that_is_not_the_guests_is_refused() {
    on_each(|bay| {
        let mut guest = Guest::new();
        let end = guest.memory();
        let [key, size] = guest.put("key");
        let steps = [
            status("proxy_set_shared_data", &[key, size, key, size, 0]),
            status("proxy_set_shared_data", &[end, 1, key, size, 0]),
            status("proxy_set_shared_data", &[key, size, end - 1, 2, 0]),
            status("proxy_get_shared_data", &[u32::MAX, 2, AT, LEN, CAS]),
            status("proxy_get_shared_data", &[key, size, end - 3, LEN, CAS]),
            status("proxy_get_shared_data", &[key, size, AT, end - 3, CAS]),
            status("proxy_get_shared_data", &[key, size, AT, LEN, end - 3]),
            status("proxy_get_shared_data", &[key, size, AT, LEN, CAS]),
        ];
        let guest = guest.on_request(&steps);
        assert_eq!(bay.reports(&guest), ["0", "6", "6", "6", "6", "6", "6", "0"]);
    });
}

#[test]
fn what_is_full_says_so() {
    on_each(|bay| {
        let mut limits = SharedLimits::default();
        limits.data_entries = 1;
        let platform = std::rc::Rc::get_mut(&mut bay.platform).unwrap();
        platform.shared = enginebay_host::Shared::new(limits);
        let mut guest = Guest::new();
        let steps = [
            set(&mut guest, "a", "1", WHATEVER),
            set(&mut guest, "b", "1", WHATEVER),
        ];
        let guest = guest.on_request(&steps);
        assert_eq!(bay.reports(&guest), ["0", "10"]);
        assert_eq!(
            bay.logged(LogLevel::Warn),
            [r#"the shared data of vm_id "my_vm" is full: a value was not set"#]
        );
    });
}
