//! The numbers of WASI preview 1 that a Proxy-Wasm host needs.

wire_enum! {
    /// What a WASI function returns: `errno` of preview 1, the same in `wasi_unstable`.
    pub enum WasiErrno {
        /// No error.
        Success = 0, "SUCCESS";
        /// The argument list is too long.
        TooBig = 1, "2BIG";
        /// Permission denied.
        Acces = 2, "ACCES";
        /// The address is in use.
        Addrinuse = 3, "ADDRINUSE";
        /// The address is not available.
        Addrnotavail = 4, "ADDRNOTAVAIL";
        /// The address family is not supported.
        Afnosupport = 5, "AFNOSUPPORT";
        /// Not available now; try again.
        Again = 6, "AGAIN";
        /// The connection is already being made.
        Already = 7, "ALREADY";
        /// Not an open descriptor. What a host says of any descriptor but standard output and error.
        Badf = 8, "BADF";
        /// Bad message.
        Badmsg = 9, "BADMSG";
        /// The device or resource is busy.
        Busy = 10, "BUSY";
        /// The operation was cancelled.
        Canceled = 11, "CANCELED";
        /// No child processes.
        Child = 12, "CHILD";
        /// The connection was aborted.
        Connaborted = 13, "CONNABORTED";
        /// The connection was refused.
        Connrefused = 14, "CONNREFUSED";
        /// The connection was reset.
        Connreset = 15, "CONNRESET";
        /// There would be a deadlock.
        Deadlk = 16, "DEADLK";
        /// A destination address is needed.
        Destaddrreq = 17, "DESTADDRREQ";
        /// A mathematical argument is out of its domain.
        Dom = 18, "DOM";
        /// Reserved.
        Dquot = 19, "DQUOT";
        /// The file exists.
        Exist = 20, "EXIST";
        /// Bad address: the range is outside the guest's memory.
        Fault = 21, "FAULT";
        /// The file is too large.
        Fbig = 22, "FBIG";
        /// The host can't be reached.
        Hostunreach = 23, "HOSTUNREACH";
        /// The identifier was removed.
        Idrm = 24, "IDRM";
        /// Illegal byte sequence.
        Ilseq = 25, "ILSEQ";
        /// The operation is in progress.
        Inprogress = 26, "INPROGRESS";
        /// The function was interrupted.
        Intr = 27, "INTR";
        /// An argument is invalid; also `random_get` of too many bytes.
        Inval = 28, "INVAL";
        /// An I/O error.
        Io = 29, "IO";
        /// The socket is connected.
        Isconn = 30, "ISCONN";
        /// It is a directory.
        Isdir = 31, "ISDIR";
        /// Too many symbolic links.
        Loop = 32, "LOOP";
        /// Too many open descriptors.
        Mfile = 33, "MFILE";
        /// Too many links.
        Mlink = 34, "MLINK";
        /// The message is too large.
        Msgsize = 35, "MSGSIZE";
        /// Reserved.
        Multihop = 36, "MULTIHOP";
        /// The file name is too long.
        Nametoolong = 37, "NAMETOOLONG";
        /// The network is down.
        Netdown = 38, "NETDOWN";
        /// The network aborted the connection.
        Netreset = 39, "NETRESET";
        /// The network can't be reached.
        Netunreach = 40, "NETUNREACH";
        /// Too many files open in the system.
        Nfile = 41, "NFILE";
        /// No buffer space.
        Nobufs = 42, "NOBUFS";
        /// No such device.
        Nodev = 43, "NODEV";
        /// No such file or directory. What a host says to `path_open`.
        Noent = 44, "NOENT";
        /// The executable has a wrong format.
        Noexec = 45, "NOEXEC";
        /// No locks available.
        Nolck = 46, "NOLCK";
        /// Reserved.
        Nolink = 47, "NOLINK";
        /// Not enough memory.
        Nomem = 48, "NOMEM";
        /// No message of that type.
        Nomsg = 49, "NOMSG";
        /// The protocol is not available.
        Noprotoopt = 50, "NOPROTOOPT";
        /// No space left.
        Nospc = 51, "NOSPC";
        /// The function is not there. What a host says to reading.
        Nosys = 52, "NOSYS";
        /// The socket is not connected.
        Notconn = 53, "NOTCONN";
        /// Not a directory. What a host says to `fd_readdir`.
        Notdir = 54, "NOTDIR";
        /// The directory is not empty.
        Notempty = 55, "NOTEMPTY";
        /// The state can't be recovered.
        Notrecoverable = 56, "NOTRECOVERABLE";
        /// Not a socket.
        Notsock = 57, "NOTSOCK";
        /// Not supported. What a host says of files by path, sockets and unknown clocks.
        Notsup = 58, "NOTSUP";
        /// Not a terminal, or an inappropriate control operation.
        Notty = 59, "NOTTY";
        /// No such device or address.
        Nxio = 60, "NXIO";
        /// The value is too large for its type.
        Overflow = 61, "OVERFLOW";
        /// The previous owner died.
        Ownerdead = 62, "OWNERDEAD";
        /// The operation is not permitted.
        Perm = 63, "PERM";
        /// Broken pipe.
        Pipe = 64, "PIPE";
        /// A protocol error.
        Proto = 65, "PROTO";
        /// The protocol is not supported.
        Protonosupport = 66, "PROTONOSUPPORT";
        /// The protocol is of the wrong type for the socket.
        Prototype = 67, "PROTOTYPE";
        /// The result is too large.
        Range = 68, "RANGE";
        /// The file system is read-only.
        Rofs = 69, "ROFS";
        /// Can't seek there.
        Spipe = 70, "SPIPE";
        /// No such process.
        Srch = 71, "SRCH";
        /// Reserved.
        Stale = 72, "STALE";
        /// The connection timed out.
        Timedout = 73, "TIMEDOUT";
        /// The text file is busy.
        Txtbsy = 74, "TXTBSY";
        /// A link across devices.
        Xdev = 75, "XDEV";
        /// The capability is missing. What a host says when the function is denied to this plugin.
        Notcapable = 76, "NOTCAPABLE";
    }
}

