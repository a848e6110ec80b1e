//! VMs: one instance of a program with its contexts.

mod callouts;
mod metadata;
mod stats;
mod tcp;
mod waiting;

use std::cell::{OnceCell, Ref, RefCell, RefMut};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use enginebay_abi::{
    AbiVersion, Callback, FilterDataStatus, FilterHeadersStatus, FilterTrailersStatus, Integration, LogLevel,
};
use enginebay_engine::{ExportId, Instance, Trap, TrapKind};

use crate::contexts::{Declarations, Kind, Root};
use crate::state::VmState;
use crate::{FailState, Failure, Platform, PluginConfig, Program, StreamState, VmConfig, Work};

/// The number of a context, as the plugin knows it. Used once in the life of a VM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContextId(pub(crate) u32);

impl ContextId {
    /// An id that no VM gave, for tests of what works with ids.
    pub fn for_tests(id: u32) -> Self {
        ContextId(id)
    }

    /// The number itself.
    pub fn get(self) -> u32 {
        self.0
    }
}

/// One VM: an instance of a [`Program`] with its root contexts and streams, on the thread that made it.
///
/// Every callback may fail, and a VM that failed stays failed: it is never entered again, and every later call
/// returns the same [`Failure`]. The failure was logged when it happened.
pub struct Vm<S: StreamState> {
    state: Rc<VmState<S>>,
    instance: RefCell<Box<dyn Instance>>,
    /// The first one.
    failure: OnceCell<Failure>,
}

impl<S: StreamState> Vm<S> {
    /// Makes a VM and runs the plugin's initialisation (`_initialize` and `main`, or `_start`), which may call only the
    /// host functions that need no context ([`Phase::Any`](enginebay_abi::Phase::Any)); any other is a trap, as on Envoy.
    ///
    /// # Errors
    /// [`FailState::UnableToCloneVm`] when the engine has no room for another instance;
    /// [`FailState::UnableToInitializeCode`] when the initialisation traps.
    pub fn new(
        program: &Arc<Program>,
        config: &Arc<VmConfig>,
        platform: Rc<dyn Platform>,
    ) -> Result<Self, Failure> {
        let state = Rc::new(VmState::new(program.clone(), config.clone(), platform));
        let instance = program.module.instantiate(state.clone());
        let instance = instance.map_err(|error| {
            let failure = Failure::from_engine(&error);
            state.log(LogLevel::Critical, &failure.to_string());
            failure
        })?;
        let vm = Vm {
            state,
            instance: RefCell::new(instance),
            failure: OnceCell::new(),
        };
        vm.initialize()?;
        Ok(vm)
    }

    fn initialize(&self) -> Result<(), Failure> {
        let run = |export: Integration, args: &[u64]| match self.state.program.exports.integration(export) {
            Some(id) => self
                .run(id, 0, args)
                .map(|_| true)
                .map_err(|trap| self.fail(FailState::UnableToInitializeCode, export.name(), trap)),
            None => Ok(false),
        };
        if run(Integration::Initialize, &[])? {
            run(Integration::Main, &[0, 0])?;
        } else {
            run(Integration::Start, &[])?;
        }
        self.state.started();
        Ok(())
    }

    /// The program the VM runs.
    pub fn program(&self) -> &Arc<Program> {
        &self.state.program
    }

    /// Why the VM failed, if it did.
    pub fn failure(&self) -> Option<Failure> {
        self.failure.get().cloned()
    }

    /// Bytes of memory the plugin has now; 0 on a runtime where that means nothing.
    pub fn memory_size(&self) -> u64 {
        match self.instance.try_borrow_mut() {
            Ok(mut instance) => instance.memory_size(),
            Err(_) => 0,
        }
    }

    /// Number of contexts that are alive, root contexts among them.
    pub fn context_count(&self) -> usize {
        self.state.contexts.borrow().len()
    }

    /// What the plugins of the VM did since this was last called, by root context; `None` for what was done before there
    /// was one.
    pub fn take_work(&self) -> impl Iterator<Item = (Option<ContextId>, Work)> + use<S> {
        let work = self.state.meter.take().into_iter();
        work.map(|(root, work)| ((root != 0).then_some(ContextId(root)), work))
    }

    /// The root context of the plugin that was called last. Of a VM that failed, the one that did it.
    pub fn last_root(&self) -> Option<ContextId> {
        let root = self.state.meter.last_root();
        (root != 0).then_some(ContextId(root))
    }

