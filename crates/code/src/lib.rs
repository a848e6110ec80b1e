//! Where the code of Proxy-Wasm plugins comes from, if it is not on this machine: over HTTP, or out of an image in an OCI
//! registry. It is verified before anything sees it, and cached in memory and, if asked for, in a directory.
//!
//! This crate sends nothing itself. A server gives it a [`Fetch`], which sends requests to clusters, and runs the [`Driver`]
//! on one thread; the [`CodeSource`] is for all threads.
//!
//! ```
//! use std::rc::Rc;
//! use std::sync::Arc;
//!
//! use enginebay_code::{CodeSource, Counters, Fetch, Options};
//! use enginebay_config::model::{Code, Plugin};
//!
//! async fn serve(plugin: &Plugin, clusters: Rc<dyn Fetch>) -> Result<(), Box<dyn std::error::Error>> {
//!     let mut options = Options::default();
//!     options.directory = Some("/var/cache/enginebay".into());
//!     let counters = Arc::new(Counters::default());
//!     let (source, driver) = CodeSource::new(options, counters.clone());
//!     // On the thread that has the clusters' connections.
//!     tokio::task::spawn_local(driver.run(clusters));
//!
//!     if let Code::Remote(remote) = &plugin.vm.code {
//!         if plugin.vm.nack_on_code_cache_miss {
//!             // Refuse the configuration if it is not there. It is being fetched, for the next time.
//!             let code = source.cached_or_fetch(remote).await.ok_or("not in the cache yet")?;
//!             // … Plugin::load_code(engines, plugin, &code)
//!         } else {
//!             // Wait for it before anything listens.
//!             let code = source.code(remote).await?;
//!             // … Plugin::load_code(engines, plugin, &code)
//!         }
//!     }
//!     Ok(())
//! }
//! ```
//!
//! What each end looks like is in `docs/remote-code.md`.

#![forbid(unsafe_code)]

mod back_off;
mod driver;
mod error;
mod exchange;
mod fetch;
mod location;
mod memory;
mod observer;
mod oci;
mod options;
mod source;
mod verified;

pub use back_off::BackOff;
pub use driver::Driver;
pub use error::{LoadError, Reason};
pub use fetch::{BoxError, Fetch, FetchBody, FetchFuture};
pub use observer::{Counters, Event, Observer};
pub use options::Options;
pub use source::CodeSource;
pub use verified::{Code, Digest};