wire_enum! {
    /// A clock of WASI preview 1.
    pub enum ClockId {
        /// Wall time since 1970.
        Realtime = 0, "REALTIME";
        /// A clock that never goes back.
        Monotonic = 1, "MONOTONIC";
        /// Time used by the process. Envoy answers [`WasiErrno::Notsup`].
        ProcessCputimeId = 2, "PROCESS_CPUTIME_ID";
        /// Time used by the thread. Envoy answers [`WasiErrno::Notsup`].
        ThreadCputimeId = 3, "THREAD_CPUTIME_ID";
    }
}

/// The descriptor of standard output: `STDOUT`, logged at [`LogLevel::Info`](crate::LogLevel::Info).
pub const FD_STDOUT: u32 = 1;

/// The descriptor of standard error: `STDERR`, logged at [`LogLevel::Error`](crate::LogLevel::Error).
pub const FD_STDERR: u32 = 2;

/// The most bytes `random_get` gives at once, as in Envoy: more is [`WasiErrno::Inval`].
pub const MAX_RANDOM_BYTES: u32 = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_preview_1() {
        let expected = [
            ("SUCCESS", 0),
            ("2BIG", 1),
            ("BADF", 8),
            ("FAULT", 21),
            ("INVAL", 28),
            ("IO", 29),
            ("NOENT", 44),
            ("NOMEM", 48),
            ("NOSYS", 52),
            ("NOTSUP", 58),
            ("PIPE", 64),
            ("NOTCAPABLE", 76),
        ];
        for (name, number) in expected {
            assert_eq!(WasiErrno::from_u32(number).map(WasiErrno::name), Some(name));
        }
        assert_eq!(WasiErrno::ALL.len(), 77);
    }
}
