//! The table of host functions: everything a guest can import.
//!
//! It holds what Envoy links for each version of the ABI, plus `proc_raise`, which completes WASI
//! preview 1. No name has two signatures, so a name and a namespace are enough to find a row;
//! whether a guest of some version gets it is in [`FunctionDef::versions`].

use std::fmt;

use enginebay_engine::Signature;

use crate::param::{Param, params, signature};
use crate::version::{AbiVersion, VersionSet};

/// Where a guest imports a function from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Namespace {
    /// `env`: Proxy-Wasm itself, and what Emscripten's libraries need.
    Env,
    /// `wasi_snapshot_preview1`, and `wasi_unstable` with the same signatures.
    ///
    /// The two differ in what some numbers and structures mean (`whence` of `fd_seek`, `filestat`,
    /// `subscription`), in functions that a Proxy-Wasm host refuses anyway.
    Wasi,
}

impl Namespace {
    /// The module names under which the functions are linked.
    pub const fn modules(self) -> &'static [&'static str] {
        match self {
            Namespace::Env => &["env"],
            Namespace::Wasi => &["wasi_snapshot_preview1", "wasi_unstable"],
        }
    }

    /// The namespace of a module name.
    pub fn from_module(module: &str) -> Option<Self> {
        [Namespace::Env, Namespace::Wasi]
            .into_iter()
            .find(|namespace| namespace.modules().contains(&module))
    }
}

/// When a guest may call a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// At any time, also while `_initialize`, `main` or `_start` runs.
    Any,
    /// Only when the start function is over: it needs a context, or Envoy refuses it earlier.
    Started,
}

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FunctionDef {
    /// Which function this is.
    pub function: HostFunction,
    /// Where it is imported from.
    pub namespace: Namespace,
    /// The name of the import.
    pub name: &'static str,
    /// The names of the parameters, in order.
    pub param_names: &'static [&'static str],
    /// The kinds of the parameters, in order.
    pub params: &'static [Param],
    /// The kind of the result, if any: a [`Status`](crate::Status) in most of `env`, a
    /// [`WasiErrno`](crate::WasiErrno) in WASI.
    pub result: Option<Param>,
    /// The parameters and the result as a wasm signature.
    pub signature: Signature,
    /// The versions of the ABI whose guests get it.
    pub versions: VersionSet,
    /// When it may be called.
    pub phase: Phase,
}

impl FunctionDef {
    /// The name under which Envoy's `capability_restriction_config` allows it, or `None` for the
    /// Emscripten functions, which are always there.
    pub fn capability(&self) -> Option<&'static str> {
        match self.namespace {
            Namespace::Wasi => Some(self.name),
            Namespace::Env if self.name.starts_with("proxy_") => Some(self.name),
            Namespace::Env => None,
        }
    }
}

/// Finds the function that a guest imports as `module`.`name`, whatever the guest's version.
pub fn lookup(module: &str, name: &str) -> Option<&'static FunctionDef> {
    let namespace = Namespace::from_module(module)?;
    HostFunction::TABLE
        .iter()
        .find(|def| def.namespace == namespace && def.name == name)
}

/// Finds the function that a guest of this version imports as `module`.`name`.
pub fn lookup_in(version: AbiVersion, module: &str, name: &str) -> Option<&'static FunctionDef> {
    lookup(module, name).filter(|def| def.versions.contains(version))
}

/// Every row for a version, in the order of [`HostFunction::index`].
pub fn functions_of(version: AbiVersion) -> impl Iterator<Item = &'static FunctionDef> {
    HostFunction::TABLE
        .iter()
        .filter(move |def| def.versions.contains(version))
}