    /// Starts a plugin in this VM: creates its root context and runs `proxy_on_vm_start` and
    /// `proxy_on_configure`.
    ///
    /// # Errors
    /// [`FailState::StartFailed`] or [`FailState::ConfigureFailed`] when one of them returned false or trapped;
    /// the VM has failed then.
    pub fn start_plugin(&self, plugin: PluginConfig) -> Result<ContextId, Failure> {
        self.check()?;
        let vm_size = self.state.config.configuration.len() as u64;
        let plugin_size = plugin.configuration.len() as u64;
        let root = Box::new(Root {
            plugin: Rc::new(plugin),
            tick_period: None,
            logged: None,
            declarations: Declarations::default(),
        });
        let id = self.state.contexts.borrow_mut().insert(Kind::Root(root));
        self.state.meter.add_root(id);
        let context = u64::from(id);
        self.call_or(
            Callback::ProxyOnContextCreate,
            id,
            &[context, 0],
            FailState::StartFailed,
            0,
        )?;
        self.state.starting.set(true);
        let started = self.call_or(
            Callback::ProxyOnVmStart,
            id,
            &[context, vm_size],
            FailState::StartFailed,
            1,
        );
        self.state.starting.set(false);
        if started? as u32 == 0 {
            return Err(self.refused(
                FailState::StartFailed,
                "Failed to start base Wasm: proxy_on_vm_start returned false",
            ));
        }
        let configured = self.call_or(
            Callback::ProxyOnConfigure,
            id,
            &[context, plugin_size],
            FailState::ConfigureFailed,
            1,
        )?;
        if configured as u32 == 0 {
            return Err(self.refused(
                FailState::ConfigureFailed,
                "Failed to configure base Wasm plugin: proxy_on_configure returned false",
            ));
        }
        Ok(ContextId(id))
    }

    /// Creates a stream of the plugin with this root context.
    ///
    /// # Errors
    /// When the VM failed, or fails now.
    #[inline]
    pub fn create_stream(&self, root: ContextId, state: S) -> Result<ContextId, Failure> {
        self.check()?;
        let id = self
            .state
            .contexts
            .borrow_mut()
            .insert(Kind::Stream { root: root.0, state });
        let args = [u64::from(id), u64::from(root.0)];
        match self.callback(Callback::ProxyOnContextCreate, id, &args, 0) {
            Ok(_) => Ok(ContextId(id)),
            Err(failure) => {
                self.remove(id);
                Err(failure)
            }
        }
    }

