//! `capability_restriction_config`.

use http::Version;

use crate::client::Client;
use crate::config::{Plugin, bootstrap, http_listener};
use crate::runtimes::RUNTIMES;
use crate::server::{Server, until};
use crate::upstream;

/// All that the guest needs but `proxy_get_header_map_value` and `proxy_on_response_headers`.
const SOME: &str = "capability_restriction_config: {allowed_capabilities: {proxy_log: {}, proxy_get_property: {}, \
    proxy_get_buffer_bytes: {}, proxy_add_header_map_value: {}, proxy_set_effective_context: {}, \
    proxy_on_context_create: {}, proxy_on_vm_start: {}, proxy_on_configure: {}, proxy_on_request_headers: {}, \
    proxy_on_done: {}, proxy_on_delete: {}}}";

/// All that the guest needs but `proxy_add_header_map_value`.
const NO_HEADERS: &str = "capability_restriction_config: {allowed_capabilities: {proxy_log: {}, \
    proxy_get_buffer_bytes: {}, environ_get: {}, environ_sizes_get: {}, fd_write: {}, proxy_on_context_create: {}, \
    proxy_on_vm_start: {}, proxy_on_configure: {}, proxy_on_request_headers: {}, proxy_on_done: {}, \
    proxy_on_delete: {}}}";

pub(crate) const DENIED: &str = "Attempted call to restricted proxy-wasm capability: ";

// What Envoy 1.40 answers and logs with the same plugins and the same maps.
#[tokio::test]
async fn a_plugin_without_all_capabilities() {
    let port = upstream::start("a", Version::HTTP_2).await;
    for runtime in RUNTIMES.iter().copied() {
        let assembly = Plugin::new(runtime, "assemblyscript");
        let some = Plugin {
            more: SOME,
            ..assembly.clone()
        };
        let no_headers = Plugin {
            more: NO_HEADERS,
            ..Plugin::new(runtime, "add_header")
        };
        let listeners = [
            http_listener("some", &[some], &[]),
            http_listener("all", &[assembly], &[]),
            http_listener("no_headers", &[no_headers], &[]),
        ];
        let server = Server::start(&bootstrap(&listeners, &[port], true));

        // The guest reads two headers, and takes one that it can't read for an empty one.
        let mut client = Client::http1(server.at("some")).await;
        let denied = format!("{DENIED}proxy_get_header_map_value");
        for request in 1..=2 {
            let answer = client.get_with("/some", "x-user", "me").await;
            assert_eq!(answer.status, 200);
            assert!(
                answer.text().contains("\nx-assembly: nobody\n"),
                "{}",
                answer.text()
            );
            assert_eq!(answer.header("x-assembly"), None);
            until("logged", || server.log().matches(&denied).count() >= 2 * request).await;
            assert_eq!(server.log().matches(&denied).count(), 2 * request);
        }
        let line = format!("wasm log assemblyscript: {denied}");
        let log = server.log();
        assert!(
            log.lines().any(|l| l.contains("[error]") && l.contains(&line)),
            "{log}"
        );

        // The same code and VM without restriction.
        let mut client = Client::http1(server.at("all")).await;
        let answer = client.get_with("/some", "x-user", "me").await;
        assert!(answer.text().contains("\nx-assembly: me\n"), "{}", answer.text());
        assert_eq!(answer.header("x-assembly"), Some("script"));
        assert_eq!(server.log().matches(&denied).count(), 4);

        // The Rust SDK panics at a status that it doesn't know of.
        let mut client = Client::http1(server.at("no_headers")).await;
        assert_eq!(client.get("/some").await.status, 503);
        let log = server.log_with("Function: proxy_on_request_headers failed").await;
        assert!(
            log.contains(&format!("{DENIED}proxy_add_header_map_value")),
            "{log}"
        );
    }
}
