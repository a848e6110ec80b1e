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
    /// `initial_metadata`: keys and values.
    pub initial_metadata: Vec<(&'a [u8], &'a [u8])>,
}

impl<'a> GrpcService<'a> {
    /// Reads a target as a guest passes it. Any bytes are one: what is no message is a name.
    pub fn parse(bytes: &'a [u8]) -> Self {
        message(bytes).unwrap_or_else(|| GrpcService {
            cluster: bytes,
            ..GrpcService::default()
        })
    }
}

fn message(bytes: &[u8]) -> Option<GrpcService<'_>> {
    let mut service = GrpcService::default();
    fields(bytes, |number, value| match (number, value) {
        (1, Field::Bytes(envoy_grpc)) => fields(envoy_grpc, |number, value| {
            match (number, value) {
                (1, Field::Bytes(name)) => service.cluster = name,
                (2, Field::Bytes(authority)) => {
                    service.authority = Some(authority).filter(|authority| !authority.is_empty());
                }
                _ => {}
            }
            Some(())
        }),
        (3, Field::Bytes(timeout)) => {
            service.timeout = Some(duration(timeout)?);
            Some(())
        }
        (5, Field::Bytes(header)) => {
            let (mut key, mut text) = (&b""[..], &b""[..]);
            fields(header, |number, value| {
                match (number, value) {
                    (1, Field::Bytes(value)) => key = value,
                    // `value` and `raw_value`.
                    (2 | 3, Field::Bytes(value)) if !value.is_empty() => text = value,
                    _ => {}
                }
                Some(())
            })?;
            service.initial_metadata.push((key, text));
            Some(())
        }
        _ => Some(()),
    })?;
    (!service.cluster.is_empty()).then_some(service)
}

/// `google.protobuf.Duration`; a negative one is none.
fn duration(bytes: &[u8]) -> Option<Duration> {
    let (mut seconds, mut nanos) = (0, 0);
    fields(bytes, |number, value| {
        match (number, value) {
            (1, Field::Number(number)) => seconds = number,
            (2, Field::Number(number)) => nanos = number,
            _ => {}
        }
        Some(())
    })?;
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

/// Calls `f` with each field of a message; `None` if it is none, or as soon as `f` says so.
fn fields<'a>(mut bytes: &'a [u8], mut f: impl FnMut(u64, Field<'a>) -> Option<()>) -> Option<()> {
    while !bytes.is_empty() {
        let key = varint(&mut bytes)?;
        let number = key >> 3;
        if number == 0 || number > u64::from(u32::MAX >> 3) {
            return None;
        }
        let value = match key & 7 {
            0 => Field::Number(varint(&mut bytes)?),
            1 => {
                bytes = bytes.get(8..)?;
                Field::Other
            }
            2 => {
                let len = usize::try_from(varint(&mut bytes)?).ok()?;
                let (value, rest) = bytes.split_at_checked(len)?;
                bytes = rest;
                Field::Bytes(value)
            }
            5 => {
                bytes = bytes.get(4..)?;
                Field::Other
            }
            _ => return None,
        };
        f(number, value)?;
    }
    Some(())
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(first & 0x7f).checked_shl(shift)?;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
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
        assert_eq!(service.initial_metadata, [(&b"k"[..], &b"v"[..])]);
        // Cut short, it is no message.
        assert_eq!(GrpcService::parse(&bytes[..8]).cluster, &bytes[..8]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_target(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let service = GrpcService::parse(&bytes);
            prop_assert!(service.cluster.len() <= bytes.len());
        }
    }
}
