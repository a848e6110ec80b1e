//! Plugins written with the SDK.

pub(crate) mod adder;
pub(crate) mod crasher;
pub(crate) mod second;

enginebay_runtime_null::sdk_plugin!("adder", adder::start);
enginebay_runtime_null::sdk_plugin!("second", second::start);
enginebay_runtime_null::sdk_plugin!("crasher", crasher::start);
enginebay_runtime_null::sdk_plugin!("bad_start", || panic!("cannot start\nat all"));
enginebay_runtime_null::sdk_plugin!("bad_c_start", || c_start());

extern "C" fn c_start() {
    panic!("cannot start in C");
}
