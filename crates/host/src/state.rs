//! What a VM's host functions work on.

use std::cell::{Cell, RefCell};
use std::ops::DerefMut;
use std::rc::Rc;
use std::sync::Arc;

use enginebay_abi::{AbiVersion, BufferType, HostFunction, LogLevel, MapType, Phase};
use enginebay_engine::{Guest, Host, HostError};

use crate::callouts::{CalloutKind, GrpcStatus, Pending, Received, What};
use crate::contexts::{Contexts, Kind};
use crate::hostcalls::{self, HostCall};
use crate::log_budget::{LogBudget, Verdict};
use crate::meter::Meter;
use crate::program::Import;
use crate::shared::{Inbox, VmMetrics, VmShared};
use crate::{
    Body, CalloutId, Callouts, ForeignData, ForeignFunctions, HeaderMap, LogRecord, Platform, Program,
    StreamState, VmLimits,
};

/// How a VM is configured (`envoy.extensions.wasm.v3.VmConfig`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct VmConfig {
    /// `vm_id`.
    pub vm_id: String,
    /// `configuration`, which `proxy_on_vm_start` can read.
    pub configuration: Vec<u8>,
    /// The environment variables the plugin sees; each name once.
    pub environment: Vec<(String, String)>,
}

/// How a plugin is configured (`envoy.extensions.wasm.v3.PluginConfig`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PluginConfig {
    /// `name`.
    pub name: String,
    /// `root_id`.
    pub root_id: String,
    /// `configuration`, which `proxy_on_configure` can read.
    pub configuration: Vec<u8>,
    /// `allow_on_headers_stop_iteration`: `StopIteration` from a headers callback holds the headers alone,
    /// and the body callbacks run on; else it holds everything.
    pub allow_on_headers_stop_iteration: bool,
}

/// An array of fixed size, so that a call needs no check of its number.
type Calls<S> = [Cell<HostCall<S>>; Program::MAX_IMPORTS];

/// The state behind a VM's host functions. Shared with the engine, so everything that changes is in a cell, and
/// no cell stays borrowed while the guest runs.
pub(crate) struct VmState<S: StreamState> {
    pub(crate) program: Arc<Program>,
    pub(crate) config: Arc<VmConfig>,
    pub(crate) platform: Rc<dyn Platform>,
    pub(crate) contexts: RefCell<Contexts<S>>,
    /// The function behind each import number. While the module starts, some refuse.
    calls: Box<Calls<S>>,
    /// The context whose callback runs; 0 outside of callbacks.
    pub(crate) current: Cell<u32>,
    /// What `proxy_set_effective_context` named during this callback; 0 for none.
    pub(crate) effective: Cell<u32>,
    /// A local response was sent during this callback: the stream stops, whatever the callback returns.
    pub(crate) stop_iteration: Cell<bool>,
    /// `proxy_on_vm_start` is running: ABI 0.1.0's `proxy_get_configuration` is about the VM then.
    pub(crate) starting: Cell<bool>,
    /// `proxy_on_log` is running: a header map that the stream never had reads as empty then.
    pub(crate) logging: Cell<bool>,
    /// What all VMs with this one's `vm_id` share.
    pub(crate) shared: Arc<VmShared>,
    /// What others have for this VM to do.
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) metrics: RefCell<VmMetrics>,
    pub(crate) limits: VmLimits,
    log_budget: LogBudget,
    pub(crate) meter: Meter,
    /// Sends callouts, if the embedder can.
    pub(crate) callouts: Option<Rc<dyn Callouts>>,
    pub(crate) pending: RefCell<Pending>,
    /// What the current callback tells of a callout.
    pub(crate) received: RefCell<Received>,
    pub(crate) grpc_status: RefCell<GrpcStatus>,
    pub(crate) foreign_functions: ForeignFunctions,
    /// What foreign functions keep. Borrowed while one runs, which is never while the guest does.
    pub(crate) foreign_data: RefCell<ForeignData>,
    /// What `proxy_on_foreign_function` and `envoy_on_stats_update` can read while they run.
    pub(crate) arguments: RefCell<Option<Rc<[u8]>>>,
    /// Contexts that `proxy_done` ended during this callback.
    pub(crate) done: RefCell<Vec<u32>>,
}

