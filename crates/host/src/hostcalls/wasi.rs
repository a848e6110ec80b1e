//! WASI preview 1, as far as a plugin can use it, and Emscripten's two functions.

use enginebay_abi::wasi::{FD_STDERR, FD_STDOUT, MAX_RANDOM_BYTES};
use enginebay_abi::{ClockId, LogLevel, WasiErrno};
use enginebay_engine::{HostError, OutOfBounds};

use super::{Cx, array};
use crate::StreamState;

/// The body of a WASI function: an error number.
type Errno = Result<(), WasiErrno>;

#[inline]
fn errno(body: impl FnOnce() -> Errno) -> Result<u64, HostError> {
    Ok(match body() {
        Ok(()) => 0,
        Err(errno) => u64::from(errno.as_u32()),
    })
}

/// Whether a descriptor is one of the two there are: standard output and standard error.
fn standard(fd: u64) -> Errno {
    match fd as u32 {
        FD_STDOUT | FD_STDERR => Ok(()),
        _ => Err(WasiErrno::Badf),
    }
}

fn fault(_: OutOfBounds) -> WasiErrno {
    WasiErrno::Fault
}

/// The largest number of pieces one `fd_write` may have: more than any C library passes.
const MAX_IOVECS: u64 = 1024;

#[inline]
pub(super) fn fd_write<S: StreamState>(cx: &mut Cx<'_, S>, args: &[u64]) -> Result<u64, HostError> {
    let [fd, iovecs, count, return_written] = *array(args)?;
    errno(|| -> Errno {
        let level = match fd as u32 {
            FD_STDOUT => LogLevel::Info,
            FD_STDERR => LogLevel::Error,
            _ => return Err(WasiErrno::Badf),
        };
        if count > MAX_IOVECS {
            return Err(WasiErrno::Inval);
        }
        let state = cx.state;
        let mut memory = cx.memory();
        let word = memory.word_size();
        let mut text = Vec::new();
        let mut written = 0;
        for index in 0..count {
            let iovec = iovecs.checked_add(index * 2 * word).ok_or(WasiErrno::Fault)?;
            let data = memory.read_word(iovec).map_err(fault)?;
            let size = memory.read_word(iovec + word).map_err(fault)?;
            // An empty piece may have any address, as on Envoy.
            if size == 0 {
                continue;
            }
            let piece = memory.read(data, size).map_err(fault)?;
            written += size;
            // The pieces may all be the same large one.
            let room = state.limits.log_message - text.len();
            text.extend_from_slice(&piece[..piece.len().min(room)]);
        }
        if u32::try_from(written).is_err() {
            return Err(WasiErrno::Inval);
        }
        memory.write_word(return_written, written).map_err(fault)?;
        if written > 0 {
            let left_out = written - text.len() as u64;
            state.log_from_guest(level, text.strip_suffix(b"\n").unwrap_or(&text), left_out);
        }
        Ok(())
    })
}

/// Writes to the log: an offset means nothing there. So does Envoy.
pub(super) fn fd_pwrite<S: StreamState>(cx: &mut Cx<'_, S>, args: &[u64]) -> Result<u64, HostError> {
    let [fd, iovecs, count, _offset, return_written] = *array(args)?;
    fd_write(cx, &[fd, iovecs, count, return_written])
}

/// The log has no position.
pub(super) fn fd_tell<S: StreamState>(cx: &mut Cx<'_, S>, args: &[u64]) -> Result<u64, HostError> {
    let [fd, return_offset] = *array(args)?;
    errno(|| {
        standard(fd)?;
        cx.memory().write_u64(return_offset, 0).map_err(fault)
    })
}

#[inline]
pub(super) fn fd_fdstat_get<S: StreamState>(cx: &mut Cx<'_, S>, args: &[u64]) -> Result<u64, HostError> {
    /// `__WASI_RIGHTS_FD_WRITE`.
    const RIGHTS_FD_WRITE: u64 = 1 << 6;
    let [fd, return_stat] = *array(args)?;
    errno(|| -> Errno {
        standard(fd)?;
        let mut memory = cx.memory();
        let stat = memory.write(return_stat, 24).map_err(fault)?;
        stat.fill(0);
        stat[8..16].copy_from_slice(&RIGHTS_FD_WRITE.to_le_bytes());
        Ok(())
    })
}

#[inline]
pub(super) fn environ_sizes_get<S: StreamState>(cx: &mut Cx<'_, S>, args: &[u64]) -> Result<u64, HostError> {
    let [return_count, return_size] = *array(args)?;
    errno(|| -> Errno {
        let config = &cx.state.config;
        // `KEY=VALUE` and a NUL.
        let size: usize = config
            .environment
            .iter()
            .map(|(k, v)| k.len() + v.len() + 2)
            .sum();
        let count = config.environment.len();
        let mut memory = cx.memory();
        memory.write_word(return_count, count as u64).map_err(fault)?;
        memory.write_word(return_size, size as u64).map_err(fault)
    })
}

