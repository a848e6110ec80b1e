//! The host functions, one file for each section of the specification.

mod buffers;
mod contexts;
mod headers;
mod logging;
mod properties;
mod streams;
mod time;
mod unavailable;
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
pub(crate) type HostCall<S> = fn(&mut Cx<'_, S>, &[u64]) -> Result<u64, HostError>;

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
fn status(outcome: Outcome) -> Result<u64, HostError> {
    match outcome {
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
    args.first_chunk()
        .ok_or_else(|| HostError::other("a host function was called with too few arguments"))
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
    /// says whether that is still `len` bytes long.
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
        let address = self.guest.call(allocator, &[size]).map_err(HostError::from)?;
        if address == 0 {
            return Err(Status::InvalidMemoryAccess.into());
        }
        let mut memory = self.guest.memory();
        if !fill(self.state, memory.write(address, size)?) {
            return Err(Status::InternalFailure.into());
        }
        memory.write_word(return_data, address)?;
        memory.write_word(return_size, size)?;
        Ok(())
    }
}

/// The one place where a function of the ABI meets its implementation.
pub(crate) fn implementation<S: StreamState>(function: HostFunction) -> HostCall<S> {
    use HostFunction as F;
    match function {
        F::ProxyLog => logging::log,
        F::ProxyGetLogLevel => logging::get_log_level,

        F::ProxyDone => contexts::done,
        F::ProxySetEffectiveContext => contexts::set_effective_context,

        F::ProxyGetCurrentTimeNanoseconds => time::get_current_time_nanoseconds,

        F::ProxyGetConfiguration => buffers::get_configuration,
        F::ProxyGetBufferBytes => buffers::get_buffer_bytes,
        F::ProxyGetBufferStatus => buffers::get_buffer_status,
        F::ProxySetBufferBytes => buffers::set_buffer_bytes,

        F::ProxyGetHeaderMapSize => headers::get_header_map_size,
        F::ProxyGetHeaderMapPairs => headers::get_header_map_pairs,
        F::ProxySetHeaderMapPairs => headers::set_header_map_pairs,
        F::ProxyGetHeaderMapValue => headers::get_header_map_value,
        F::ProxyAddHeaderMapValue => headers::add_header_map_value,
        F::ProxyReplaceHeaderMapValue => headers::replace_header_map_value,
        F::ProxyRemoveHeaderMapValue => headers::remove_header_map_value,

        F::ProxyContinueRequest => streams::continue_request,
        F::ProxyContinueResponse => streams::continue_response,
        F::ProxyContinueStream => streams::continue_stream,
        F::ProxyCloseStream => streams::close_stream,
        F::ProxyClearRouteCache => streams::clear_route_cache,
        F::ProxySendLocalResponse => streams::send_local_response,
        F::ProxyGetStatus => streams::get_status,

        F::ProxyGetProperty => properties::get_property,
        F::ProxySetProperty => properties::set_property,

        F::ProxySetTickPeriodMilliseconds => unavailable::set_tick_period_milliseconds,
        F::ProxyHttpCall => unavailable::http_call,
        F::ProxyGrpcCall => unavailable::grpc_call,
        F::ProxyGrpcStream => unavailable::grpc_stream,
        F::ProxyGrpcSend => unavailable::grpc_send,
        F::ProxyGrpcCancel => unavailable::grpc_cancel,
        F::ProxyGrpcClose => unavailable::grpc_close,
        F::ProxyGetSharedData => unavailable::get_shared_data,
        F::ProxySetSharedData => unavailable::set_shared_data,
        F::ProxyRegisterSharedQueue => unavailable::register_shared_queue,
        F::ProxyResolveSharedQueue => unavailable::resolve_shared_queue,
        F::ProxyEnqueueSharedQueue => unavailable::enqueue_shared_queue,
        F::ProxyDequeueSharedQueue => unavailable::dequeue_shared_queue,
        F::ProxyDefineMetric => unavailable::define_metric,
        F::ProxyRecordMetric => unavailable::record_metric,
        F::ProxyIncrementMetric => unavailable::increment_metric,
        F::ProxyGetMetric => unavailable::get_metric,
        F::ProxyCallForeignFunction => unavailable::call_foreign_function,

        F::EnvEmscriptenNotifyMemoryGrowth => wasi::nothing,
        F::EnvPthreadEqual => wasi::pthread_equal,

        F::WasiArgsGet => wasi::args_get,
        F::WasiArgsSizesGet => wasi::args_sizes_get,
        F::WasiEnvironGet => wasi::environ_get,
        F::WasiEnvironSizesGet => wasi::environ_sizes_get,
        F::WasiClockResGet => wasi::clock_res_get,
        F::WasiClockTimeGet => wasi::clock_time_get,
        F::WasiRandomGet => wasi::random_get,
        F::WasiFdWrite => wasi::fd_write,
        F::WasiFdRead => wasi::fd_read,
        F::WasiFdSeek => wasi::fd_seek,
        F::WasiFdClose => wasi::fd_close,
        F::WasiFdFdstatGet => wasi::fd_fdstat_get,
        F::WasiProcExit => wasi::proc_exit,
        F::WasiSchedYield => wasi::nothing,

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
        | F::WasiSockShutdown => wasi::bad_descriptor,
        F::WasiPollOneoff | F::WasiProcRaise => wasi::not_here,
    }
}
