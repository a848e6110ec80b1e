//! Where a gRPC callout goes: the name of a cluster, or a message `envoy.config.core.v3.GrpcService` that has one.

use std::time::Duration;

/// The target of `proxy_grpc_call` and `proxy_grpc_stream`.
///
/// The specification calls it the name of an upstream. Envoy takes a serialised `GrpcService` too, which its C++ SDK
/// sends, and looks for that first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GrpcService<'a> {
    /// `envoy_grpc.cluster_name`, or the whole text.
    pub cluster: &'a [u8],
    /// `envoy_grpc.authority`, if it is not empty.
    pub authority: Option<&'a [u8]>,
    /// `timeout`, if given.
    pub timeout: Option<Duration>,
    /// The message; empty for a name.
    message: &'a [u8],
}

impl<'a> GrpcService<'a> {
    /// Reads a target as a guest passes it. Any bytes are one: what is no message is a name.
    pub fn parse(bytes: &'a [u8]) -> Self {
        message(bytes).unwrap_or_else(|| GrpcService {
            cluster: bytes,
            ..GrpcService::default()
        })
    }

    /// `initial_metadata`: keys and values. Read from the message as they are asked for: there may be as many as a guest
    /// has memory for.
    pub fn initial_metadata(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        Fields(self.message).filter_map(|field| match field? {
            (5, Field::Bytes(bytes)) => header(bytes),
            _ => None,
        })
    }
}

fn message(bytes: &[u8]) -> Option<GrpcService<'_>> {
    let mut service = GrpcService {
        message: bytes,
        ..GrpcService::default()
    };
    let mut timeout = None;
    for field in Fields(bytes) {
        match field? {
            (1, Field::Bytes(bytes)) => envoy_grpc(bytes, &mut service)?,
            (3, Field::Bytes(bytes)) => read_duration(bytes, timeout.get_or_insert((0, 0)))?,
            (5, Field::Bytes(bytes)) => {
                header(bytes)?;
            }
            _ => {}
        }
    }
    if let Some((seconds, nanos)) = timeout {
        service.timeout = Some(duration(seconds, nanos)?);
    }
    (!service.cluster.is_empty()).then_some(service)
}

/// `GrpcService.EnvoyGrpc`.
fn envoy_grpc<'a>(bytes: &'a [u8], service: &mut GrpcService<'a>) -> Option<()> {
    for field in Fields(bytes) {
        match field? {
            (1, Field::Bytes(name)) => service.cluster = name,
            (2, Field::Bytes(authority)) => {
                service.authority = Some(authority).filter(|authority| !authority.is_empty());
            }
            _ => {}
        }
    }
    Some(())
}

/// `envoy.config.core.v3.HeaderValue`.
fn header(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (mut key, mut value) = (&b""[..], &b""[..]);
    for field in Fields(bytes) {
        match field? {
            (1, Field::Bytes(text)) => key = text,
            // `value` and `raw_value`.
            (2 | 3, Field::Bytes(text)) if !text.is_empty() => value = text,
            _ => {}
        }
    }
    Some((key, value))
}

/// Seconds and nanoseconds of a `google.protobuf.Duration`. What a further one leaves out stays.
fn read_duration(bytes: &[u8], (seconds, nanos): &mut (u64, u64)) -> Option<()> {
    for field in Fields(bytes) {
        match field? {
            (1, Field::Number(number)) => *seconds = number,
            (2, Field::Number(number)) => *nanos = number,
            _ => {}
        }
    }
    Some(())
}

/// A negative one is none.
fn duration(seconds: u64, nanos: u64) -> Option<Duration> {
    let nanos = u32::try_from(nanos).ok().filter(|nanos| *nanos < 1_000_000_000)?;
    i64::try_from(seconds).ok()?;
    Some(Duration::new(seconds, nanos))
}

enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    /// Of a fixed size, which no field here is.
    Other,
}

/// The fields of a message, each with its number; ends with `None` for what is none.
struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = Option<(u64, Field<'a>)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.0 = &[];
        }
        Some(field)
    }
}

