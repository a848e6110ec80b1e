//! What tests have in common.

use std::future::Future;
use std::io::Write;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use enginebay_code::{CodeSource, Counters, Digest, Event, Fetch, Options};
use enginebay_config::model::{Code, RemoteCode};
use enginebay_config::{Process, load_plugin};
use tokio::task::{LocalSet, spawn_local};

/// No test takes as long.
const LONGEST: Duration = Duration::from_secs(60);

/// Runs on a single thread, as the server does.
pub(crate) fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let test = async {
        tokio::time::timeout(LONGEST, test)
            .await
            .expect("a test that hangs")
    };
    runtime.block_on(LocalSet::new().run_until(test))
}

/// Code of this size that is not all the same.
pub(crate) fn module(seed: u8, size: usize) -> Vec<u8> {
    (0..size).map(|at| seed.wrapping_add((at % 251) as u8)).collect()
}

/// A configuration in cluster `c`: a time-out of 10 s, no retries.
pub(crate) fn remote(uri: &str, code: &[u8]) -> RemoteCode {
    let plugin = format!(
        "vm_config: {{runtime: r, code: {{remote: {{http_uri: {{uri: '{uri}', cluster: c, timeout: 10s}}, sha256: '{}', \
         retry_policy: {{num_retries: 0, retry_back_off: {{base_interval: 0.001s}}}}}}}}}}",
        Digest::of(code)
    );
    let plugin = load_plugin(&plugin, "plugin.yaml", &Process).unwrap();
    match plugin.vm.code {
        Code::Remote(remote) => remote,
        other => panic!("{other:?}"),
    }
}

/// A source with its driver.
pub(crate) struct Setup {
    pub(crate) source: CodeSource,
    pub(crate) counters: Arc<Counters>,
    logs: Logs,
    _subscriber: tracing::subscriber::DefaultGuard,
}

impl Setup {
    pub(crate) fn new(fetch: impl Fetch + 'static, options: Options) -> Setup {
        let logs = Logs::default();
        let writer = logs.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::DEBUG)
            .with_ansi(false)
            .without_time()
            .with_target(false)
            .with_writer(move || writer.clone())
            .finish();
        let subscriber = tracing::subscriber::set_default(subscriber);
        let counters = Arc::new(Counters::default());
        let (source, driver) = CodeSource::new(options, counters.clone());
        spawn_local(driver.run(Rc::new(fetch)));
        Setup {
            source,
            counters,
            logs,
            _subscriber: subscriber,
        }
    }

    /// The warnings.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let logs = self.logs.0.lock().unwrap();
        let logs = String::from_utf8_lossy(&logs);
        let warnings = logs.lines().filter_map(|line| line.trim().strip_prefix("WARN "));
        warnings.map(str::to_owned).collect()
    }

    /// All that was logged.
    pub(crate) fn logged(&self) -> String {
        String::from_utf8_lossy(&self.logs.0.lock().unwrap()).into_owned()
    }

    /// Hits, negative hits, misses, successes, failures.
    pub(crate) fn counts(&self) -> [u64; 5] {
        Event::ALL.map(|event| self.counters.get(event))
    }
}

#[derive(Clone, Default)]
struct Logs(Arc<Mutex<Vec<u8>>>);

impl Write for Logs {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Waits until something is so.
pub(crate) async fn until(mut so: impl FnMut() -> bool) {
    while !so() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
