//! Starts a plugin on the runtime of this crate, by its name, and says how many calls that took.
//!
//! ```console
//! $ cargo run -p enginebay-custom-engine -- tests/guests/wasm/add_header.wasm
//! ```
#![forbid(unsafe_code)]

use std::error::Error;
use std::rc::Rc;
use std::sync::atomic::Ordering;

use enginebay::{Engines, Plugin, StdPlatform};
use enginebay_custom_engine::{GUEST_CALLS, HOST_CALLS, RUNTIME};

fn main() -> Result<(), Box<dyn Error>> {
    let code = std::fs::read(std::env::args_os().nth(1).ok_or("which plugin?")?)?;
    let engine = Engines::new()?.get(RUNTIME.name)?;
    let plugin = Plugin::new(&*engine, &code, Default::default(), Default::default())?;
    plugin.start::<()>(Rc::new(StdPlatform))?;
    println!("calls into the plugin: {}", GUEST_CALLS.load(Ordering::Relaxed));
    println!("calls of host functions: {}", HOST_CALLS.load(Ordering::Relaxed));
    Ok(())
}
