//! Metrics, shared data and queues.

use super::{HostCalls, Result, bytes};
use crate::host_functions::Function;
use crate::native::out::Out;
use crate::native::{MetricKind, Status};

impl HostCalls<'_> {
    /// Defines a metric; its number.
    pub fn define_metric(&self, kind: MetricKind, name: &str) -> Result<u32> {
        let [data, size] = bytes(name.as_bytes());
        self.number(Function::proxy_define_metric, |out| {
            [kind as u64, data, size, out]
        })
    }

    /// Sets a metric, or adds a sample to a histogram.
    pub fn record_metric(&self, metric: u32, value: u64) -> Result<()> {
        self.run(Function::proxy_record_metric, &[u64::from(metric), value])
    }

    /// Changes a metric by an amount.
    pub fn increment_metric(&self, metric: u32, delta: i64) -> Result<()> {
        self.run(
            Function::proxy_increment_metric,
            &[u64::from(metric), delta.cast_unsigned()],
        )
    }

    /// The value of a metric.
    pub fn metric(&self, metric: u32) -> Result<u64> {
        self.number(Function::proxy_get_metric, |out| [u64::from(metric), out])
    }

    /// A shared value, and the number to give when it is changed.
    pub fn shared_data(&self, key: &[u8]) -> Result<Option<(Vec<u8>, u32)>> {
        let [key, key_size] = bytes(key);
        let cas = Out::<u32>::new();
        let function = Function::proxy_get_shared_data;
        match self.give(function, |data, size| [key, key_size, data, size, cas.address()]) {
            Ok(value) => Ok(Some((value.unwrap_or_default(), cas.get()))),
            Err(Status::NOT_FOUND) => Ok(None),
            Err(status) => Err(status),
        }
    }

    /// Sets a shared value; with a number from [`HostCalls::shared_data`], only if nobody changed it since.
    pub fn set_shared_data(&self, key: &[u8], value: &[u8], cas: Option<u32>) -> Result<()> {
        let ([key, key_size], [data, size]) = (bytes(key), bytes(value));
        let cas = u64::from(cas.unwrap_or(0));
        self.run(Function::proxy_set_shared_data, &[key, key_size, data, size, cas])
    }

    /// Opens a queue of this VM; its number.
    pub fn register_queue(&self, name: &str) -> Result<u32> {
        let [data, size] = bytes(name.as_bytes());
        self.number(Function::proxy_register_shared_queue, |out| [data, size, out])
    }

    /// Finds the queue of another VM; its number.
    pub fn resolve_queue(&self, vm_id: &str, name: &str) -> Result<Option<u32>> {
        let ([vm, vm_size], [data, size]) = (bytes(vm_id.as_bytes()), bytes(name.as_bytes()));
        let function = Function::proxy_resolve_shared_queue;
        match self.number(function, |out| [vm, vm_size, data, size, out]) {
            Ok(queue) => Ok(Some(queue)),
            Err(Status::NOT_FOUND) => Ok(None),
            Err(status) => Err(status),
        }
    }

    /// Puts a value into a queue.
    pub fn enqueue(&self, queue: u32, value: &[u8]) -> Result<()> {
        let [data, size] = bytes(value);
        self.run(
            Function::proxy_enqueue_shared_queue,
            &[u64::from(queue), data, size],
        )
    }

    /// Takes a value out of a queue.
    pub fn dequeue(&self, queue: u32) -> Result<Option<Vec<u8>>> {
        let function = Function::proxy_dequeue_shared_queue;
        match self.give(function, |data, size| [u64::from(queue), data, size]) {
            Ok(value) => Ok(Some(value.unwrap_or_default())),
            Err(Status::EMPTY) => Ok(None),
            Err(status) => Err(status),
        }
    }
}
