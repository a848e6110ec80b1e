//! The host functions, one file for each section of the specification.

mod buffers;
mod contexts;
mod foreign;
mod grpc_calls;
mod headers;
mod http_calls;
mod logging;
mod metrics;
mod properties;
mod shared_data;
mod shared_queues;
mod streams;
mod time;
mod timers;
mod wasi;

use enginebay_abi::{HostFunction, LogLevel, Namespace, Status, WasiErrno};
use enginebay_engine::{Guest, HostError, Memory, OutOfBounds};

use crate::StreamState;
use crate::state::VmState;

/// What a host function works with: the VM's state, and the guest that called.
pub(crate) struct Cx<'a, S: StreamState> {
    pub(crate) state: &'a VmState<S>,
    pub(crate) guest: &'a mut dyn Guest,
}

/// A host function. It gets one raw word for each parameter of its signature.
pub(crate) type HostCall<S> = fn(&VmState<S>, &mut dyn Guest, &[u64]) -> Result<u64, HostError>;

/// How a host function ends early: with a status, or by ending the guest's call.
pub(crate) enum Stop {
    Status(Status),
    Error(HostError),
}

impl From<Status> for Stop {
    fn from(status: Status) -> Self {
        Stop::Status(status)
    }
}

impl From<OutOfBounds> for Stop {
    fn from(_: OutOfBounds) -> Self {
        Stop::Status(Status::InvalidMemoryAccess)
    }
}

impl From<HostError> for Stop {
    fn from(error: HostError) -> Self {
        Stop::Error(error)
    }
}

/// The body of a host function that returns a status: `Ok` is `OK`.
type Outcome = Result<(), Stop>;

#[inline]
fn status(body: impl FnOnce() -> Outcome) -> Result<u64, HostError> {
    match body() {
        Ok(()) => Ok(0),
        Err(Stop::Status(status)) => Ok(u64::from(status.as_u32())),
        Err(Stop::Error(error)) => Err(error),
    }
}

/// Ends a host function with this status.
#[inline]
fn finish(status: Status) -> Outcome {
    match status {
        Status::Ok => Ok(()),
        status => Err(status.into()),
    }
}

/// The arguments as an array. Engines pass as many as the signature has.
#[inline]
fn array<const N: usize>(args: &[u64]) -> Result<&[u64; N], HostError> {
    args.first_chunk().ok_or_else(too_few_arguments)
}

#[cold]
fn too_few_arguments() -> HostError {
    HostError::other("a host function was called with too few arguments")
}

impl<S: StreamState> Cx<'_, S> {
    #[inline]
    fn memory(&mut self) -> Memory<'_> {
        self.guest.memory()
    }

    /// Gives the guest `len` bytes that `fill` writes, in memory from the guest's own allocator, and puts
    /// address and length where it asked for them. No bytes need no memory: the address is null then.
    ///
    /// The allocator is guest code that may call host functions, so `fill` looks again at what it copies and
    /// says whether that is still `len` bytes long. One that makes another context the current one has nothing
    /// copied.
    #[inline]
    fn give(
        &mut self,
        return_data: u64,
        return_size: u64,
        len: usize,
        fill: impl FnOnce(&VmState<S>, &mut [u8]) -> bool,
    ) -> Outcome {
        // Before the allocation, so that nothing is left behind in the guest when there is nowhere to put it.
        let mut memory = self.guest.memory();
        memory.write_word(return_data, 0)?;
        memory.write_word(return_size, 0)?;
        if len == 0 {
            return Ok(());
        }
        let size = len as u64;
        if memory.word_size() == 4 && u32::try_from(size).is_err() {
            return Err(Status::InvalidMemoryAccess.into());
        }
        let allocator = self.state.program.exports.allocator;
        let context = self.state.context();
        let address = self.guest.call(allocator, &[size]).map_err(HostError::from)?;
        if address == 0 {
            return Err(Status::InvalidMemoryAccess.into());
        }
        let mut memory = self.guest.memory();
        let out = memory.write(address, size)?;
        if self.state.context() != context || !fill(self.state, out) {
            return Err(Status::InternalFailure.into());
        }
        memory.write_word(return_data, address)?;
        memory.write_word(return_size, size)?;
        Ok(())
    }
}

/// The one place where a function of the ABI meets its implementation: each is a function pointer that takes what it
/// needs in registers.
macro_rules! host_calls {
    ($($($function:ident)|+: $call:path;)+) => {
        pub(crate) fn implementation<S: StreamState>(function: HostFunction) -> HostCall<S> {
            match function {
                $($(HostFunction::$function)|+ => |state, guest, args| $call(&mut Cx { state, guest }, args),)+
            }
        }

        /// What stands for a function while the module starts, if it may not be called then.
        pub(crate) fn too_early<S: StreamState>(function: HostFunction) -> HostCall<S> {
            match function {
                $($(HostFunction::$function => |_, _, _| Err(early(HostFunction::$function)),)+)+
            }
        }

        /// What stands for a function that is denied to the plugin.
        pub(crate) fn denied<S: StreamState>(function: HostFunction) -> HostCall<S> {
            match function {
                $($(HostFunction::$function => |state, _, _| Ok(deny(state, HostFunction::$function)),)+)+
            }
        }
    };
}

#[cold]
fn early(function: HostFunction) -> HostError {
    HostError::other(format!(
        "{function} was called while the module starts (restricted_callback)"
    ))
}

