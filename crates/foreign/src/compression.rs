//! `compress` and `uncompress`: zlib streams.

use enginebay_abi::{LogLevel, Status};
use enginebay_host::ForeignCall;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};

/// How much the buffer for the output grows at a time.
const STEP: usize = 16 << 10;

/// Arguments are bytes, the result is a zlib stream of them, with zlib's default level.
pub(crate) fn compress(call: &mut ForeignCall<'_>) -> Status {
    let input = call.arguments();
    let mut zlib = Compress::new(Compression::default(), true);
    let out = call.results();
    loop {
        out.reserve(STEP);
        let rest = input.get(done(zlib.total_in())..).unwrap_or_default();
        match zlib.compress_vec(rest, out, FlushCompress::Finish) {
            Ok(flate2::Status::StreamEnd) => return Status::Ok,
            Ok(_) => {}
            Err(_) => return Status::SerializationFailure,
        }
    }
}

/// Arguments are a zlib stream, the result is what it holds. What follows the stream is left alone, as zlib's
/// `uncompress` does.
pub(crate) fn uncompress(call: &mut ForeignCall<'_>, max: usize) -> Status {
    let input = call.arguments();
    let max = max.min(call.max_results());
    let mut zlib = Decompress::new(true);
    loop {
        let (before_in, before_out) = (zlib.total_in(), zlib.total_out());
        let out = call.results();
        if out.len() == out.capacity() {
            // Twice as much each time, but one byte over the limit at most, which tells that there is more.
            let more = out.len().max(STEP).min((max + 1).saturating_sub(out.len()));
            out.reserve_exact(more);
        }
        let rest = input.get(done(before_in)..).unwrap_or_default();
        let result = zlib.decompress_vec(rest, out, FlushDecompress::None);
        if out.len() > max {
            let message = format!("uncompress: the data is larger than {max} bytes");
            call.log(LogLevel::Warn, &message);
            return Status::InternalFailure;
        }
        match result {
            Ok(flate2::Status::StreamEnd) => return Status::Ok,
            Ok(_) if (zlib.total_in(), zlib.total_out()) != (before_in, before_out) => {}
            // Truncated, or no zlib stream.
            Ok(_) | Err(_) => return Status::SerializationFailure,
        }
    }
}

fn done(total: u64) -> usize {
    usize::try_from(total).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::Vm;

    #[test]
    fn what_is_compressed_comes_back() {
        let mut vm = Vm::default();
        for text in [&b""[..], b"x", &[7; 1 << 20]] {
            let small = vm.call("compress", text).unwrap();
            assert!(small.len() < text.len().max(20));
            assert_eq!(vm.call("uncompress", &small).unwrap(), text);
        }
    }

    /// Made with Python's `zlib.compress(b"hello")`.
    #[test]
    fn a_stream_of_zlib_itself() {
        let mut vm = Vm::default();
        let stream = b"\x78\x9c\xcb\x48\xcd\xc9\xc9\x07\x00\x06\x2c\x02\x15";
        assert_eq!(vm.call("uncompress", stream).unwrap(), b"hello");
        let more = [&stream[..], b"what follows"].concat();
        assert_eq!(vm.call("uncompress", more).unwrap(), b"hello");
        for bad in [
            &stream[..5],
            &stream[..12],
            b"",
            b"hello",
            &[&stream[..9], b"\0\0\0\0"].concat(),
        ] {
            assert_eq!(vm.call("uncompress", bad), Err(Status::SerializationFailure));
        }
    }

    #[test]
    fn a_bomb_does_not_go_off() {
        let mut vm = Vm::default();
        vm.limits.uncompressed_bytes = 1 << 20;
        let fits = vm.call("compress", vec![0; 1 << 20]).unwrap();
        assert_eq!(vm.call("uncompress", fits).unwrap().len(), 1 << 20);
        let bomb = vm.call("compress", vec![0; (1 << 20) + 1]).unwrap();
        assert_eq!(vm.call("uncompress", bomb), Err(Status::InternalFailure));
        assert_eq!(vm.logged().len(), 1);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_stream_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut vm = Vm::default();
            let _ = vm.call("uncompress", &bytes);
            let small = vm.call("compress", &bytes).unwrap();
            prop_assert_eq!(vm.call("uncompress", small).unwrap(), bytes);
        }
    }
}
