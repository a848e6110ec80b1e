//! The guests, compiled natively and linked in.

enginebay::null::sdk_plugin!("add_header", add_header::start);
enginebay::null::sdk_plugin!("auth", auth::start);
enginebay::null::sdk_plugin!("body_rewrite", body_rewrite::start);
enginebay::null::sdk_plugin!("crash", crash::start);
enginebay::null::sdk_plugin!("header_filter", header_filter::start);
enginebay::null::sdk_plugin!("headers_dump", headers_dump::start);
enginebay::null::sdk_plugin!("hog", hog::start);
enginebay::null::sdk_plugin!("noop", noop::start);
enginebay::null::sdk_plugin!("spin", spin::start);