impl<'a> Fields<'a> {
    fn field(&mut self) -> Option<(u64, Field<'a>)> {
        let key = self.varint()?;
        let number = key >> 3;
        if number == 0 || number > u64::from(u32::MAX >> 3) {
            return None;
        }
        let field = match key & 7 {
            0 => Field::Number(self.varint()?),
            1 => self.take(8).map(|_| Field::Other)?,
            2 => {
                let len = usize::try_from(self.varint()?).ok()?;
                Field::Bytes(self.take(len)?)
            }
            5 => self.take(4).map(|_| Field::Other)?,
            _ => return None,
        };
        Some((number, field))
    }

    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (first, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(first & 0x7f) << shift;
            if first & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_is_a_name() {
        for name in ["grpc", "cluster_1", "", "\n", "a.b:80"] {
            let service = GrpcService::parse(name.as_bytes());
            assert_eq!(service.cluster, name.as_bytes());
            assert_eq!((service.authority, service.timeout), (None, None));
            assert_eq!(service.initial_metadata().count(), 0);
        }
    }

    #[test]
    fn a_message_has_a_name_in_it() {
        // envoy_grpc { cluster_name: "up" authority: "a" } timeout { seconds: 1 nanos: 500 }
        // initial_metadata { key: "k" value: "v" } and a field 9 that nobody knows.
        let bytes =
            b"\x0a\x07\x0a\x02up\x12\x01a\x1a\x05\x08\x01\x10\xf4\x03\x2a\x06\x0a\x01k\x12\x01v\x48\x05";
        let service = GrpcService::parse(bytes);
        assert_eq!(service.cluster, b"up");
        assert_eq!(service.authority, Some(&b"a"[..]));
        assert_eq!(service.timeout, Some(Duration::new(1, 500)));
        let metadata: Vec<_> = service.initial_metadata().collect();
        assert_eq!(metadata, [(&b"k"[..], &b"v"[..])]);
        // Cut short, it is no message.
        assert_eq!(GrpcService::parse(&bytes[..8]).cluster, &bytes[..8]);
    }

    #[test]
    fn parts_of_a_message_in_a_message_are_one() {
        // envoy_grpc { cluster_name: "up" } timeout { seconds: 3 } timeout { nanos: 5 } envoy_grpc { authority: "b" }
        let bytes = b"\x0a\x04\x0a\x02up\x1a\x02\x08\x03\x1a\x02\x10\x05\x0a\x03\x12\x01b";
        let service = GrpcService::parse(bytes);
        assert_eq!(service.cluster, b"up");
        assert_eq!(service.authority, Some(&b"b"[..]));
        assert_eq!(service.timeout, Some(Duration::new(3, 5)));
    }

    #[test]
    fn a_message_is_one_to_its_last_byte() {
        let whole = |end: &[u8]| [b"\x0a\x04\x0a\x02up", end].concat();
        let fine: [&[u8]; 4] = [
            b"",
            b"\x2a\x00",
            b"\x49\x01\x02\x03\x04\x05\x06\x07\x08",
            b"\x4d\x01\x02\x03\x04",
        ];
        for end in fine {
            assert_eq!(GrpcService::parse(&whole(end)).cluster, b"up", "{end:?}");
        }
        // A header, a duration and fields that are cut short; a negative duration; a group; a number without an end.
        let negative = b"\x1a\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
        let broken: [&[u8]; 7] = [
            b"\x2a\x02\x0a\x09",
            b"\x1a\x01\x08",
            b"\x49\x01\x02\x03",
            b"\x4d\x01\x02",
            negative,
            b"\x0b",
            b"\x48\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        ];
        for end in broken {
            let bytes = whole(end);
            assert_eq!(GrpcService::parse(&bytes).cluster, bytes, "{end:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_target(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let service = GrpcService::parse(&bytes);
            prop_assert!(service.cluster.len() <= bytes.len());
            prop_assert!(service.initial_metadata().count() <= bytes.len());
        }
    }
}
