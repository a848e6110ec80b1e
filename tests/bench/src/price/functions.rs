//! The host functions, as a bare engine has them: a call, and a copy of as many bytes.
//!
//! What a function is given is copied into the host, and what it gives is copied out of it. For what it returns in memory of
//! the guest's own, the guest's allocator is called and two words are written, as a host must.

/// What a bare host function does with the guest that called it. `None` is for addresses that the guest doesn't have.
pub(crate) trait Side {
    /// Copies bytes of the guest.
    fn read(&mut self, at: u32, len: u32) -> Option<()>;
    /// Copies bytes into the guest.
    fn write(&mut self, at: u32, len: u32) -> Option<()>;
    /// Writes a word into the guest.
    fn word(&mut self, at: u32, word: u32) -> Option<()>;
    /// Calls the guest's allocator.
    fn allocate(&mut self, len: u32) -> Option<u32>;

    /// Returns bytes in memory that the guest allocates.
    fn give(&mut self, len: u32, data: u32, size: u32) -> Option<()> {
        let at = self.allocate(len)?;
        self.write(at, len)?;
        self.word(data, at)?;
        self.word(size, len)
    }
}

/// The most that is copied at once.
pub(crate) const MOST: usize = 1024;

/// Copies between a guest's memory and what a host keeps.
pub(crate) fn slice(bytes: &mut [u8], at: u32, len: u32) -> Option<&mut [u8]> {
    let at = at as usize;
    bytes.get_mut(at..at.checked_add(len as usize)?)
}

/// Calls a macro with what comes before, and then every function: where it is, its name, its parameters, what it does.
macro_rules! functions {
    ($each:ident! $($before:tt)*) => {
        $each! { $($before)*
            "env" proxy_log(_a: u32, b: u32, c: u32) |s| s.read(b, c);
            "env" proxy_get_log_level(a: u32) |s| s.word(a, 0);
            "env" proxy_get_current_time_nanoseconds(a: u32) |s| s.write(a, 8);
            "env" proxy_set_tick_period_milliseconds(_a: u32) |_s| Some(());
            "env" proxy_set_effective_context(_a: u32) |_s| Some(());
            "env" proxy_get_buffer_bytes(_a: u32, _b: u32, c: u32, d: u32, e: u32) |s| s.give(c, d, e);
            "env" proxy_get_buffer_status(_a: u32, b: u32, c: u32) |s| s.word(b, 0).and_then(|()| s.word(c, 0));
            "env" proxy_set_buffer_bytes(_a: u32, _b: u32, _c: u32, d: u32, e: u32) |s| s.read(d, e);
            "env" proxy_get_header_map_size(_a: u32, b: u32) |s| s.word(b, 0);
            "env" proxy_get_header_map_pairs(_a: u32, b: u32, c: u32) |s| s.give(crate::price::PAIRS_SIZE, b, c);
            "env" proxy_set_header_map_pairs(_a: u32, b: u32, c: u32) |s| s.read(b, c);
            "env" proxy_get_header_map_value(_a: u32, b: u32, c: u32, d: u32, e: u32) |s|
                s.read(b, c).and_then(|()| s.give(16, d, e));
            "env" proxy_add_header_map_value(_a: u32, b: u32, c: u32, d: u32, e: u32) |s|
                s.read(b, c).and_then(|()| s.read(d, e));
            "env" proxy_replace_header_map_value(_a: u32, b: u32, c: u32, d: u32, e: u32) |s|
                s.read(b, c).and_then(|()| s.read(d, e));
            "env" proxy_remove_header_map_value(_a: u32, b: u32, c: u32) |s| s.read(b, c);
            "env" proxy_continue_stream(_a: u32) |_s| Some(());
            "env" proxy_close_stream(_a: u32) |_s| Some(());
            "env" proxy_send_local_response(_a: u32, b: u32, c: u32, d: u32, e: u32, f: u32, g: u32, _h: u32) |s|
                s.read(b, c).and_then(|()| s.read(d, e)).and_then(|()| s.read(f, g));
            "env" proxy_get_shared_data(a: u32, b: u32, c: u32, d: u32, e: u32) |s|
                s.read(a, b).and_then(|()| s.give(16, c, d)).and_then(|()| s.word(e, 0));
            "env" proxy_set_shared_data(a: u32, b: u32, c: u32, d: u32, _e: u32) |s|
                s.read(a, b).and_then(|()| s.read(c, d));
            "env" proxy_register_shared_queue(a: u32, b: u32, c: u32) |s| s.read(a, b).and_then(|()| s.word(c, 0));
            "env" proxy_resolve_shared_queue(_a: u32, _b: u32, c: u32, d: u32, e: u32) |s|
                s.read(c, d).and_then(|()| s.word(e, 0));
            "env" proxy_enqueue_shared_queue(_a: u32, b: u32, c: u32) |s| s.read(b, c);
            "env" proxy_dequeue_shared_queue(_a: u32, b: u32, c: u32) |s| s.give(16, b, c);
            "env" proxy_define_metric(_a: u32, b: u32, c: u32, d: u32) |s| s.read(b, c).and_then(|()| s.word(d, 0));
            "env" proxy_record_metric(_a: u32, _b: u64) |_s| Some(());
            "env" proxy_increment_metric(_a: u32, _b: u64) |_s| Some(());
            "env" proxy_get_metric(_a: u32, b: u32) |s| s.write(b, 8);
            "env" proxy_get_property(a: u32, b: u32, c: u32, d: u32) |s|
                s.read(a, b).and_then(|()| s.give(16, c, d));
            "env" proxy_set_property(a: u32, b: u32, c: u32, d: u32) |s| s.read(a, b).and_then(|()| s.read(c, d));
            "env" proxy_call_foreign_function(a: u32, b: u32, c: u32, d: u32, e: u32, f: u32) |s|
                s.read(a, b).and_then(|()| s.read(c, d)).and_then(|()| s.give(16, e, f));
            "wasi_snapshot_preview1" clock_time_get(_a: u32, _b: u64, c: u32) |s| s.write(c, 8);
            "wasi_snapshot_preview1" random_get(a: u32, b: u32) |s| s.write(a, b);
            "wasi_snapshot_preview1" environ_sizes_get(a: u32, b: u32) |s| s.word(a, 0).and_then(|()| s.word(b, 0));
            "wasi_snapshot_preview1" environ_get(_a: u32, _b: u32) |_s| Some(());
            "wasi_snapshot_preview1" fd_write(_a: u32, b: u32, _c: u32, d: u32) |s|
                s.read(b, 8).and_then(|()| s.read(128, 16)).and_then(|()| s.word(d, 16));
        }
    };
}
pub(crate) use functions;