impl<S: StreamState> VmState<S> {
    pub(crate) fn new(program: Arc<Program>, config: Arc<VmConfig>, platform: Rc<dyn Platform>) -> Self {
        let limits = platform.limits();
        let ids_of_thread = program.module.shares_thread_state();
        let contexts = match ids_of_thread {
            true => Contexts::with_ids_of_thread(),
            false => Contexts::new(),
        };
        VmState {
            calls: starting_calls(&program.imports),
            shared: platform.shared().vm(&config.vm_id),
            inbox: Arc::new(Inbox::new(platform.waker())),
            metrics: RefCell::new(VmMetrics::new()),
            log_budget: LogBudget::new(limits.log_rate),
            meter: Meter::new(),
            limits,
            callouts: platform.callouts(),
            pending: RefCell::new(Pending::new(ids_of_thread)),
            received: RefCell::default(),
            grpc_status: RefCell::default(),
            foreign_functions: platform.foreign_functions(),
            foreign_data: RefCell::default(),
            arguments: RefCell::default(),
            program,
            config,
            platform,
            contexts: RefCell::new(contexts),
            current: Cell::new(0),
            effective: Cell::new(0),
            stop_iteration: Cell::new(false),
            starting: Cell::new(false),
            logging: Cell::new(false),
            done: RefCell::new(Vec::new()),
        }
    }

    /// The module has started: all functions may be called.
    pub(crate) fn started(&self) {
        for (call, import) in std::iter::zip(self.calls.iter(), &self.program.imports) {
            call.set(started_call(*import));
        }
    }

    /// The context that host functions act on.
    #[inline]
    pub(crate) fn context(&self) -> u32 {
        match self.effective.get() {
            0 => self.current.get(),
            effective => effective,
        }
    }

    /// The root context of the context that host functions act on.
    pub(crate) fn root(&self) -> u32 {
        self.contexts.borrow().root_of(self.context())
    }

    /// Runs `f` on a header map of the context, if it has that one now. Those of callouts can't be changed: `f` gets a
    /// map that is gone after the callback.
    #[inline]
    pub(crate) fn with_headers<R>(&self, map: MapType, f: impl FnOnce(&mut HeaderMap) -> R) -> Option<R> {
        match is_of_callout(map) {
            false => {
                self.with_stream(|state| state.headers(map).map(|mut headers| f(headers.deref_mut())))?
            }
            true => self.received(|what| match (map, what) {
                (MapType::HttpCallResponseHeaders, What::Http(response)) => Some(f(&mut response.headers)),
                (MapType::HttpCallResponseTrailers, What::Http(response)) => Some(f(&mut response.trailers)),
                (MapType::GrpcCallInitialMetadata, What::InitialMetadata(metadata)) => Some(f(metadata)),
                (MapType::GrpcCallTrailingMetadata, What::TrailingMetadata(metadata)) => Some(f(metadata)),
                _ => None,
            }),
        }
    }

    /// Likewise for maps that are to be changed, which those of a stream that is over can't be either, as on Envoy.
    #[inline]
    pub(crate) fn change_headers<R>(&self, map: MapType, f: impl FnOnce(&mut HeaderMap) -> R) -> Option<R> {
        match is_of_callout(map) || self.logging.get() {
            false => self.with_headers(map, |headers| {
                headers.set_limits(self.limits.headers);
                f(headers)
            }),
            true => None,
        }
    }

    /// Runs `f` on a buffer of the context, if it has that one now.
    #[inline]
    pub(crate) fn with_buffer<R>(&self, buffer: BufferType, f: impl FnOnce(&mut Body) -> R) -> Option<R> {
        match buffer {
            BufferType::HttpCallResponseBody => self.received(|what| match what {
                What::Http(response) => Some(f(&mut response.body)),
                _ => None,
            }),
            BufferType::GrpcCallMessage => self.received(|what| match what {
                What::Message(message) => Some(f(message)),
                _ => None,
            }),
            buffer => self.with_stream(|state| state.buffer(buffer).map(|mut body| f(body.deref_mut())))?,
        }
    }

