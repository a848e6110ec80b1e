//! The admin interface: a small HTTP service on a thread of its own.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use enginebay::engine::Registry;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::config_dump::ConfigDump;
use super::query::Query;
use super::stats::Stats;
use super::{ServeArgs, listen};

/// Connections at once; further ones wait.
const MAX_CONNECTIONS: usize = 64;
/// How long a client may take for the head of a request, and stay idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

const ENDPOINTS: &str = "\
  /: this list
  /config_dump: the configuration that is served, as JSON; secrets are left out
  /listeners: the addresses of the listeners
  /ready: LIVE, once requests are served
  /runtimes: the runtimes that are linked in, as JSON
  /stats: what is counted
      filter: a regular expression that names have to match
      usedonly: what is not 0 only
      format: one of (text, json, prometheus)
      type: one of (All, Counters, Gauges, Histograms)
  /stats/prometheus: likewise, in the text format of Prometheus
";

/// The admin interface, as the rest of the server sees it.
pub(super) struct Admin(Arc<State>);

struct State {
    stats: Arc<Stats>,
    runtimes: String,
    listeners: Mutex<String>,
    config: Arc<ConfigDump>,
}

impl Admin {
    /// Starts to serve it, and writes its address to where `args` says.
    pub(super) fn start(
        address: SocketAddr,
        registry: &Registry,
        stats: &Arc<Stats>,
        config: Arc<ConfigDump>,
        args: &ServeArgs,
    ) -> Result<Self, String> {
        let about = |error| format!("admin.address: can't listen on {address}: {error}");
        let socket = listen::bind_one(address).map_err(about)?;
        let address = socket.local_addr().map_err(about)?;
        if let Some(path) = &args.admin_address_path {
            std::fs::write(path, address.to_string())
                .map_err(|error| format!("--admin-address-path {}: {error}", path.display()))?;
        }
        tracing::info!("admin address: {address}");
        let state = Arc::new(State {
            stats: stats.clone(),
            runtimes: runtimes(registry),
            listeners: Mutex::default(),
            config,
        });
        let shared = state.clone();
        std::thread::Builder::new()
            .name("admin".to_owned())
            .spawn(move || serve(socket, shared))
            .map_err(|error| format!("can't start the admin interface: {error}"))?;
        Ok(Admin(state))
    }

    /// Says which addresses the listeners have.
    pub(super) fn set_listeners<'a>(&self, addresses: impl Iterator<Item = (&'a str, SocketAddr)>) {
        let mut text = String::new();
        for (name, address) in addresses {
            let _ = writeln!(text, "{name}::{address}");
        }
        *self.0.listeners() = text;
    }
}

fn runtimes(registry: &Registry) -> String {
    let runtimes = registry.iter().map(|runtime| {
        let mut capabilities: serde_json::Map<String, serde_json::Value> = runtime
            .capabilities
            .flags()
            .into_iter()
            .map(|(name, there)| (name.to_owned(), there.into()))
            .collect();
        capabilities.insert("word_size".to_owned(), runtime.capabilities.word_size.into());
        serde_json::json!({
            "name": runtime.name,
            "aliases": runtime.aliases,
            "engine": runtime.engine,
            "capabilities": capabilities,
        })
    });
    let mut text = serde_json::Value::from_iter(runtimes).to_string();
    text.push('\n');
    text
}

fn serve(socket: StdListener, state: Arc<State>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(accept(socket, state)),
        Err(error) => Err(error),
    };
    if let Err(error) = result {
        tracing::error!("the admin interface ended: {error}");
    }
}

async fn accept(socket: StdListener, state: Arc<State>) -> std::io::Result<()> {
    let socket = TcpListener::from_std(socket)?;
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        // The semaphore is never closed.
        let Ok(permit) = room.clone().acquire_owned().await else {
            return Ok(());
        };
        let stream = match socket.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!("admin: can't accept a connection: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let state = state.clone();
        tokio::spawn(async move {
            let _permit = permit;
            let service = service_fn(move |request: Request<_>| {
                let response = state.answer(&request);
                async move { Ok::<_, Infallible>(response) }
            });
            let served = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIMEOUT)
                .serve_connection(TokioIo::new(stream), service);
            let _ = served.await;
        });
    }
}

impl State {
    fn listeners(&self) -> MutexGuard<'_, String> {
        // Nothing is left half done under this lock.
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
            response
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        let query = Query::new(request.uri().query());
        match request.uri().path() {
            "/" => text(StatusCode::OK, format!("admin commands are:\n{ENDPOINTS}")),
            "/ready" if self.stats.is_live() => text(StatusCode::OK, "LIVE\n"),
            "/ready" => text(StatusCode::SERVICE_UNAVAILABLE, "INITIALIZING\n"),
            "/listeners" => text(StatusCode::OK, self.listeners().clone()),
            "/runtimes" => json(self.runtimes.clone()),
            "/config_dump" => json(self.config.json()),
            "/stats" => self.stats(&query, query.get("format").as_deref()),
            "/stats/prometheus" => self.stats(&query, Some("prometheus")),
            _ => text(
                StatusCode::NOT_FOUND,
                format!("invalid path. admin commands are:\n{ENDPOINTS}"),
            ),
        }
    }

    fn stats(&self, query: &Query<'_>, format: Option<&str>) -> Response<Full<Bytes>> {
        self.stats.ask();
        let samples = match query.selection() {
            Ok(selection) => self.stats.samples(&selection),
            Err(problem) => return text(StatusCode::BAD_REQUEST, problem),
        };
        match format {
            None | Some("text") => text(StatusCode::OK, samples.text()),
            Some("prometheus") => text(StatusCode::OK, samples.prometheus()),
            Some("json") => json(samples.json()),
            Some(_) => text(
                StatusCode::BAD_REQUEST,
                "usage: /stats?format=(json|prometheus|text)\n",
            ),
        }
    }
}

fn json(body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = text(StatusCode::OK, body);
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=UTF-8"),
    );
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, max-age=0"));
    response
}