/// Writes [`HostFunction`] and its table from one list.
macro_rules! host_functions {
    (@result) => { None };
    (@result $result:ident) => { Some(Param::$result) };
    ($(
        $(#[$meta:meta])*
        $variant:ident = $namespace:ident $name:literal
            ($($param:ident: $kind:ident),* $(,)?) $(-> $result:ident)?
            [$versions:ident, $phase:ident];
    )+) => {
        /// A function that the host gives to guests.
        ///
        /// The numbers are dense from 0, so a host can keep an array by [`HostFunction::index`].
        /// They may change from release to release.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u16)]
        pub enum HostFunction {
            $(#[doc = concat!("`", $name, "`: ")] $(#[$meta])* $variant,)+
        }

        impl HostFunction {
            /// Every function, in the order of [`HostFunction::index`].
            pub const ALL: &'static [HostFunction] = &[$(HostFunction::$variant,)+];

            /// How many functions there are.
            pub const COUNT: usize = Self::ALL.len();

            /// The row of every function, in the order of [`HostFunction::index`].
            pub const TABLE: &'static [FunctionDef] = &[$(
                FunctionDef {
                    function: HostFunction::$variant,
                    namespace: Namespace::$namespace,
                    name: $name,
                    param_names: &[$(stringify!($param)),*],
                    params: params!($($kind),*),
                    result: host_functions!(@result $($result)?),
                    signature: signature!(($($kind),*) $(-> $result)?),
                    versions: VersionSet::$versions,
                    phase: Phase::$phase,
                },
            )+];
        }
    };
}

impl HostFunction {
    /// The row of this function.
    #[inline]
    pub const fn def(self) -> &'static FunctionDef {
        &Self::TABLE[self as usize]
    }

    /// A dense number from 0, below [`HostFunction::COUNT`].
    #[inline]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The function with this number, if there is one.
    #[inline]
    pub fn from_index(index: usize) -> Option<Self> {
        Self::ALL.get(index).copied()
    }

    /// The name of the import.
    #[inline]
    pub const fn name(self) -> &'static str {
        self.def().name
    }
}

impl fmt::Display for HostFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

