//! `HttpConnectionManager` and its filters.

use super::{Check, REQUIRED};
use crate::descriptors::{ROUTER, WASM, type_name};
use crate::model::{Codec, HttpListener, WasmFilter};
use crate::path;
use crate::proto::envoy::extensions::filters::http::wasm::v3::Wasm;
use crate::proto::envoy::extensions::filters::network::http_connection_manager::v3 as manager;

impl Check<'_> {
    pub(super) fn http(
        &mut self,
        message: &manager::HttpConnectionManager,
        path: &str,
    ) -> Option<HttpListener> {
        use manager::http_connection_manager::{CodecType, RouteSpecifier};
        let stat_prefix = self.required(&message.stat_prefix, path, "stat_prefix");
        let codec = match message.codec_type() {
            CodecType::Auto => Codec::Auto,
            CodecType::Http1 => Codec::Http1,
            CodecType::Http2 => Codec::Http2,
            CodecType::Http3 => {
                let problem = "HTTP3 is not supported; supported: AUTO, HTTP1, HTTP2";
                self.problem(path::field(path, "codec_type"), problem);
                Codec::Auto
            }
        };
        let filters = self.filters(&message.http_filters, &path::field(path, "http_filters"));
        let access_loggers = self.access_loggers(&message.access_log, &path::field(path, "access_log"));
        let routes_path = path::field(path, "route_config");
        let Some(RouteSpecifier::RouteConfig(routes)) = &message.route_specifier else {
            self.problem(routes_path, REQUIRED);
            return None;
        };
        let routes = self.routes(routes, &routes_path);
        let server_name = Some(message.server_name.clone()).filter(|name| !name.is_empty());
        Some(HttpListener {
            stat_prefix,
            codec,
            server_name,
            routes,
            filters,
            access_loggers,
        })
    }

    fn not_terminal(&mut self, name: &str, path: &str) {
        let problem = format!(
            "non-terminal filter named {name} of type envoy.filters.http.wasm is the last filter in a http filter chain; \
             add the router (envoy.filters.http.router)"
        );
        self.problem(path, problem);
    }

    fn filters(&mut self, messages: &[manager::HttpFilter], path: &str) -> Vec<WasmFilter> {
        use manager::http_filter::ConfigType;
        let mut filters = Vec::new();
        if messages.is_empty() {
            self.problem(
                path,
                "the last HTTP filter must be the router (envoy.filters.http.router)",
            );
        }
        for (at, message) in messages.iter().enumerate() {
            let path = path::index(path, at);
            let is_last = at + 1 == messages.len();
            let name = self.required(&message.name, &path, "name");
            let config_path = path::field(&path, "typed_config");
            let any = match &message.config_type {
                Some(ConfigType::TypedConfig(any)) => any,
                Some(ConfigType::ConfigDiscovery(discovery)) => {
                    if is_last {
                        self.not_terminal(&name, &path);
                    }
                    let path = path::field(&path, "config_discovery");
                    let filter = self.discovered(name, discovery, WASM, path);
                    filters.extend(filter.filter(|_| !message.disabled));
                    continue;
                }
                None => {
                    self.problem(config_path, REQUIRED);
                    continue;
                }
            };
            if type_name(&any.type_url) == ROUTER {
                if !is_last {
                    let problem = format!(
                        "terminal filter named {name} of type envoy.filters.http.router must be the last filter in a \
                         http filter chain."
                    );
                    self.problem(path, problem);
                } else if message.disabled {
                    self.problem(path::field(&path, "disabled"), "the router cannot be disabled");
                }
                continue;
            }
            let wasm: Option<Wasm> = self.unpack(any, &[WASM, ROUTER], &config_path);
            let Some(wasm) = wasm else { continue };
            if is_last {
                self.not_terminal(&name, &path);
            }
            let filter = self.wasm_filter(name, wasm.config.as_ref(), &config_path);
            filters.extend(filter.filter(|_| !message.disabled));
        }
        filters
    }
}
