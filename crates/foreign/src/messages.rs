//! The arguments and results of the functions, as protobuf messages with Envoy's field numbers
//! (`envoy.source.extensions.common.wasm`).

use prost::Message;

/// `VerifySignatureArguments`, what `verify_signature` takes.
#[derive(Clone, PartialEq, Message)]
pub struct VerifySignatureArguments {
    /// Name of the hash function: `sha1`, `sha224`, `sha256`, `sha384` or `sha512`, in any case.
    #[prost(string, tag = "1")]
    pub hash_function: String,
    /// The public key: a DER `SubjectPublicKeyInfo`.
    #[prost(bytes = "vec", tag = "2")]
    pub public_key: Vec<u8>,
    /// The signature: PKCS#1 v1.5 for RSA keys, DER for those of elliptic curves.
    #[prost(bytes = "vec", tag = "3")]
    pub signature: Vec<u8>,
    /// What was signed.
    #[prost(bytes = "vec", tag = "4")]
    pub text: Vec<u8>,
    /// The public key in PEM, in the place of `public_key`.
    #[prost(string, tag = "5")]
    pub public_key_pem: String,
}

/// `VerifySignatureResult`, what `verify_signature` returns.
#[derive(Clone, PartialEq, Message)]
pub struct VerifySignatureResult {
    /// Whether the signature is good.
    #[prost(bool, tag = "1")]
    pub result: bool,
    /// Why not.
    #[prost(string, tag = "2")]
    pub error: String,
}

/// `SignArguments`, what `sign` takes.
#[derive(Clone, PartialEq, Message)]
pub struct SignArguments {
    /// Name of the hash function, as for `verify_signature`.
    #[prost(string, tag = "1")]
    pub hash_function: String,
    /// The private key: PKCS#8 in DER.
    #[prost(bytes = "vec", tag = "2")]
    pub private_key: Vec<u8>,
    /// What to sign.
    #[prost(bytes = "vec", tag = "3")]
    pub text: Vec<u8>,
    /// The private key in PEM (PKCS#8, PKCS#1 or SEC1), in the place of `private_key`.
    #[prost(string, tag = "4")]
    pub private_key_pem: String,
}

/// `SignResult`, what `sign` returns.
#[derive(Clone, PartialEq, Message)]
pub struct SignResult {
    /// Whether there is a signature.
    #[prost(bool, tag = "1")]
    pub result: bool,
    /// The signature.
    #[prost(bytes = "vec", tag = "2")]
    pub signature: Vec<u8>,
    /// Why there is none.
    #[prost(string, tag = "3")]
    pub error: String,
}

/// `SetEnvoyFilterStateArguments`, what `set_envoy_filter_state` takes.
#[derive(Clone, PartialEq, Message)]
pub struct SetEnvoyFilterStateArguments {
    /// The key.
    #[prost(string, tag = "1")]
    pub path: String,
    /// The value.
    #[prost(string, tag = "2")]
    pub value: String,
    /// How long it lives: a number of [`LifeSpan`].
    #[prost(enumeration = "LifeSpan", tag = "3")]
    pub span: i32,
}

/// `DeclarePropertyArguments`, what `declare_property` takes.
#[derive(Clone, PartialEq, Message)]
pub struct DeclarePropertyArguments {
    /// The property's path, as `proxy_set_property` takes it.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Once set, the value stays.
    #[prost(bool, tag = "2")]
    pub readonly: bool,
    /// What expressions take the value for: a number of [`WasmType`].
    #[prost(enumeration = "WasmType", tag = "3")]
    pub r#type: i32,
    /// The schema of a message. Not looked at.
    #[prost(bytes = "vec", tag = "4")]
    pub schema: Vec<u8>,
    /// How long it lives: a number of [`LifeSpan`].
    #[prost(enumeration = "LifeSpan", tag = "5")]
    pub span: i32,
}

/// `LifeSpan`. An unknown number is `FilterChain`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum LifeSpan {
    /// To the end of the filter chain.
    FilterChain = 0,
    /// To the end of the request.
    DownstreamRequest = 1,
    /// To the end of the client's connection.
    DownstreamConnection = 2,
}

/// `WasmType`. An unknown number is `Bytes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum WasmType {
    /// Bytes.
    Bytes = 0,
    /// Text.
    String = 1,
    /// A FlatBuffers table. To expressions, bytes.
    FlatBuffers = 2,
    /// A protobuf message. To expressions, bytes.
    Protobuf = 3,
}
