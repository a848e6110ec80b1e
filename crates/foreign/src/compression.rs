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