    /// The state of a stream. It must be let go before the VM is called again.
    ///
    /// Works on a failed VM too.
    pub fn stream(&self, id: ContextId) -> Option<RefMut<'_, S>> {
        RefMut::filter_map(self.state.contexts.borrow_mut(), |contexts| {
            match &mut contexts.get_mut(id.0)?.kind {
                Kind::Stream { state, .. } => Some(state),
                Kind::Root(_) => None,
            }
        })
        .ok()
    }

    /// The configuration of the plugin that a context belongs to.
    pub fn plugin(&self, id: ContextId) -> Option<Ref<'_, PluginConfig>> {
        Ref::filter_map(self.state.contexts.borrow(), |contexts| {
            contexts.plugin_of(id.0).map(|plugin| &**plugin)
        })
        .ok()
    }

    /// `proxy_on_request_headers`, with the number of headers and whether nothing follows them.
    ///
    /// # Errors
    /// When the VM failed, or fails now. Likewise for all callbacks below.
    pub fn on_request_headers(
        &self,
        id: ContextId,
        headers: usize,
        end_of_stream: bool,
    ) -> Result<FilterHeadersStatus, Failure> {
        self.headers_callback(Callback::ProxyOnRequestHeaders, id, headers, end_of_stream)
    }

    /// `proxy_on_request_body`, with the size of the buffer `HTTP_REQUEST_BODY`.
    pub fn on_request_body(
        &self,
        id: ContextId,
        size: usize,
        end_of_stream: bool,
    ) -> Result<FilterDataStatus, Failure> {
        self.body_callback(Callback::ProxyOnRequestBody, id, size, end_of_stream)
    }

    /// `proxy_on_request_trailers`, with the number of trailers.
    pub fn on_request_trailers(
        &self,
        id: ContextId,
        trailers: usize,
    ) -> Result<FilterTrailersStatus, Failure> {
        self.trailers_callback(Callback::ProxyOnRequestTrailers, id, trailers)
    }

    /// `proxy_on_response_headers`, with the number of headers and whether nothing follows them.
    pub fn on_response_headers(
        &self,
        id: ContextId,
        headers: usize,
        end_of_stream: bool,
    ) -> Result<FilterHeadersStatus, Failure> {
        self.headers_callback(Callback::ProxyOnResponseHeaders, id, headers, end_of_stream)
    }

    /// `proxy_on_response_body`, with the size of the buffer `HTTP_RESPONSE_BODY`.
    pub fn on_response_body(
        &self,
        id: ContextId,
        size: usize,
        end_of_stream: bool,
    ) -> Result<FilterDataStatus, Failure> {
        self.body_callback(Callback::ProxyOnResponseBody, id, size, end_of_stream)
    }

    /// `proxy_on_response_trailers`, with the number of trailers.
    pub fn on_response_trailers(
        &self,
        id: ContextId,
        trailers: usize,
    ) -> Result<FilterTrailersStatus, Failure> {
        self.trailers_callback(Callback::ProxyOnResponseTrailers, id, trailers)
    }

    /// `proxy_on_tick`, for a root context. Does nothing for one that asked for no ticks, or that is gone: a timer that the
    /// plugin turned off a moment ago may still be due.
    ///
    /// # Errors
    /// When the VM failed, or fails now.
    pub fn on_tick(&self, root: ContextId) -> Result<(), Failure> {
        if self.tick_period(root).is_none() {
            return self.check();
        }
        self.callback(Callback::ProxyOnTick, root.0, &[u64::from(root.0)], 0)
            .map(|_| ())
    }

    /// How often a root context wants `proxy_on_tick`; `None` for never.
    pub fn tick_period(&self, root: ContextId) -> Option<Duration> {
        match &self.state.contexts.borrow().get(root.0)?.kind {
            Kind::Root(root) => root.tick_period,
            Kind::Stream { .. } => None,
        }
    }

    /// Tells the plugin of what other VMs had for it: `proxy_on_queue_ready` once for each item that came into a queue that
    /// this VM registered last. To be called on the VM's thread after its [`Waker`](crate::Waker) was. What comes in while
    /// this runs is left for the next time.
    ///
    /// # Errors
    /// When the VM failed, or fails now.
    pub fn deliver(&self) -> Result<(), Failure> {
        for _ in 0..self.state.inbox.len() {
            let Some((context, queue)) = self.state.inbox.take() else {
                break;
            };
            // The plugin may have gone since.
            if self.state.contexts.borrow().get(context).is_none() {
                continue;
            }
            let args = [u64::from(context), u64::from(queue)];
            self.callback(Callback::ProxyOnQueueReady, context, &args, 0)?;
        }
        self.check()
    }

    /// `proxy_on_foreign_function`, which can read `arguments` from the buffer `FOREIGN_FUNCTION_ARGUMENTS`: a foreign
    /// function calls back. Plugins of ABI 0.1.0 have no such callback.
    ///
    /// # Errors
    /// When the VM failed, or fails now.
    pub fn on_foreign_function(
        &self,
        root: ContextId,
        function_id: u32,
        arguments: &[u8],
    ) -> Result<(), Failure> {
        self.check()?;
        if !self.program().has_callback(Callback::ProxyOnForeignFunction) {
            return Ok(());
        }
        let args = [u64::from(root.0), u64::from(function_id), arguments.len() as u64];
        let before = self.state.arguments.replace(Some(arguments.into()));
        let result = self.callback(Callback::ProxyOnForeignFunction, root.0, &args, 0);
        self.state.arguments.replace(before);
        result.map(|_| ())
    }

    /// `proxy_on_log`: the stream is over, and its headers can still be read.
    pub fn on_log(&self, id: ContextId) -> Result<(), Failure> {
        self.state.logging.set(true);
        let result = self.callback(Callback::ProxyOnLog, id.0, &[u64::from(id.0)], 0);
        self.state.logging.set(false);
        result.map(|_| ())
    }

    /// `proxy_on_log` of a root context, for a stream that the plugin has no context of: what an access logger is called
    /// for. `stream` is what host functions see until the callback is over; then it is dropped.
    ///
    /// # Errors
    /// When the VM failed, or fails now.
    pub fn log(&self, root: ContextId, stream: S) -> Result<(), Failure> {
        self.check()?;
        let attach = |stream: Option<S>| match &mut self.state.contexts.borrow_mut().get_mut(root.0)?.kind {
            Kind::Root(root) => std::mem::replace(&mut root.logged, stream),
            Kind::Stream { .. } => stream,
        };
        // Dropped when the table is free again, as all streams.
        drop(attach(Some(stream)));
        let result = self.on_log(root);
        drop(attach(None));
        result
    }

    /// `proxy_on_done`, and `proxy_on_delete` unless the plugin asks to wait for its `proxy_done`. The
    /// context of a failed VM goes without a callback. Does nothing for a context that was finished before.
    ///
    /// # Errors
    /// When the VM failed, or fails now. The context is gone in any case, then or when the VM fails later.
    pub fn finish(&self, id: ContextId) -> Result<(), Failure> {
        if self.is_over(id) {
            return self.check();
        }
        let result = self.callback(Callback::ProxyOnDone, id.0, &[u64::from(id.0)], 1);
        match result {
            Ok(done) if done as u32 == 0 => match self.keep(id.0) {
                true => Ok(()),
                false => self.delete(id.0),
            },
            Ok(_) => self.delete(id.0),
            Err(failure) => {
                self.remove(id.0);
                Err(failure)
            }
        }
    }

    /// Whether the plugin has heard of the end of a context already: a guest that is told twice of it, or of the end of one
    /// that it does not know, traps.
    fn is_over(&self, id: ContextId) -> bool {
        let contexts = self.state.contexts.borrow();
        contexts.get(id.0).is_none_or(|context| context.pending_done)
    }

    /// Has a context wait for the plugin's `proxy_done`, unless too many do.
    fn keep(&self, id: u32) -> bool {
        let most = self.state.limits.finishing;
        let kept = self.state.contexts.borrow_mut().set_pending(id, most);
        if !kept {
            self.state.log(
                LogLevel::Warn,
                &format!("a context was deleted before its time: {most} wait for proxy_done already"),
            );
        }
        kept
    }

    /// Ends a context without telling the plugin: for a VM that failed.
    pub fn abandon(&self, id: ContextId) {
        self.remove(id.0);
    }

    fn delete(&self, id: u32) -> Result<(), Failure> {
        self.delete_one(id)?;
        self.after_call()
    }

    fn delete_one(&self, id: u32) -> Result<(), Failure> {
        let args = [u64::from(id)];
        let result = self.call_alone(Callback::ProxyOnDelete, id, &args, FailState::RuntimeError, 0);
        self.remove(id);
        result.map(|_| ())
    }

    fn remove(&self, id: u32) {
        let Some(removed) = self.state.contexts.borrow_mut().remove(id) else {
            return;
        };
        if removed.callouts > 0 {
            self.state.cancel_callouts(Some(id));
        }
        // Dropped when the table is free again: a stream's state may look at the VM when it goes.
        drop(removed);
    }

    #[inline]
    fn headers_callback(
        &self,
        callback: Callback,
        id: ContextId,
        headers: usize,
        end_of_stream: bool,
    ) -> Result<FilterHeadersStatus, Failure> {
        let args = [u64::from(id.0), headers as u64, u64::from(end_of_stream)];
        let args = match self.state.abi() {
            AbiVersion::V0_1_0 => &args[..2],
            _ => &args[..],
        };
        let result = self.callback(callback, id.0, args, 0)?;
        if self.state.stop_iteration.get() {
            return Ok(FilterHeadersStatus::StopAllIterationAndWatermark);
        }
        if result == 0 {
            return Ok(FilterHeadersStatus::Continue);
        }
        let allow_stop = self
            .plugin(id)
            .is_some_and(|plugin| plugin.allow_on_headers_stop_iteration);
        Ok(FilterHeadersStatus::from_guest(result as u32, allow_stop))
    }

    fn body_callback(
        &self,
        callback: Callback,
        id: ContextId,
        size: usize,
        end_of_stream: bool,
    ) -> Result<FilterDataStatus, Failure> {
        let args = [u64::from(id.0), size as u64, u64::from(end_of_stream)];
        let result = self.callback(callback, id.0, &args, 0)?;
        if self.state.stop_iteration.get() {
            return Ok(FilterDataStatus::StopIterationNoBuffer);
        }
        Ok(FilterDataStatus::from_guest(result as u32))
    }

    fn trailers_callback(
        &self,
        callback: Callback,
        id: ContextId,
        trailers: usize,
    ) -> Result<FilterTrailersStatus, Failure> {
        let result = self.callback(callback, id.0, &[u64::from(id.0), trailers as u64], 0)?;
        if self.state.stop_iteration.get() {
            return Ok(FilterTrailersStatus::StopIteration);
        }
        Ok(FilterTrailersStatus::from_guest(result as u32))
    }

    #[inline]
    fn callback(&self, callback: Callback, context: u32, args: &[u64], missing: u64) -> Result<u64, Failure> {
        self.call_or(callback, context, args, FailState::RuntimeError, missing)
    }

    /// Calls a callback; its result is `missing` if the plugin doesn't export it.
    #[inline]
    fn call_or(
        &self,
        callback: Callback,
        context: u32,
        args: &[u64],
        state: FailState,
        missing: u64,
    ) -> Result<u64, Failure> {
        let result = self.call_alone(callback, context, args, state, missing)?;
        self.after_call()?;
        Ok(result)
    }

    /// Likewise, and leaves what it asked for to the caller.
    #[inline]
    fn call_alone(
        &self,
        callback: Callback,
        context: u32,
        args: &[u64],
        state: FailState,
        missing: u64,
    ) -> Result<u64, Failure> {
        self.check()?;
        let Some(export) = self.state.program.exports.callback(callback) else {
            self.state.stop_iteration.set(false);
            return Ok(missing);
        };
        self.run(export, context, args)
            .map_err(|trap| self.fail(state, callback.name(), trap))
    }

    #[inline]
    fn run(&self, export: ExportId, context: u32, args: &[u64]) -> Result<u64, Trap> {
        let Ok(mut instance) = self.instance.try_borrow_mut() else {
            return Err(Trap::new(
                TrapKind::HostError,
                "the VM was called while a callback of it was running",
            ));
        };
        let meter = &self.state.meter;
        if meter.is_shared() {
            let root = self.state.contexts.borrow().root_of(context);
            meter.switch(root);
        }
        let began = meter.begin();
        self.state.enter(context);
        let result = instance.call(export, args);
        drop(instance);
        meter.end(began);
        self.state.leave();
        result
    }

    /// Does what the callback asked for and could not have done while it ran.
    #[inline]
    fn after_call(&self) -> Result<(), Failure> {
        let none = self.state.done.borrow().is_empty();
        match none {
            true => Ok(()),
            false => self.delete_done(),
        }
    }

    #[cold]
    fn delete_done(&self) -> Result<(), Failure> {
        let stop_iteration = self.state.stop_iteration.get();
        loop {
            let next = self.state.done.borrow_mut().pop();
            match next {
                // One by one: an end may bring the next, and there may be more of them than a stack has room for.
                Some(id) => {
                    self.delete_one(id)?;
                    self.state.platform.context_done(ContextId(id));
                }
                None => break,
            }
        }
        self.state.stop_iteration.set(stop_iteration);
        Ok(())
    }

    #[inline]
    fn check(&self) -> Result<(), Failure> {
        match self.failure.get() {
            None => Ok(()),
            Some(failure) => Err(failure.clone()),
        }
    }

    #[cold]
    fn fail(&self, state: FailState, function: &'static str, trap: Trap) -> Failure {
        self.state.meter.trapped(trap.kind());
        self.failed(Failure::trapped(state, function, trap))
    }

    #[cold]
    fn refused(&self, state: FailState, message: &str) -> Failure {
        self.failed(Failure::new(state, message))
    }

    fn failed(&self, failure: Failure) -> Failure {
        let message = failure.to_string();
        // Before anything of the embedder's runs: a log that calls the VM must find it failed. The first failure
        // stays, since somebody may have been told of it.
        let failure = self.failure.get_or_init(|| failure).clone();
        self.state.log(LogLevel::Critical, &message);
        self.state.cancel_callouts(None);
        // No `proxy_done` will come for them, and their owner has finished them already.
        let orphans = self.state.contexts.borrow_mut().take_pending();
        drop(orphans);
        let done = self.state.done.take();
        done.into_iter().for_each(|id| self.remove(id));
        failure
    }
}
