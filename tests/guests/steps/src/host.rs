//! The host functions, as safe ones: each takes bytes and gives the status with what was returned.

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_log(level: u32, message: *const u8, size: usize) -> u32;
    fn proxy_get_log_level(level: *mut u32) -> u32;
    fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32;
    fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
    fn proxy_set_effective_context(context: u32) -> u32;
    fn proxy_done() -> u32;
    fn proxy_get_buffer_bytes(
        buffer: u32,
        start: usize,
        max: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_get_buffer_status(buffer: u32, size: *mut usize, unused: *mut u32) -> u32;
    fn proxy_set_buffer_bytes(
        buffer: u32,
        start: usize,
        size: usize,
        data: *const u8,
        data_size: usize,
    ) -> u32;
    fn proxy_get_header_map_size(map: u32, size: *mut usize) -> u32;
    fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_set_header_map_pairs(map: u32, data: *const u8, size: usize) -> u32;
    fn proxy_get_header_map_value(
        map: u32,
        key: *const u8,
        key_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_add_header_map_value(
        map: u32,
        key: *const u8,
        key_size: usize,
        value: *const u8,
        size: usize,
    ) -> u32;
    fn proxy_replace_header_map_value(
        map: u32,
        key: *const u8,
        key_size: usize,
        value: *const u8,
        size: usize,
    ) -> u32;
    fn proxy_remove_header_map_value(map: u32, key: *const u8, key_size: usize) -> u32;
    fn proxy_continue_stream(stream: u32) -> u32;
    fn proxy_close_stream(stream: u32) -> u32;
    fn proxy_send_local_response(
        status: u32,
        details: *const u8,
        details_size: usize,
        body: *const u8,
        body_size: usize,
        headers: *const u8,
        headers_size: usize,
        grpc_status: i32,
    ) -> u32;
    fn proxy_get_status(code: *mut u32, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_http_call(
        upstream: *const u8,
        upstream_size: usize,
        headers: *const u8,
        headers_size: usize,
        body: *const u8,
        body_size: usize,
        trailers: *const u8,
        trailers_size: usize,
        timeout: u32,
        call: *mut u32,
    ) -> u32;
    fn proxy_get_shared_data(
        key: *const u8,
        key_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
        cas: *mut u32,
    ) -> u32;
    fn proxy_set_shared_data(key: *const u8, key_size: usize, value: *const u8, size: usize, cas: u32)
    -> u32;
    fn proxy_register_shared_queue(name: *const u8, size: usize, queue: *mut u32) -> u32;
    fn proxy_resolve_shared_queue(
        vm: *const u8,
        vm_size: usize,
        name: *const u8,
        size: usize,
        queue: *mut u32,
    ) -> u32;
    fn proxy_enqueue_shared_queue(queue: u32, data: *const u8, size: usize) -> u32;
    fn proxy_dequeue_shared_queue(queue: u32, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_define_metric(kind: u32, name: *const u8, size: usize, metric: *mut u32) -> u32;
    fn proxy_record_metric(metric: u32, value: u64) -> u32;
    fn proxy_increment_metric(metric: u32, delta: i64) -> u32;
    fn proxy_get_metric(metric: u32, value: *mut u64) -> u32;
    fn proxy_get_property(path: *const u8, path_size: usize, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_set_property(path: *const u8, path_size: usize, value: *const u8, size: usize) -> u32;
    fn proxy_call_foreign_function(
        name: *const u8,
        name_size: usize,
        arguments: *const u8,
        arguments_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
}

/// A status, and bytes if the host gave some.
pub(crate) type Bytes = (u32, Option<Vec<u8>>);

/// Calls a function that returns bytes.
fn bytes(call: impl FnOnce(*mut *mut u8, *mut usize) -> u32) -> Bytes {
    let mut data = std::ptr::null_mut();
    let mut size = 0;
    let status = call(&raw mut data, &raw mut size);
    if data.is_null() {
        return (status, None);
    }
    // SAFETY: the host allocated so many bytes with our allocator and wrote them. Nobody else has the address.
    (
        status,
        Some(unsafe { std::slice::from_raw_parts(data, size) }.to_vec()),
    )
}

/// Calls a function that returns a number.
fn number<T: Default>(call: impl FnOnce(*mut T) -> u32) -> (u32, T) {
    let mut value = T::default();
    let status = call(&raw mut value);
    (status, value)
}

// SAFETY (of all calls below): addresses and sizes are those of slices and variables that live longer than the call, and
// the host writes to no others.

pub(crate) fn log(level: u32, message: &[u8]) -> u32 {
    unsafe { proxy_log(level, message.as_ptr(), message.len()) }
}

pub(crate) fn log_level() -> (u32, u32) {
    number(|level| unsafe { proxy_get_log_level(level) })
}

pub(crate) fn time() -> (u32, u64) {
    number(|time| unsafe { proxy_get_current_time_nanoseconds(time) })
}

pub(crate) fn tick(period: u32) -> u32 {
    unsafe { proxy_set_tick_period_milliseconds(period) }
}

pub(crate) fn effective(context: u32) -> u32 {
    unsafe { proxy_set_effective_context(context) }
}

pub(crate) fn done() -> u32 {
    unsafe { proxy_done() }
}

pub(crate) fn body(buffer: u32, start: usize, max: usize) -> Bytes {
    bytes(|data, size| unsafe { proxy_get_buffer_bytes(buffer, start, max, data, size) })
}

pub(crate) fn body_status(buffer: u32) -> (u32, usize) {
    let mut unused = 0;
    number(|size| unsafe { proxy_get_buffer_status(buffer, size, &raw mut unused) })
}

pub(crate) fn set_body(buffer: u32, start: usize, size: usize, data: &[u8]) -> u32 {
    unsafe { proxy_set_buffer_bytes(buffer, start, size, data.as_ptr(), data.len()) }
}

pub(crate) fn map_size(map: u32) -> (u32, usize) {
    number(|size| unsafe { proxy_get_header_map_size(map, size) })
}

pub(crate) fn pairs(map: u32) -> Bytes {
    bytes(|data, size| unsafe { proxy_get_header_map_pairs(map, data, size) })
}

pub(crate) fn set_pairs(map: u32, pairs: &[u8]) -> u32 {
    unsafe { proxy_set_header_map_pairs(map, pairs.as_ptr(), pairs.len()) }
}

pub(crate) fn get(map: u32, key: &[u8]) -> Bytes {
    bytes(|data, size| unsafe { proxy_get_header_map_value(map, key.as_ptr(), key.len(), data, size) })
}

pub(crate) fn add(map: u32, key: &[u8], value: &[u8]) -> u32 {
    unsafe { proxy_add_header_map_value(map, key.as_ptr(), key.len(), value.as_ptr(), value.len()) }
}

pub(crate) fn replace(map: u32, key: &[u8], value: &[u8]) -> u32 {
    unsafe { proxy_replace_header_map_value(map, key.as_ptr(), key.len(), value.as_ptr(), value.len()) }
}

pub(crate) fn remove(map: u32, key: &[u8]) -> u32 {
    unsafe { proxy_remove_header_map_value(map, key.as_ptr(), key.len()) }
}

pub(crate) fn continue_stream(stream: u32) -> u32 {
    unsafe { proxy_continue_stream(stream) }
}

pub(crate) fn close_stream(stream: u32) -> u32 {
    unsafe { proxy_close_stream(stream) }
}

pub(crate) fn reply(status: u32, details: &[u8], body: &[u8], headers: &[u8], grpc: i32) -> u32 {
    unsafe {
        proxy_send_local_response(
            status,
            details.as_ptr(),
            details.len(),
            body.as_ptr(),
            body.len(),
            headers.as_ptr(),
            headers.len(),
            grpc,
        )
    }
}

pub(crate) fn status() -> (Bytes, u32) {
    let mut code = 0;
    let answer = bytes(|data, size| unsafe { proxy_get_status(&raw mut code, data, size) });
    (answer, code)
}

pub(crate) fn call(
    upstream: &[u8],
    headers: &[u8],
    body: &[u8],
    trailers: &[u8],
    timeout: u32,
) -> (u32, u32) {
    number(|call| unsafe {
        proxy_http_call(
            upstream.as_ptr(),
            upstream.len(),
            headers.as_ptr(),
            headers.len(),
            body.as_ptr(),
            body.len(),
            trailers.as_ptr(),
            trailers.len(),
            timeout,
            call,
        )
    })
}

pub(crate) fn shared_get(key: &[u8]) -> (Bytes, u32) {
    let mut cas = 0;
    let answer = bytes(|data, size| unsafe {
        proxy_get_shared_data(key.as_ptr(), key.len(), data, size, &raw mut cas)
    });
    (answer, cas)
}

pub(crate) fn shared_set(key: &[u8], value: &[u8], cas: u32) -> u32 {
    unsafe { proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), cas) }
}

pub(crate) fn queue_register(name: &[u8]) -> (u32, u32) {
    number(|queue| unsafe { proxy_register_shared_queue(name.as_ptr(), name.len(), queue) })
}

pub(crate) fn queue_resolve(vm: &[u8], name: &[u8]) -> (u32, u32) {
    number(|queue| unsafe {
        proxy_resolve_shared_queue(vm.as_ptr(), vm.len(), name.as_ptr(), name.len(), queue)
    })
}

pub(crate) fn enqueue(queue: u32, item: &[u8]) -> u32 {
    unsafe { proxy_enqueue_shared_queue(queue, item.as_ptr(), item.len()) }
}

pub(crate) fn dequeue(queue: u32) -> Bytes {
    bytes(|data, size| unsafe { proxy_dequeue_shared_queue(queue, data, size) })
}

pub(crate) fn metric_define(kind: u32, name: &[u8]) -> (u32, u32) {
    number(|metric| unsafe { proxy_define_metric(kind, name.as_ptr(), name.len(), metric) })
}

pub(crate) fn metric_record(metric: u32, value: u64) -> u32 {
    unsafe { proxy_record_metric(metric, value) }
}

pub(crate) fn metric_increment(metric: u32, delta: i64) -> u32 {
    unsafe { proxy_increment_metric(metric, delta) }
}

pub(crate) fn metric_get(metric: u32) -> (u32, u64) {
    number(|value| unsafe { proxy_get_metric(metric, value) })
}

pub(crate) fn property(path: &[u8]) -> Bytes {
    bytes(|data, size| unsafe { proxy_get_property(path.as_ptr(), path.len(), data, size) })
}

pub(crate) fn set_property(path: &[u8], value: &[u8]) -> u32 {
    unsafe { proxy_set_property(path.as_ptr(), path.len(), value.as_ptr(), value.len()) }
}

pub(crate) fn foreign(name: &[u8], arguments: &[u8]) -> Bytes {
    bytes(|data, size| unsafe {
        proxy_call_foreign_function(
            name.as_ptr(),
            name.len(),
            arguments.as_ptr(),
            arguments.len(),
            data,
            size,
        )
    })
}
