//! The host functions, for Rust types.

mod headers;
mod shared;
mod streams;
mod upstream;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::encoding::encode_pairs;
use super::out::Out;
use super::{LogLevel, Status};
use crate::call::Call;
use crate::host_functions::Function;
use crate::status;

/// The host functions of Proxy-Wasm, for the time of one callback.
///
/// Each method fails with the host's [`Status`] if it isn't "ok": with [`Status::UNIMPLEMENTED`] where the host doesn't
/// offer the function.
pub struct HostCalls<'a> {
    call: &'a Call<'a>,
}

/// The result of a host function.
type Result<T> = std::result::Result<T, Status>;

/// Address and length of bytes that the host reads.
fn bytes(bytes: &[u8]) -> [u64; 2] {
    [bytes.as_ptr().expose_provenance() as u64, bytes.len() as u64]
}

fn millis(time: Duration) -> u64 {
    u64::from(u32::try_from(time.as_millis()).unwrap_or(u32::MAX))
}

fn pairs(pairs: &[(&[u8], &[u8])]) -> Result<Vec<u8>> {
    encode_pairs(pairs).ok_or(Status::SERIALIZATION_FAILURE)
}

impl<'a> HostCalls<'a> {
    pub(super) fn new(call: &'a Call<'a>) -> Self {
        HostCalls { call }
    }

    fn run(&self, function: Function, args: &[u64]) -> Result<()> {
        match self.call.host_call(function, args) {
            status::OK => Ok(()),
            other => Err(Status(other)),
        }
    }

    /// Runs a function that writes a number.
    fn number<T: Copy + Default, const N: usize>(
        &self,
        function: Function,
        args: impl FnOnce(u64) -> [u64; N],
    ) -> Result<T> {
        let out = Out::new();
        self.run(function, &args(out.address()))?;
        Ok(out.get())
    }

    /// Runs a function that gives bytes. `None` for the address 0.
    fn give<const N: usize>(
        &self,
        function: Function,
        args: impl FnOnce(u64, u64) -> [u64; N],
    ) -> Result<Option<Vec<u8>>> {
        let (data, size) = (Out::<u64>::new(), Out::<u64>::new());
        let status = self.run(function, &args(data.address(), size.address()));
        let given = self.call.state().allocations.take(data.get(), size.get());
        status?;
        match data.get() {
            0 => Ok(None),
            // The host gave something that it did not allocate here.
            _ => given.map(Some).ok_or(Status::INTERNAL_FAILURE),
        }
    }

    /// Writes a log message.
    ///
    /// # Errors
    /// The host's status. Likewise for all other methods.
    pub fn log(&self, level: LogLevel, message: &str) -> Result<()> {
        let [data, size] = bytes(message.as_bytes());
        self.run(Function::proxy_log, &[level as u64, data, size])
    }

    /// The least level that is worth logging, as a number.
    pub fn log_level(&self) -> Result<u32> {
        self.number(Function::proxy_get_log_level, |out| [out])
    }

    /// The time, as the host tells it.
    pub fn current_time(&self) -> Result<SystemTime> {
        let nanos = self.number(Function::proxy_get_current_time_nanoseconds, |out| [out])?;
        Ok(UNIX_EPOCH + Duration::from_nanos(nanos))
    }

    /// Sets the timer of the plugin, to milliseconds; 0 stops it.
    pub fn set_tick_period(&self, period: Duration) -> Result<()> {
        self.run(Function::proxy_set_tick_period_milliseconds, &[millis(period)])
    }

    /// Makes another context the current one.
    pub fn set_effective_context(&self, context: u32) -> Result<()> {
        self.run(Function::proxy_set_effective_context, &[u64::from(context)])
    }

    /// Ends a context that [`NativePlugin::on_done`](super::NativePlugin::on_done) kept.
    pub fn done(&self) -> Result<()> {
        self.run(Function::proxy_done, &[])
    }
}
