//! Functions that can be imported and do nothing yet.

use enginebay_host::abi::LogLevel;
use enginebay_host::abi::functions::lookup;

use crate::fixture::{Guest, on_each, status};

#[test]
fn they_say_so_by_name_and_return_unimplemented() {
    let functions = [
        "proxy_http_call",
        "proxy_grpc_call",
        "proxy_grpc_stream",
        "proxy_grpc_send",
        "proxy_grpc_cancel",
        "proxy_grpc_close",
    ];
    on_each(|bay| {
        // Wild arguments: nothing looks at them.
        let wild = |function: &&str| {
            let count = lookup("env", function).unwrap().params.len();
            status(function, &vec![u32::MAX; count])
        };
        let steps: Vec<_> = functions.iter().map(wild).collect();
        let guest = Guest::new().on_request(&steps);
        assert_eq!(bay.reports(&guest), vec!["12"; functions.len()]);
        let expected =
            functions.map(|f| format!("{f} is not available in this host: returning UNIMPLEMENTED"));
        assert_eq!(bay.logged(LogLevel::Error), expected);
    });
}
