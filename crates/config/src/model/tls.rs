//! TLS towards upstreams.

use std::fmt;
use std::net::IpAddr;

/// TLS towards the hosts of a cluster (`envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext`).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UpstreamTls {
    /// The path of `common_tls_context` in the file, for messages.
    pub path: String,
    /// `sni`: the name to ask for; none if not given.
    pub sni: Option<String>,
    /// `auto_host_sni`: the host's name is asked for instead, where it has one.
    pub auto_host_sni: bool,
    /// `auto_sni_san_validation`: where a name is asked for, the certificate must have it, instead of one of
    /// [`names`](Self::names).
    pub auto_sni_san_validation: bool,
    /// Which certificates are trusted.
    pub roots: Roots,
    /// `match_typed_subject_alt_names`: the certificate must have one of these, if there are any.
    pub names: Vec<SubjectAltName>,
    /// `trust_chain_verification: ACCEPT_UNTRUSTED`: the connection is used whatever comes of the verification.
    pub accept_untrusted: bool,
    /// `tls_certificates`: the one certificate to show.
    pub certificate: Option<ClientCertificate>,
    /// `alpn_protocols`, in order of preference. If empty, the protocol that the connection is for.
    pub alpn: Vec<String>,
    /// `tls_params.tls_minimum_protocol_version`.
    pub oldest: TlsVersion,
    /// `tls_params.tls_maximum_protocol_version`. Not less than [`oldest`](Self::oldest).
    pub newest: TlsVersion,
    /// `max_session_keys`: how many sessions may be kept to be taken up again; 1 unless given.
    pub max_session_keys: u32,
}

/// Which certificates an upstream's certificate must come from (`CertificateValidationContext`).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Roots {
    /// No `validation_context`, or nothing in it to trust: the upstream is not verified.
    Unverified,
    /// `system_root_certs`: those the system has, not looked for yet.
    System,
    /// `trusted_ca`, each in DER. Never empty; what is in them is not checked yet.
    Certificates(Vec<Vec<u8>>),
}

/// A name of a certificate (`SubjectAltNameMatcher` with `exact`).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubjectAltName {
    /// `DNS`: the certificate's may be a wildcard that stands for this.
    Dns(String),
    /// `URI`.
    Uri(String),
    /// `IP_ADDRESS`.
    Ip(IpAddr),
}

/// A certificate to show to upstreams, with its key (`TlsCertificate`).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientCertificate {
    /// `certificate_chain`, each in DER, the certificate itself first. Never empty.
    pub chain: Vec<Vec<u8>>,
    /// `private_key`. Whether it belongs to the certificate is not checked yet.
    pub key: PrivateKey,
}

/// A private key in DER, which `Debug` does not show.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PrivateKey {
    /// `PRIVATE KEY`.
    Pkcs8(Vec<u8>),
    /// `RSA PRIVATE KEY`.
    Pkcs1(Vec<u8>),
    /// `EC PRIVATE KEY`.
    Sec1(Vec<u8>),
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PrivateKey(..)")
    }
}

/// A version of TLS (`TlsParameters.TlsProtocol`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum TlsVersion {
    /// `TLSv1_2`.
    V1_2,
    /// `TLSv1_3`.
    V1_3,
}