    /// Runs `f` on what the current callback tells the context of a callout.
    fn received<R>(&self, f: impl FnOnce(&mut What) -> Option<R>) -> Option<R> {
        let root = self.root();
        let mut received = self.received.borrow_mut();
        match received.root == root {
            true => f(&mut received.what),
            false => None,
        }
    }

    /// Runs `f` on the stream of the context, if it is one of a stream or logs one.
    #[inline]
    pub(crate) fn with_stream<R>(&self, f: impl FnOnce(&mut S) -> R) -> Option<R> {
        match &mut self.contexts.borrow_mut().get_mut(self.context())?.kind {
            Kind::Stream { state, .. } => Some(f(state)),
            Kind::Root(root) => root.logged.as_mut().map(f),
        }
    }

    /// Logs a guest's message, if that level is logged. `left_out` bytes of it follow `message`.
    pub(crate) fn log_from_guest(&self, level: LogLevel, message: &[u8], left_out: u64) {
        if !self.may_log(level) {
            return;
        }
        let (message, rest) = message.split_at(message.len().min(self.limits.log_message));
        let text = String::from_utf8_lossy(message);
        match left_out + rest.len() as u64 {
            0 => self.log(level, &text),
            left_out => self.log(level, &format!("{text} ({left_out} bytes left out)")),
        }
    }

    /// Whether a message that the guest brings about is to be logged: the level is, and the guest has not had its share yet.
    /// To be asked once for each message.
    pub(crate) fn may_log(&self, level: LogLevel) -> bool {
        if level < self.platform.log_level() {
            return false;
        }
        match self.log_budget.take(self.platform.monotonic_ns()) {
            Verdict::Log => true,
            Verdict::LogAfter(left_out) => {
                self.say_left_out(left_out);
                true
            }
            Verdict::LeaveOut => false,
        }
    }

    #[cold]
    fn say_left_out(&self, left_out: u64) {
        self.meter.limit_hit();
        let rate = self.limits.log_rate;
        let message = format!("{left_out} log messages were left out: more than {rate} came in one second");
        self.log(LogLevel::Warn, &message);
    }

    /// Logs a message of the host about the context, if that level is logged.
    pub(crate) fn log(&self, level: LogLevel, message: &str) {
        if level < self.platform.log_level() {
            return;
        }
        let contexts = self.contexts.borrow();
        let context = self.context();
        let is_stream = matches!(contexts.get(context).map(|c| &c.kind), Some(Kind::Stream { .. }));
        let plugin = contexts.plugin_of(context).cloned();
        // The embedder's log must be free to look at the VM.
        drop(contexts);
        let plugin = plugin.as_deref();
        self.platform.log(&LogRecord {
            level,
            plugin: plugin.filter(|_| is_stream).map_or("", |plugin| &plugin.name),
            root_id: plugin.map_or("", |plugin| &plugin.root_id),
            vm_id: &self.config.vm_id,
            message,
        });
    }

    /// What is in one of the buffers that the host fills itself: the two configurations, and what
    /// `proxy_on_foreign_function` and `envoy_on_stats_update` are called with.
    pub(crate) fn configuration(&self, buffer: BufferType) -> Option<Configuration> {
        match buffer {
            BufferType::VmConfiguration => Some(Configuration::Vm(self.config.clone())),
            BufferType::PluginConfiguration => {
                let plugin = self.contexts.borrow().plugin_of(self.context())?.clone();
                Some(Configuration::Plugin(plugin))
            }
            BufferType::ForeignFunctionArguments => {
                let arguments = self.arguments.borrow().clone();
                arguments.map(Configuration::Arguments)
            }
            _ => None,
        }
    }