#[inline]
pub(super) fn environ_get<S: StreamState>(cx: &mut Cx<'_, S>, args: &[u64]) -> Result<u64, HostError> {
    let [mut pointers, mut buffer] = *array(args)?;
    errno(|| -> Errno {
        let config = &cx.state.config;
        let mut memory = cx.guest.memory();
        let word = memory.word_size();
        for (key, value) in &config.environment {
            memory.write_word(pointers, buffer).map_err(fault)?;
            let len = key.len() + value.len() + 2;
            let out = memory.write(buffer, len as u64).map_err(fault)?;
            out[..key.len()].copy_from_slice(key.as_bytes());
            out[key.len()] = b'=';
            out[key.len() + 1..len - 1].copy_from_slice(value.as_bytes());
            out[len - 1] = 0;
            pointers += word;
            buffer += len as u64;
        }
        Ok(())
    })
}

#[inline]
pub(super) fn args_sizes_get<S: StreamState>(cx: &mut Cx<'_, S>, args: &[u64]) -> Result<u64, HostError> {
    let [return_count, return_size] = *array(args)?;
    errno(|| -> Errno {
        let mut memory = cx.memory();
        memory.write_word(return_count, 0).map_err(fault)?;
        memory.write_word(return_size, 0).map_err(fault)
    })
}

/// There are no arguments to give.
#[inline]
pub(super) fn args_get<S: StreamState>(_: &mut Cx<'_, S>, _: &[u64]) -> Result<u64, HostError> {
    errno(|| Ok(()))
}

#[inline]
pub(super) fn clock_time_get<S: StreamState>(cx: &mut Cx<'_, S>, args: &[u64]) -> Result<u64, HostError> {
    let [clock, _precision, return_time] = *array(args)?;
    errno(|| -> Errno {
        let now = match ClockId::from_u32(clock as u32) {
            Some(ClockId::Realtime) => cx.state.platform.realtime_ns(),
            Some(ClockId::Monotonic) => cx.state.platform.monotonic_ns(),
            _ => return Err(WasiErrno::Notsup),
        };
        cx.memory().write_u64(return_time, now).map_err(fault)
    })
}

#[inline]
pub(super) fn clock_res_get<S: StreamState>(cx: &mut Cx<'_, S>, args: &[u64]) -> Result<u64, HostError> {
    let [clock, return_resolution] = *array(args)?;
    errno(|| -> Errno {
        match ClockId::from_u32(clock as u32) {
            Some(ClockId::Realtime | ClockId::Monotonic) => {
                cx.memory().write_u64(return_resolution, 1).map_err(fault)
            }
            _ => Err(WasiErrno::Notsup),
        }
    })
}

#[inline]
pub(super) fn random_get<S: StreamState>(cx: &mut Cx<'_, S>, args: &[u64]) -> Result<u64, HostError> {
    let [buffer, size] = *array(args)?;
    errno(|| -> Errno {
        if size > u64::from(MAX_RANDOM_BYTES) {
            return Err(WasiErrno::Inval);
        }
        let platform = &cx.state.platform;
        let mut memory = cx.guest.memory();
        match platform.random(memory.write(buffer, size).map_err(fault)?) {
            true => Ok(()),
            false => Err(WasiErrno::Io),
        }
    })
}

#[inline]
pub(super) fn proc_exit<S: StreamState>(_: &mut Cx<'_, S>, args: &[u64]) -> Result<u64, HostError> {
    let [code] = *array(args)?;
    Err(HostError::exit(code as u32))
}

/// No time passes and nothing happens, so there are no events: a host never blocks. Go's runtime takes any error for a
/// reason to give up.
pub(super) fn poll_oneoff<S: StreamState>(cx: &mut Cx<'_, S>, args: &[u64]) -> Result<u64, HostError> {
    let [_subscriptions, _events, _count, return_count] = *array(args)?;
    errno(|| cx.memory().write_word(return_count, 0).map_err(fault))
}

/// What needs nothing done to a log.
pub(super) fn nothing_to_do<S: StreamState>(_: &mut Cx<'_, S>, args: &[u64]) -> Result<u64, HostError> {
    errno(|| standard(args.first().copied().unwrap_or(u64::MAX)))
}

macro_rules! always {
    ($($name:ident: $errno:ident;)*) => {
        $(
            pub(super) fn $name<S: StreamState>(_: &mut Cx<'_, S>, _: &[u64]) -> Result<u64, HostError> {
                Ok(u64::from(WasiErrno::$errno.as_u32()))
            }
        )*
    };
}

// The same whatever the arguments are.
always! {
    success: Success;
    bad_descriptor: Badf;
    no_directory: Notdir;
    no_entry: Noent;
    not_here: Nosys;
    not_supported: Notsup;
}

#[inline]
pub(super) fn pthread_equal<S: StreamState>(_: &mut Cx<'_, S>, args: &[u64]) -> Result<u64, HostError> {
    let [left, right] = *array(args)?;
    Ok(u64::from(left == right))
}
