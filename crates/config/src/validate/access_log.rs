//! Access logs.

use prost_types::Any;

use super::Check;
use crate::descriptors::{WASM_ACCESS_LOG, type_name};
use crate::model::WasmFilter;
use crate::path;
use crate::proto::envoy::config::accesslog::v3::AccessLog;
use crate::proto::envoy::config::accesslog::v3::access_log::ConfigType;
use crate::proto::envoy::extensions::access_loggers::wasm::v3::WasmAccessLog;

impl Check<'_> {
    /// Those that plugins write; others are read and have no effect.
    pub(super) fn access_loggers(&mut self, messages: &[AccessLog], path: &str) -> Vec<WasmFilter> {
        let mut loggers = Vec::new();
        for (at, message) in messages.iter().enumerate() {
            let Some((any, config_path)) = wasm_access_log(message, &path::index(path, at)) else {
                continue;
            };
            let name = self.required(&message.name, &path::index(path, at), "name");
            let logger: Option<WasmAccessLog> = self.unpack(any, &[WASM_ACCESS_LOG], &config_path);
            let Some(logger) = logger else { continue };
            loggers.extend(self.wasm_filter(name, logger.config.as_ref(), &config_path));
        }
        loggers
    }

    /// Refuses access loggers where no plugin is called: better than a log that stays empty.
    pub(super) fn no_access_loggers(&mut self, messages: &[AccessLog], path: &str) {
        for (at, message) in messages.iter().enumerate() {
            if let Some((_, path)) = wasm_access_log(message, &path::index(path, at)) {
                self.problem(
                    path,
                    "plugins are access loggers of an HttpConnectionManager or a TcpProxy only",
                );
            }
        }
    }
}

/// What an access log of a plugin says, and where.
fn wasm_access_log<'a>(message: &'a AccessLog, path: &str) -> Option<(&'a Any, String)> {
    let ConfigType::TypedConfig(any) = message.config_type.as_ref()?;
    (type_name(&any.type_url) == WASM_ACCESS_LOG).then(|| (any, path::field(path, "typed_config")))
}