    /// Puts a callout of the context, of this many bytes, on the books, unless too much is under way for it. Says so in
    /// the log then.
    pub(crate) fn note_callout(&self, kind: CalloutKind, bytes: usize) -> Option<CalloutId> {
        let limits = &self.limits;
        let mut contexts = self.contexts.borrow_mut();
        let id = self.context();
        let context = contexts.get_mut(id)?;
        let sum = context.callout_bytes.saturating_add(bytes);
        let refused = if context.callouts >= limits.callouts {
            format!("the context has {} of them under way", limits.callouts)
        } else if sum > limits.callout_bytes {
            format!(
                "the context would have {sum} bytes of them under way; at most {} are allowed",
                limits.callout_bytes
            )
        } else {
            context.callouts += 1;
            context.callout_bytes = sum;
            return Some(self.pending.borrow_mut().insert(kind, id, bytes));
        };
        drop(contexts);
        self.log(LogLevel::Warn, &format!("a callout was not sent: {refused}"));
        None
    }

    /// Takes a callout off the books. The context that waits for it, if it is under way.
    pub(crate) fn forget_callout(&self, id: CalloutId) -> Option<u32> {
        let entry = self.pending.borrow_mut().remove(id)?;
        if let Some(context) = self.contexts.borrow_mut().get_mut(entry.context) {
            context.callouts -= 1;
            context.callout_bytes -= entry.bytes;
        }
        Some(entry.context)
    }

    /// Breaks off the callouts of a context that is gone, or all.
    #[cold]
    pub(crate) fn cancel_callouts(&self, of: Option<u32>) {
        let ids = self.pending.borrow_mut().take_all(of);
        if let Some(callouts) = &self.callouts {
            ids.into_iter().for_each(|id| callouts.cancel(id));
        }
    }

    pub(crate) fn abi(&self) -> AbiVersion {
        self.program.abi_version()
    }

    /// Starts a callback of this context.
    #[inline]
    pub(crate) fn enter(&self, context: u32) {
        self.current.set(context);
        self.effective.set(0);
        self.stop_iteration.set(false);
    }

    #[inline]
    pub(crate) fn leave(&self) {
        self.current.set(0);
        self.effective.set(0);
    }
}

/// Whether a map is something that a callout brought.
#[inline]
fn is_of_callout(map: MapType) -> bool {
    map.as_u32() >= MapType::GrpcCallInitialMetadata.as_u32()
}

impl<S: StreamState> Drop for VmState<S> {
    fn drop(&mut self) {
        let left_out = self.log_budget.take_left_out();
        if left_out > 0 {
            self.say_left_out(left_out);
        }
    }
}

/// A buffer's bytes that stay alive while the guest's allocator runs.
pub(crate) enum Configuration {
    Vm(Arc<VmConfig>),
    Plugin(Rc<PluginConfig>),
    Arguments(Rc<[u8]>),
}

impl Configuration {
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Configuration::Vm(config) => &config.configuration,
            Configuration::Plugin(config) => &config.configuration,
            Configuration::Arguments(arguments) => arguments,
        }
    }
}

/// What an import calls in a module that has started.
fn started_call<S: StreamState>(import: Import) -> HostCall<S> {
    match import.allowed {
        true => hostcalls::implementation(import.function),
        false => hostcalls::denied(import.function),
    }
}

/// What these imports call in a module that starts: what needs a context is not to be called yet, denied or not.
fn starting_calls<S: StreamState>(imports: &[Import]) -> Box<Calls<S>> {
    let calls: Box<Calls<S>> =
        Box::new([const { Cell::new(not_linked::<S> as HostCall<S>) }; Program::MAX_IMPORTS]);
    for (call, import) in std::iter::zip(calls.iter(), imports) {
        let function = import.function;
        call.set(match function.def().phase {
            Phase::Any => started_call(*import),
            // A trap too, and one that has the exit code.
            Phase::Started if function == HostFunction::WasiProcExit && import.allowed => {
                started_call(*import)
            }
            Phase::Started => hostcalls::too_early(function),
        });
    }
    calls
}

fn not_linked<S: StreamState>(_: &VmState<S>, _: &mut dyn Guest, _: &[u64]) -> Result<u64, HostError> {
    Err(HostError::other(
        "the engine called a host function that was not linked",
    ))
}

impl<S: StreamState> Host for VmState<S> {
    #[inline]
    fn call(&self, function: usize, guest: &mut dyn Guest, args: &[u64]) -> Result<u64, HostError> {
        self.calls[function % Program::MAX_IMPORTS].get()(self, guest, args)
    }
}
