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

use enginebay_abi::{HostFunction, Status};
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

/// A host function as a function pointer that takes what it needs in registers.
macro_rules! call {
    ($function:path) => {
        |state, guest, args| $function(&mut Cx { state, guest }, args)
    };
}

/// The one place where a function of the ABI meets its implementation.
pub(crate) fn implementation<S: StreamState>(function: HostFunction) -> HostCall<S> {
    use HostFunction as F;
    match function {
        F::ProxyLog => call!(logging::log),
        F::ProxyGetLogLevel => call!(logging::get_log_level),

        F::ProxyDone => call!(contexts::done),
        F::ProxySetEffectiveContext => call!(contexts::set_effective_context),

        F::ProxyGetCurrentTimeNanoseconds => call!(time::get_current_time_nanoseconds),

        F::ProxyGetConfiguration => call!(buffers::get_configuration),
        F::ProxyGetBufferBytes => call!(buffers::get_buffer_bytes),
        F::ProxyGetBufferStatus => call!(buffers::get_buffer_status),
        F::ProxySetBufferBytes => call!(buffers::set_buffer_bytes),

        F::ProxyGetHeaderMapSize => call!(headers::get_header_map_size),
        F::ProxyGetHeaderMapPairs => call!(headers::get_header_map_pairs),
        F::ProxySetHeaderMapPairs => call!(headers::set_header_map_pairs),
        F::ProxyGetHeaderMapValue => call!(headers::get_header_map_value),
        F::ProxyAddHeaderMapValue => call!(headers::add_header_map_value),
        F::ProxyReplaceHeaderMapValue => call!(headers::replace_header_map_value),
        F::ProxyRemoveHeaderMapValue => call!(headers::remove_header_map_value),

        F::ProxyContinueRequest => call!(streams::continue_request),
        F::ProxyContinueResponse => call!(streams::continue_response),
        F::ProxyContinueStream => call!(streams::continue_stream),
        F::ProxyCloseStream => call!(streams::close_stream),
        F::ProxyClearRouteCache => call!(streams::clear_route_cache),
        F::ProxySendLocalResponse => call!(streams::send_local_response),
        F::ProxyGetStatus => call!(grpc_calls::get_status),

        F::ProxyGetProperty => call!(properties::get_property),
        F::ProxySetProperty => call!(properties::set_property),

        F::ProxySetTickPeriodMilliseconds => call!(timers::set_tick_period_milliseconds),
        F::ProxyHttpCall => call!(http_calls::http_call),
        F::ProxyGrpcCall => call!(grpc_calls::grpc_call),
        F::ProxyGrpcStream => call!(grpc_calls::grpc_stream),
        F::ProxyGrpcSend => call!(grpc_calls::grpc_send),
        F::ProxyGrpcCancel => call!(grpc_calls::grpc_cancel),
        F::ProxyGrpcClose => call!(grpc_calls::grpc_close),
        F::ProxyGetSharedData => call!(shared_data::get_shared_data),
        F::ProxySetSharedData => call!(shared_data::set_shared_data),
        F::ProxyRegisterSharedQueue => call!(shared_queues::register_shared_queue),
        F::ProxyResolveSharedQueue => call!(shared_queues::resolve_shared_queue),
        F::ProxyEnqueueSharedQueue => call!(shared_queues::enqueue_shared_queue),
        F::ProxyDequeueSharedQueue => call!(shared_queues::dequeue_shared_queue),
        F::ProxyDefineMetric => call!(metrics::define_metric),
        F::ProxyRecordMetric => call!(metrics::record_metric),
        F::ProxyIncrementMetric => call!(metrics::increment_metric),
        F::ProxyGetMetric => call!(metrics::get_metric),
        F::ProxyCallForeignFunction => call!(foreign::call_foreign_function),

        F::EnvEmscriptenNotifyMemoryGrowth => call!(wasi::nothing),
        F::EnvPthreadEqual => call!(wasi::pthread_equal),

        F::WasiArgsGet => call!(wasi::args_get),
        F::WasiArgsSizesGet => call!(wasi::args_sizes_get),
        F::WasiEnvironGet => call!(wasi::environ_get),
        F::WasiEnvironSizesGet => call!(wasi::environ_sizes_get),
        F::WasiClockResGet => call!(wasi::clock_res_get),
        F::WasiClockTimeGet => call!(wasi::clock_time_get),
        F::WasiRandomGet => call!(wasi::random_get),
        F::WasiFdWrite => call!(wasi::fd_write),
        F::WasiFdRead => call!(wasi::fd_read),
        F::WasiFdSeek => call!(wasi::fd_seek),
        F::WasiFdClose => call!(wasi::fd_close),
        F::WasiFdFdstatGet => call!(wasi::fd_fdstat_get),
        F::WasiProcExit => call!(wasi::proc_exit),
        F::WasiSchedYield => call!(wasi::nothing),

        // There are no files, directories or sockets: every descriptor that names one is a bad one.
        F::WasiFdAdvise
        | F::WasiFdAllocate
        | F::WasiFdDatasync
        | F::WasiFdFdstatSetFlags
        | F::WasiFdFdstatSetRights
        | F::WasiFdFilestatGet
        | F::WasiFdFilestatSetSize
        | F::WasiFdFilestatSetTimes
        | F::WasiFdPread
        | F::WasiFdPrestatGet
        | F::WasiFdPrestatDirName
        | F::WasiFdPwrite
        | F::WasiFdReaddir
        | F::WasiFdRenumber
        | F::WasiFdSync
        | F::WasiFdTell
        | F::WasiPathCreateDirectory
        | F::WasiPathFilestatGet
        | F::WasiPathFilestatSetTimes
        | F::WasiPathLink
        | F::WasiPathOpen
        | F::WasiPathReadlink
        | F::WasiPathRemoveDirectory
        | F::WasiPathRename
        | F::WasiPathSymlink
        | F::WasiPathUnlinkFile
        | F::WasiSockAccept
        | F::WasiSockRecv
        | F::WasiSockSend
        | F::WasiSockShutdown => call!(wasi::bad_descriptor),
        F::WasiPollOneoff | F::WasiProcRaise => call!(wasi::not_here),
    }
}
