//! The guests, compiled natively and linked in.

enginebay::null::sdk_plugin!("access_log", access_log::start);
enginebay::null::sdk_plugin!("add_header", add_header::start);
enginebay::null::sdk_plugin!("auth", auth::start);
enginebay::null::sdk_plugin!("body_rewrite", body_rewrite::start);
enginebay::null::sdk_plugin!("callout", callout::start);
enginebay::null::sdk_plugin!("crash", crash::start);
enginebay::null::sdk_plugin!("foreign", foreign::start);
enginebay::null::sdk_plugin!("grpc_callout", grpc_callout::start);
enginebay::null::sdk_plugin!("header_filter", header_filter::start);
enginebay::null::sdk_plugin!("headers_dump", headers_dump::start);
enginebay::null::sdk_plugin!("hog", hog::start);
enginebay::null::sdk_plugin!("metrics", metrics::start);
enginebay::null::sdk_plugin!("noop", noop::start);
enginebay::null::sdk_plugin!("properties", properties::start);
enginebay::null::sdk_plugin!("queue_consumer", queue_consumer::start);
enginebay::null::sdk_plugin!("queue_producer", queue_producer::start);
enginebay::null::sdk_plugin!("shared", shared::start);
enginebay::null::sdk_plugin!("spin", spin::start);
enginebay::null::sdk_plugin!("tcp_tap", tcp_tap::start);
enginebay::null::sdk_plugin!("ticker", ticker::start);
enginebay::null::sdk_plugin!("trailers", trailers::start);
