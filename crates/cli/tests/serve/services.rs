//! Plugins that serve no request (`envoy.bootstrap.wasm`).

use crate::config::{config, guest};
use crate::runtimes::{RUNTIMES, any_runtime};
use crate::server::{Server, until};

fn service(runtime: &str, singleton: bool) -> String {
    let file = guest("ticker");
    format!(
        "bootstrap_extensions:\n- name: envoy.bootstrap.wasm\n  typed_config:\n    \"@type\": \
         type.googleapis.com/envoy.extensions.wasm.v3.WasmService\n    singleton: {singleton}\n    config:\n      name: \
         ticker\n      vm_config: {{runtime: {runtime}, code: {{local: {{filename: {file:?}}}}}}}\n      configuration: \
         {{\"@type\": type.googleapis.com/google.protobuf.StringValue, value: \"10 3\"}}\n{}",
        config(&[], &[], false)
    )
}

#[tokio::test]
async fn a_singleton_has_one_vm_and_others_one_for_each_thread() {
    for runtime in RUNTIMES.iter().copied() {
        for (singleton, vms) in [(true, 1), (false, 3)] {
            let server = Server::start(&service(runtime, singleton));
            assert_eq!(server.stat(&format!("wasm.{runtime}.active")), vms);
            until("ticked", || server.stat("wasmcustom.ticker_ticks") == 3 * vms).await;
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            assert_eq!(server.stat("wasmcustom.ticker_ticks"), 3 * vms);
        }
    }
}

#[tokio::test]
async fn a_service_goes_with_its_configuration() {
    let runtime = any_runtime();
    let server = Server::start(&service(runtime, false));
    assert!(server.change_to(&config(&[], &[], false)).await.is_ok());
    until("gone", || server.stat(&format!("wasm.{runtime}.active")) == 0).await;
    assert!(server.change_to(&service(runtime, true)).await.is_ok());
    assert_eq!(server.stat(&format!("wasm.{runtime}.active")), 1);
}