host_functions! {
    // Logging.

    /// writes a log message.
    ProxyLog = Env "proxy_log"
        (log_level: U32, message_data: Ptr, message_size: Size) -> U32
        [ALL, Any];
    /// tells which messages are worth writing.
    ProxyGetLogLevel = Env "proxy_get_log_level"
        (return_log_level: Ptr) -> U32
        [V0_2_1, Started];

    // Contexts and configuration.

    /// ends a context that `proxy_on_done` kept.
    ProxyDone = Env "proxy_done"
        () -> U32
        [ALL, Started];
    /// makes another context the current one.
    ProxySetEffectiveContext = Env "proxy_set_effective_context"
        (context_id: U32) -> U32
        [ALL, Started];
    /// gives the configuration of the VM or the plugin. Replaced by buffers in 0.2.0.
    ProxyGetConfiguration = Env "proxy_get_configuration"
        (return_value_data: Ptr, return_value_size: Ptr) -> U32
        [V0_1, Started];

    // Time.

    /// gives the wall time in nanoseconds.
    ProxyGetCurrentTimeNanoseconds = Env "proxy_get_current_time_nanoseconds"
        (return_time: Ptr) -> U32
        [ALL, Started];
    /// sets the timer of the root context, in milliseconds; 0 stops it.
    ProxySetTickPeriodMilliseconds = Env "proxy_set_tick_period_milliseconds"
        (tick_period: U32) -> U32
        [ALL, Started];

    // Buffers.

    /// gives a part of a buffer.
    ProxyGetBufferBytes = Env "proxy_get_buffer_bytes"
        (
            buffer_id: U32,
            start: Size,
            max_size: Size,
            return_value_data: Ptr,
            return_value_size: Ptr,
        ) -> U32
        [ALL, Started];
    /// tells the size of a buffer.
    ProxyGetBufferStatus = Env "proxy_get_buffer_status"
        (buffer_id: U32, return_buffer_size: Ptr, return_unused: Ptr) -> U32
        [ALL, Started];
    /// replaces a part of a buffer.
    ProxySetBufferBytes = Env "proxy_set_buffer_bytes"
        (buffer_id: U32, start: Size, size: Size, value_data: Ptr, value_size: Size) -> U32
        [ALL, Started];

    // Header maps.

    /// tells the size of a map: in the specification of its encoding, in Envoy of names and
    /// values alone.
    ProxyGetHeaderMapSize = Env "proxy_get_header_map_size"
        (map_id: U32, return_serialized_pairs_size: Ptr) -> U32
        [ALL, Started];
    /// gives a whole map.
    ProxyGetHeaderMapPairs = Env "proxy_get_header_map_pairs"
        (map_id: U32, return_serialized_pairs_data: Ptr, return_serialized_pairs_size: Ptr) -> U32
        [ALL, Started];
    /// replaces a whole map.
    ProxySetHeaderMapPairs = Env "proxy_set_header_map_pairs"
        (map_id: U32, serialized_pairs_data: Ptr, serialized_pairs_size: Size) -> U32
        [ALL, Started];
    /// gives the first value of a header.
    ProxyGetHeaderMapValue = Env "proxy_get_header_map_value"
        (
            map_id: U32,
            key_data: Ptr,
            key_size: Size,
            return_value_data: Ptr,
            return_value_size: Ptr,
        ) -> U32
        [ALL, Started];
    /// adds a header.
    ProxyAddHeaderMapValue = Env "proxy_add_header_map_value"
        (map_id: U32, key_data: Ptr, key_size: Size, value_data: Ptr, value_size: Size) -> U32
        [ALL, Started];
    /// sets a header.
    ProxyReplaceHeaderMapValue = Env "proxy_replace_header_map_value"
        (map_id: U32, key_data: Ptr, key_size: Size, value_data: Ptr, value_size: Size) -> U32
        [ALL, Started];
    /// removes a header.
    ProxyRemoveHeaderMapValue = Env "proxy_remove_header_map_value"
        (map_id: U32, key_data: Ptr, key_size: Size) -> U32
        [ALL, Started];

    // Streams.

    /// resumes a paused request. Returns a status, as Envoy's does; the specification says none.
    ProxyContinueRequest = Env "proxy_continue_request"
        () -> U32
        [V0_1, Started];
    /// resumes a paused response. Returns a status, as Envoy's does; the specification says none.
    ProxyContinueResponse = Env "proxy_continue_response"
        () -> U32
        [V0_1, Started];
    /// chooses the route again. Returns a status, as Envoy's does; the specification says none.
    ProxyClearRouteCache = Env "proxy_clear_route_cache"
        () -> U32
        [V0_1, Started];
    /// resumes a paused stream.
    ProxyContinueStream = Env "proxy_continue_stream"
        (stream_type: U32) -> U32
        [V0_2, Started];
    /// closes or resets a stream.
    ProxyCloseStream = Env "proxy_close_stream"
        (stream_type: U32) -> U32
        [V0_2, Started];
    /// answers in place of the upstream.
    ProxySendLocalResponse = Env "proxy_send_local_response"
        (
            status_code: U32,
            status_code_details_data: Ptr,
            status_code_details_size: Size,
            body_data: Ptr,
            body_size: Size,
            serialized_headers_data: Ptr,
            serialized_headers_size: Size,
            grpc_status: U32,
        ) -> U32
        [ALL, Started];
    /// gives status and message of the last call.
    ProxyGetStatus = Env "proxy_get_status"
        (
            return_status_code: Ptr,
            return_status_message_data: Ptr,
            return_status_message_size: Ptr,
        ) -> U32
        [ALL, Started];

    // Calls to other services.

    /// sends an HTTP request.
    ProxyHttpCall = Env "proxy_http_call"
        (
            upstream_name_data: Ptr,
            upstream_name_size: Size,
            serialized_headers_data: Ptr,
            serialized_headers_size: Size,
            body_data: Ptr,
            body_size: Size,
            serialized_trailers_data: Ptr,
            serialized_trailers_size: Size,
            timeout: U32,
            return_call_id: Ptr,
        ) -> U32
        [ALL, Started];
    /// sends a gRPC message and waits for one.
    ProxyGrpcCall = Env "proxy_grpc_call"
        (
            upstream_name_data: Ptr,
            upstream_name_size: Size,
            service_name_data: Ptr,
            service_name_size: Size,
            method_name_data: Ptr,
            method_name_size: Size,
            serialized_initial_metadata_data: Ptr,
            serialized_initial_metadata_size: Size,
            message_data: Ptr,
            message_size: Size,
            timeout: U32,
            return_call_id: Ptr,
        ) -> U32
        [ALL, Started];
    /// opens a gRPC stream.
    ProxyGrpcStream = Env "proxy_grpc_stream"
        (
            upstream_name_data: Ptr,
            upstream_name_size: Size,
            service_name_data: Ptr,
            service_name_size: Size,
            method_name_data: Ptr,
            method_name_size: Size,
            serialized_initial_metadata_data: Ptr,
            serialized_initial_metadata_size: Size,
            return_stream_id: Ptr,
        ) -> U32
        [ALL, Started];
    /// sends a message on a gRPC stream.
    ProxyGrpcSend = Env "proxy_grpc_send"
        (stream_id: U32, message_data: Ptr, message_size: Size, end_stream: Bool) -> U32
        [ALL, Started];
    /// cancels a gRPC call or resets a stream.
    ProxyGrpcCancel = Env "proxy_grpc_cancel"
        (call_or_stream_id: U32) -> U32
        [ALL, Started];
    /// closes a gRPC call or stream.
    ProxyGrpcClose = Env "proxy_grpc_close"
        (call_or_stream_id: U32) -> U32
        [ALL, Started];

    // Shared data and queues.

    /// reads a shared value.
    ProxyGetSharedData = Env "proxy_get_shared_data"
        (
            key_data: Ptr,
            key_size: Size,
            return_value_data: Ptr,
            return_value_size: Ptr,
            return_cas: Ptr,
        ) -> U32
        [ALL, Started];
    /// writes a shared value.
    ProxySetSharedData = Env "proxy_set_shared_data"
        (key_data: Ptr, key_size: Size, value_data: Ptr, value_size: Size, cas: U32) -> U32
        [ALL, Started];
    /// opens a queue of this VM.
    ProxyRegisterSharedQueue = Env "proxy_register_shared_queue"
        (name_data: Ptr, name_size: Size, return_queue_id: Ptr) -> U32
        [ALL, Started];
    /// finds a queue of another VM.
    ProxyResolveSharedQueue = Env "proxy_resolve_shared_queue"
        (
            vm_id_data: Ptr,
            vm_id_size: Size,
            name_data: Ptr,
            name_size: Size,
            return_queue_id: Ptr,
        ) -> U32
        [ALL, Started];
    /// puts a value into a queue.
    ProxyEnqueueSharedQueue = Env "proxy_enqueue_shared_queue"
        (queue_id: U32, value_data: Ptr, value_size: Size) -> U32
        [ALL, Started];
    /// takes a value out of a queue.
    ProxyDequeueSharedQueue = Env "proxy_dequeue_shared_queue"
        (queue_id: U32, return_value_data: Ptr, return_value_size: Ptr) -> U32
        [ALL, Started];

    // Metrics.

    /// defines a metric.
    ProxyDefineMetric = Env "proxy_define_metric"
        (metric_type: U32, name_data: Ptr, name_size: Size, return_metric_id: Ptr) -> U32
        [ALL, Started];
    /// sets a metric, or adds a sample to a histogram.
    ProxyRecordMetric = Env "proxy_record_metric"
        (metric_id: U32, value: U64) -> U32
        [ALL, Started];
    /// changes a metric by a signed amount.
    ProxyIncrementMetric = Env "proxy_increment_metric"
        (metric_id: U32, delta: U64) -> U32
        [ALL, Started];
    /// reads a metric.
    ProxyGetMetric = Env "proxy_get_metric"
        (metric_id: U32, return_value: Ptr) -> U32
        [ALL, Started];

    // Properties and foreign functions.

    /// reads a property.
    ProxyGetProperty = Env "proxy_get_property"
        (path_data: Ptr, path_size: Size, return_value_data: Ptr, return_value_size: Ptr) -> U32
        [ALL, Started];
    /// writes a property.
    ProxySetProperty = Env "proxy_set_property"
        (path_data: Ptr, path_size: Size, value_data: Ptr, value_size: Size) -> U32
        [ALL, Started];
    /// calls a function of the host by name. Both result addresses may be 0.
    ProxyCallForeignFunction = Env "proxy_call_foreign_function"
        (
            name_data: Ptr,
            name_size: Size,
            arguments_data: Ptr,
            arguments_size: Size,
            return_results_data: Ptr,
            return_results_size: Ptr,
        ) -> U32
        [ALL, Started];

    // Emscripten.

    /// told by Emscripten's allocator after each growth of memory. Does nothing.
    EnvEmscriptenNotifyMemoryGrowth = Env "emscripten_notify_memory_growth"
        (memory_index: U32)
        [ALL, Any];
    /// compares two thread ids: 1 if they are equal. Returns no status.
    EnvPthreadEqual = Env "pthread_equal"
        (left: U32, right: U32) -> U32
        [ALL, Started];

    // WASI: program arguments, environment, clocks, randomness.

    /// gives the arguments, of which there are none.
    WasiArgsGet = Wasi "args_get"
        (argv: Ptr, argv_buf: Ptr) -> U32
        [ALL, Any];
    /// tells that there are no arguments.
    WasiArgsSizesGet = Wasi "args_sizes_get"
        (return_argc: Ptr, return_argv_buf_size: Ptr) -> U32
        [ALL, Any];
    /// gives the environment variables.
    WasiEnvironGet = Wasi "environ_get"
        (environ: Ptr, environ_buf: Ptr) -> U32
        [ALL, Any];
    /// tells the size of the environment variables.
    WasiEnvironSizesGet = Wasi "environ_sizes_get"
        (return_count: Ptr, return_buf_size: Ptr) -> U32
        [ALL, Any];
    /// tells the resolution of a clock.
    WasiClockResGet = Wasi "clock_res_get"
        (clock_id: U32, return_resolution: Ptr) -> U32
        [ALL, Any];
    /// reads a clock.
    WasiClockTimeGet = Wasi "clock_time_get"
        (clock_id: U32, precision: U64, return_time: Ptr) -> U32
        [ALL, Any];
    /// gives random bytes.
    WasiRandomGet = Wasi "random_get"
        (buffer: Ptr, buffer_size: Size) -> U32
        [ALL, Any];

    // WASI: descriptors. A host knows standard output and error, for writing.

    /// gives advice about access to a file.
    WasiFdAdvise = Wasi "fd_advise"
        (fd: U32, offset: U64, len: U64, advice: U32) -> U32
        [ALL, Any];
    /// reserves space in a file.
    WasiFdAllocate = Wasi "fd_allocate"
        (fd: U32, offset: U64, len: U64) -> U32
        [ALL, Any];
    /// closes a descriptor.
    WasiFdClose = Wasi "fd_close"
        (fd: U32) -> U32
        [ALL, Started];
    /// flushes the data of a file.
    WasiFdDatasync = Wasi "fd_datasync"
        (fd: U32) -> U32
        [ALL, Any];
    /// tells the attributes of a descriptor.
    WasiFdFdstatGet = Wasi "fd_fdstat_get"
        (fd: U32, return_fdstat: Ptr) -> U32
        [ALL, Any];
    /// sets the flags of a descriptor.
    WasiFdFdstatSetFlags = Wasi "fd_fdstat_set_flags"
        (fd: U32, flags: U32) -> U32
        [ALL, Any];
    /// narrows the rights of a descriptor.
    WasiFdFdstatSetRights = Wasi "fd_fdstat_set_rights"
        (fd: U32, fs_rights_base: U64, fs_rights_inheriting: U64) -> U32
        [ALL, Any];
    /// tells the attributes of a file.
    WasiFdFilestatGet = Wasi "fd_filestat_get"
        (fd: U32, return_filestat: Ptr) -> U32
        [ALL, Any];
    /// sets the size of a file.
    WasiFdFilestatSetSize = Wasi "fd_filestat_set_size"
        (fd: U32, size: U64) -> U32
        [ALL, Any];
    /// sets the times of a file.
    WasiFdFilestatSetTimes = Wasi "fd_filestat_set_times"
        (fd: U32, atim: U64, mtim: U64, fst_flags: U32) -> U32
        [ALL, Any];
    /// reads at an offset.
    WasiFdPread = Wasi "fd_pread"
        (fd: U32, iovs: Ptr, iovs_len: Size, offset: U64, return_read: Ptr) -> U32
        [ALL, Any];
    /// tells about a preopened directory, of which there are none.
    WasiFdPrestatGet = Wasi "fd_prestat_get"
        (fd: U32, return_prestat: Ptr) -> U32
        [ALL, Any];
    /// gives the name of a preopened directory.
    WasiFdPrestatDirName = Wasi "fd_prestat_dir_name"
        (fd: U32, path: Ptr, path_len: Size) -> U32
        [ALL, Any];
    /// writes at an offset.
    WasiFdPwrite = Wasi "fd_pwrite"
        (fd: U32, iovs: Ptr, iovs_len: Size, offset: U64, return_written: Ptr) -> U32
        [ALL, Any];
    /// reads from a descriptor.
    WasiFdRead = Wasi "fd_read"
        (fd: U32, iovs: Ptr, iovs_len: Size, return_read: Ptr) -> U32
        [ALL, Started];
    /// lists a directory.
    WasiFdReaddir = Wasi "fd_readdir"
        (fd: U32, buf: Ptr, buf_len: Size, cookie: U64, return_used: Ptr) -> U32
        [ALL, Any];
    /// moves a descriptor to another number.
    WasiFdRenumber = Wasi "fd_renumber"
        (fd: U32, to: U32) -> U32
        [ALL, Any];
    /// moves the position of a descriptor. `wasi_unstable` numbers `whence` otherwise.
    WasiFdSeek = Wasi "fd_seek"
        (fd: U32, offset: U64, whence: U32, return_offset: Ptr) -> U32
        [ALL, Started];
    /// flushes a file.
    WasiFdSync = Wasi "fd_sync"
        (fd: U32) -> U32
        [ALL, Any];
    /// tells the position of a descriptor.
    WasiFdTell = Wasi "fd_tell"
        (fd: U32, return_offset: Ptr) -> U32
        [ALL, Any];
    /// writes to a descriptor: to the log.
    WasiFdWrite = Wasi "fd_write"
        (fd: U32, iovs: Ptr, iovs_len: Size, return_written: Ptr) -> U32
        [ALL, Any];

    // WASI: files by path. A host has none.

    /// makes a directory.
    WasiPathCreateDirectory = Wasi "path_create_directory"
        (fd: U32, path: Ptr, path_len: Size) -> U32
        [ALL, Any];
    /// tells the attributes of a file.
    WasiPathFilestatGet = Wasi "path_filestat_get"
        (fd: U32, flags: U32, path: Ptr, path_len: Size, return_filestat: Ptr) -> U32
        [ALL, Any];
    /// sets the times of a file.
    WasiPathFilestatSetTimes = Wasi "path_filestat_set_times"
        (
            fd: U32,
            flags: U32,
            path: Ptr,
            path_len: Size,
            atim: U64,
            mtim: U64,
            fst_flags: U32,
        ) -> U32
        [ALL, Any];
    /// makes a hard link.
    WasiPathLink = Wasi "path_link"
        (
            old_fd: U32,
            old_flags: U32,
            old_path: Ptr,
            old_path_len: Size,
            new_fd: U32,
            new_path: Ptr,
            new_path_len: Size,
        ) -> U32
        [ALL, Any];
    /// opens a file.
    WasiPathOpen = Wasi "path_open"
        (
            fd: U32,
            dir_flags: U32,
            path: Ptr,
            path_len: Size,
            oflags: U32,
            fs_rights_base: U64,
            fs_rights_inheriting: U64,
            fd_flags: U32,
            return_fd: Ptr,
        ) -> U32
        [ALL, Started];
    /// reads a symbolic link.
    WasiPathReadlink = Wasi "path_readlink"
        (fd: U32, path: Ptr, path_len: Size, buf: Ptr, buf_len: Size, return_used: Ptr) -> U32
        [ALL, Any];
    /// removes a directory.
    WasiPathRemoveDirectory = Wasi "path_remove_directory"
        (fd: U32, path: Ptr, path_len: Size) -> U32
        [ALL, Any];
    /// renames a file.
    WasiPathRename = Wasi "path_rename"
        (
            fd: U32,
            old_path: Ptr,
            old_path_len: Size,
            new_fd: U32,
            new_path: Ptr,
            new_path_len: Size,
        ) -> U32
        [ALL, Any];
    /// makes a symbolic link.
    WasiPathSymlink = Wasi "path_symlink"
        (old_path: Ptr, old_path_len: Size, fd: U32, new_path: Ptr, new_path_len: Size) -> U32
        [ALL, Any];
    /// removes a file.
    WasiPathUnlinkFile = Wasi "path_unlink_file"
        (fd: U32, path: Ptr, path_len: Size) -> U32
        [ALL, Any];

    // WASI: polling, the process, sockets.

    /// waits for events. A host never blocks.
    WasiPollOneoff = Wasi "poll_oneoff"
        (subscriptions: Ptr, events: Ptr, subscription_count: Size, return_count: Ptr) -> U32
        [ALL, Any];
    /// ends the program: a trap.
    WasiProcExit = Wasi "proc_exit"
        (exit_code: U32)
        [ALL, Started];
    /// sends a signal to itself. Envoy doesn't link it.
    WasiProcRaise = Wasi "proc_raise"
        (signal: U32) -> U32
        [ALL, Started];
    /// lets other threads run.
    WasiSchedYield = Wasi "sched_yield"
        () -> U32
        [ALL, Started];
    /// accepts a connection. Not in `wasi_unstable`, but linked there too, as in Envoy.
    WasiSockAccept = Wasi "sock_accept"
        (fd: U32, flags: U32, return_fd: Ptr) -> U32
        [ALL, Any];
    /// receives from a socket.
    WasiSockRecv = Wasi "sock_recv"
        (
            fd: U32,
            ri_data: Ptr,
            ri_data_len: Size,
            ri_flags: U32,
            return_size: Ptr,
            return_flags: Ptr,
        ) -> U32
        [ALL, Any];
    /// sends to a socket.
    WasiSockSend = Wasi "sock_send"
        (fd: U32, si_data: Ptr, si_data_len: Size, si_flags: U32, return_size: Ptr) -> U32
        [ALL, Any];
    /// shuts down a socket.
    WasiSockShutdown = Wasi "sock_shutdown"
        (fd: U32, how: U32) -> U32
        [ALL, Any];
}
