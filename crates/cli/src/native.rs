//! Native plugins that come with the command: `enginebay run add_header --runtime null`.

enginebay::null::sdk_plugin!("add_header", add_header::start);
