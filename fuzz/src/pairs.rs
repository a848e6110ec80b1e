//! The codecs of `enginebay-abi`: header maps, property paths and values, targets of gRPC callouts.

use enginebay::abi::pairs::{
    EncodeError, PairsLimits, decode, decode_with, encode, encode_into, encoded_len,
};
use enginebay::abi::property::PropertyPath;
use enginebay::abi::values::{self, Value};
use enginebay::abi::{GrpcService, attribute_type, property};
use prost::Message;

use crate::input::Input;

/// The bytes are given to each of the codecs.
pub fn run(input: &[u8]) {
    decoding(input);
    encoding(input);
    path(input);
    values(input);
    grpc_service(input);
}

fn decoding(input: &[u8]) {
    let generous = PairsLimits {
        max_pairs: usize::MAX,
        max_bytes: usize::MAX,
    };
    let Ok(pairs) = decode_with(input, generous) else {
        assert!(decode(input).is_err(), "limits make it readable");
        return;
    };
    let count = pairs.len();
    let list: Vec<_> = pairs.clone().collect();
    assert_eq!(list.len(), count);
    let again = encode(list.iter().copied()).expect("it was read");
    if !matches!(input, [] | [0]) {
        assert_eq!(again, input, "there is one encoding of each list");
    }
    assert_eq!(encoded_len(list.iter().copied()), again.len());
    // The limits decide by these two sizes and by nothing else.
    for (max_pairs, max_bytes) in [(count, input.len()), (count, 8), (1, input.len()), (3, 40)] {
        let limits = PairsLimits { max_pairs, max_bytes };
        let fits = count <= max_pairs && input.len() <= max_bytes;
        assert_eq!(decode_with(input, limits).is_ok(), fits, "{limits:?}");
    }
}

fn encoding(input: &[u8]) {
    let mut rest = Input(input);
    let mut list = Vec::new();
    while !rest.is_empty() && list.len() < 64 {
        let (name, value) = (usize::from(rest.u8() % 32), usize::from(rest.u8()));
        list.push((rest.take(name), rest.take(value)));
    }
    let bytes = encode(list.iter().copied()).expect("it is small");
    let read: Vec<_> = decode(&bytes).expect("it was written").collect();
    assert_eq!(read, list);
    let mut small = vec![0; bytes.len() - 1];
    let error = encode_into(list.iter().copied(), &mut small);
    assert_eq!(error, Err(EncodeError::BufferTooSmall { len: small.len() }));
}

fn path(input: &[u8]) {
    let Ok(path) = PropertyPath::parse(input) else {
        assert!(input.is_empty());
        return;
    };
    let parts: Vec<_> = path.parts().collect();
    assert_eq!(
        parts.iter().map(|part| part.len() + 1).sum::<usize>(),
        path.as_bytes().len() + 1
    );
    let written = property::encode(&parts);
    let again = PropertyPath::parse(&written);
    assert_eq!(again.map(|path| path.parts().collect()), Ok(parts.clone()));
    let (first, rest) = path.split_first();
    let split: Vec<_> = std::iter::once(first)
        .chain(rest.iter().flat_map(PropertyPath::parts))
        .collect();
    assert_eq!(split, parts);
    assert_eq!(path.as_single().is_some(), parts.len() == 1);
    assert_eq!(path.without_xds() == path, parts.len() == 1 || parts[0] != b"xds");
    let shown = path.to_string();
    assert!(!shown.contains(char::is_control), "{shown:?}");
    let _ = attribute_type(path);
}

fn values(input: &[u8]) {
    if let Some(value) = values::decode_int(input) {
        assert_eq!(&*Value::Int(value).encode(), input);
    }
    if let Some(value) = values::decode_uint(input) {
        assert_eq!(&*Value::Uint(value).encode(), input);
    }
    if let Some(value) = values::decode_double(input) {
        assert_eq!(&*Value::Double(value).encode(), input);
    }
    if let Some(value) = values::decode_bool(input) {
        assert_eq!(&*Value::Bool(value).encode(), input);
    }
    let words = || input.chunks(7).map(Value::Bytes);
    let list = values::encode_list(words()).expect("it is small");
    let read: Vec<_> = decode_with(
        &list,
        PairsLimits {
            max_pairs: usize::MAX,
            max_bytes: usize::MAX,
        },
    )
    .expect("it was written")
    .collect();
    assert!(read.iter().map(|(value, _)| *value).eq(input.chunks(7)));
}

/// `envoy.config.core.v3.GrpcService`, as far as it is read.
#[derive(Clone, PartialEq, Message)]
struct Service {
    #[prost(message, optional, tag = "1")]
    envoy_grpc: Option<EnvoyGrpc>,
    #[prost(message, optional, tag = "3")]
    timeout: Option<Seconds>,
    #[prost(message, repeated, tag = "5")]
    initial_metadata: Vec<Header>,
}

#[derive(Clone, PartialEq, Message)]
struct EnvoyGrpc {
    #[prost(bytes = "vec", tag = "1")]
    cluster_name: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    authority: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct Seconds {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Header {
    #[prost(bytes = "vec", tag = "1")]
    key: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

fn grpc_service(input: &[u8]) {
    let service = GrpcService::parse(input);
    let metadata: Vec<_> = service.initial_metadata().collect();
    let size: usize = metadata.iter().map(|(key, value)| key.len() + value.len()).sum();
    assert!(size + metadata.len() <= input.len(), "more metadata than bytes");
    let is_name = service.cluster == input;
    if is_name {
        return;
    }
    assert!(!service.cluster.is_empty());
    // What a protobuf library writes of it is read as the same.
    let message = Service {
        envoy_grpc: Some(EnvoyGrpc {
            cluster_name: service.cluster.to_vec(),
            authority: service.authority.unwrap_or_default().to_vec(),
        }),
        timeout: service.timeout.map(|timeout| Seconds {
            seconds: i64::try_from(timeout.as_secs()).expect("it was read from one"),
            nanos: timeout.subsec_nanos() as i32,
        }),
        initial_metadata: metadata
            .iter()
            .map(|(key, value)| Header {
                key: key.to_vec(),
                value: value.to_vec(),
            })
            .collect(),
    };
    let written = message.encode_to_vec();
    let again = GrpcService::parse(&written);
    assert_eq!(again.cluster, service.cluster);
    assert_eq!(again.authority, service.authority);
    assert_eq!(again.timeout, service.timeout);
    assert!(again.initial_metadata().eq(metadata));
    // And what the library takes for a message, it reads as we do.
    if let Ok(theirs) = Service::decode(input) {
        let envoy = theirs.envoy_grpc.unwrap_or_default();
        assert_eq!(envoy.cluster_name, service.cluster);
        assert_eq!(envoy.authority, service.authority.unwrap_or_default());
        let timeout = theirs
            .timeout
            .map(|timeout| (timeout.seconds as u64, timeout.nanos as u32));
        let ours = service
            .timeout
            .map(|timeout| (timeout.as_secs(), timeout.subsec_nanos()));
        assert_eq!(timeout, ours);
    }
}