/// Envoy's words, each time. A function without a result, which is `proc_exit`, returns: the guest goes on.
#[cold]
fn deny<S: StreamState>(state: &VmState<S>, function: HostFunction) -> u64 {
    let (kind, answer) = match function.def().namespace {
        Namespace::Env => ("proxy-wasm", Status::InternalFailure.as_u32()),
        Namespace::Wasi => ("WASI", WasiErrno::Notcapable.as_u32()),
    };
    if state.may_log(LogLevel::Error) {
        let message = format!("Attempted call to restricted {kind} capability: {function}");
        state.log(LogLevel::Error, &message);
    }
    u64::from(answer)
}

host_calls! {
    ProxyLog: logging::log;
    ProxyGetLogLevel: logging::get_log_level;

    ProxyDone: contexts::done;
    ProxySetEffectiveContext: contexts::set_effective_context;

    ProxyGetCurrentTimeNanoseconds: time::get_current_time_nanoseconds;

    ProxyGetConfiguration: buffers::get_configuration;
    ProxyGetBufferBytes: buffers::get_buffer_bytes;
    ProxyGetBufferStatus: buffers::get_buffer_status;
    ProxySetBufferBytes: buffers::set_buffer_bytes;

    ProxyGetHeaderMapSize: headers::get_header_map_size;
    ProxyGetHeaderMapPairs: headers::get_header_map_pairs;
    ProxySetHeaderMapPairs: headers::set_header_map_pairs;
    ProxyGetHeaderMapValue: headers::get_header_map_value;
    ProxyAddHeaderMapValue: headers::add_header_map_value;
    ProxyReplaceHeaderMapValue: headers::replace_header_map_value;
    ProxyRemoveHeaderMapValue: headers::remove_header_map_value;

    ProxyContinueRequest: streams::continue_request;
    ProxyContinueResponse: streams::continue_response;
    ProxyContinueStream: streams::continue_stream;
    ProxyCloseStream: streams::close_stream;
    ProxyClearRouteCache: streams::clear_route_cache;
    ProxySendLocalResponse: streams::send_local_response;
    ProxyGetStatus: grpc_calls::get_status;

    ProxyGetProperty: properties::get_property;
    ProxySetProperty: properties::set_property;

    ProxySetTickPeriodMilliseconds: timers::set_tick_period_milliseconds;
    ProxyHttpCall: http_calls::http_call;
    ProxyGrpcCall: grpc_calls::grpc_call;
    ProxyGrpcStream: grpc_calls::grpc_stream;
    ProxyGrpcSend: grpc_calls::grpc_send;
    ProxyGrpcCancel: grpc_calls::grpc_cancel;
    ProxyGrpcClose: grpc_calls::grpc_close;
    ProxyGetSharedData: shared_data::get_shared_data;
    ProxySetSharedData: shared_data::set_shared_data;
    ProxyRegisterSharedQueue: shared_queues::register_shared_queue;
    ProxyResolveSharedQueue: shared_queues::resolve_shared_queue;
    ProxyEnqueueSharedQueue: shared_queues::enqueue_shared_queue;
    ProxyDequeueSharedQueue: shared_queues::dequeue_shared_queue;
    ProxyDefineMetric: metrics::define_metric;
    ProxyRecordMetric: metrics::record_metric;
    ProxyIncrementMetric: metrics::increment_metric;
    ProxyGetMetric: metrics::get_metric;
    ProxyCallForeignFunction: foreign::call_foreign_function;

    EnvEmscriptenNotifyMemoryGrowth: wasi::success;
    EnvPthreadEqual: wasi::pthread_equal;

    WasiArgsGet: wasi::args_get;
    WasiArgsSizesGet: wasi::args_sizes_get;
    WasiEnvironGet: wasi::environ_get;
    WasiEnvironSizesGet: wasi::environ_sizes_get;
    WasiClockResGet: wasi::clock_res_get;
    WasiClockTimeGet: wasi::clock_time_get;
    WasiRandomGet: wasi::random_get;
    WasiFdWrite: wasi::fd_write;
    WasiFdPwrite: wasi::fd_pwrite;
    WasiFdTell: wasi::fd_tell;
    WasiFdFdstatGet: wasi::fd_fdstat_get;
    WasiProcExit: wasi::proc_exit;
    WasiPollOneoff: wasi::poll_oneoff;

    // There are no files, directories or sockets: what Envoy says to whoever asks for one.
    WasiSchedYield | WasiFdAdvise | WasiFdClose | WasiFdSeek: wasi::success;
    WasiFdAllocate | WasiFdDatasync | WasiFdFdstatSetRights | WasiFdFilestatSetSize | WasiFdFilestatSetTimes
        | WasiFdSync: wasi::nothing_to_do;
    WasiFdFilestatGet | WasiFdPrestatGet | WasiFdRenumber: wasi::bad_descriptor;
    WasiFdReaddir: wasi::no_directory;
    WasiPathOpen: wasi::no_entry;
    WasiFdFdstatSetFlags | WasiFdPread | WasiFdPrestatDirName | WasiFdRead | WasiProcRaise: wasi::not_here;
    WasiPathCreateDirectory | WasiPathFilestatGet | WasiPathFilestatSetTimes | WasiPathLink | WasiPathReadlink
        | WasiPathRemoveDirectory | WasiPathRename | WasiPathSymlink | WasiPathUnlinkFile | WasiSockAccept
        | WasiSockRecv | WasiSockSend | WasiSockShutdown: wasi::not_supported;
}
