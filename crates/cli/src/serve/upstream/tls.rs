//! TLS towards the hosts of a cluster.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use enginebay::config::model::{PrivateKey, Roots, SubjectAltName, TlsVersion, UpstreamTls};
use rustls::client::{ClientConfig, Resumption};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, DnsName, PrivateKeyDer, ServerName};
use rustls::{RootCertStore, SupportedProtocolVersion, version};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::verify::{Names, Verifier};

/// What is spoken over a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::serve) enum Protocol {
    /// The HTTP version of the cluster.
    Http,
    /// Whatever the two ends speak.
    Bytes,
}

/// The TLS of a cluster, shared by all workers.
pub(in crate::serve) struct Tls {
    http: TlsConnector,
    bytes: TlsConnector,
    /// What a handshake of HTTP must not agree on: the other version.
    unwanted: &'static [u8],
    sni: Option<ServerName<'static>>,
    auto_host_sni: bool,
}

impl Tls {
    /// # Errors
    /// What is wrong with the certificates, with the path of the field.
    pub(in crate::serve) fn new(config: &UpstreamTls, http2: bool) -> Result<Self, String> {
        let path = &config.path;
        let provider = Arc::new(ring::default_provider());
        let roots = roots(config)?;
        let verifier = Arc::new(Verifier {
            roots: roots.filter(|_| !config.accept_untrusted),
            names: names(config)?,
            names_asked_for: config.auto_sni_san_validation,
            algorithms: provider.signature_verification_algorithms,
        });
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&versions(config))
            .map_err(|error| format!("{path}.tls_params: {error}"))?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut client = match &config.certificate {
            None => builder.with_no_client_auth(),
            Some(certificate) => {
                let chain = certificate.chain.iter().cloned().map(CertificateDer::from);
                builder
                    .with_client_auth_cert(chain.collect(), key(&certificate.key))
                    .map_err(|error| format!("{path}.tls_certificates[0]: {error}"))?
            }
        };
        client.resumption = match config.max_session_keys {
            0 => Resumption::disabled(),
            most => {
                Resumption::in_memory_sessions(usize::try_from(most).unwrap_or(usize::MAX).min(MAX_SESSIONS))
            }
        };
        client.alpn_protocols = config.alpn.iter().map(|name| name.clone().into_bytes()).collect();
        let (own, unwanted): (&[u8], &'static [u8]) = if http2 {
            (b"h2", b"http/1.1")
        } else {
            (b"http/1.1", b"h2")
        };
        let mut http = client.clone();
        if http.alpn_protocols.is_empty() {
            http.alpn_protocols.push(own.to_vec());
        }
        Ok(Tls {
            http: TlsConnector::from(Arc::new(http)),
            bytes: TlsConnector::from(Arc::new(client)),
            unwanted,
            sni: config.sni.as_deref().and_then(server_name),
            auto_host_sni: config.auto_host_sni,
        })
    }

    /// The name to ask a host for. An address, which is not sent, where there is none.
    pub(super) fn name(&self, address: SocketAddr, host: Option<&str>) -> ServerName<'static> {
        let own = host.filter(|_| self.auto_host_sni).and_then(server_name);
        own.or_else(|| self.sni.clone())
            .unwrap_or_else(|| ServerName::from(address.ip()))
    }

    /// The handshake.
    pub(super) async fn connect(
        &self,
        stream: TcpStream,
        name: ServerName<'static>,
        protocol: Protocol,
    ) -> io::Result<TlsStream<TcpStream>> {
        let connector = match protocol {
            Protocol::Http => &self.http,
            Protocol::Bytes => &self.bytes,
        };
        let stream = connector.connect(name, stream).await?;
        if protocol == Protocol::Http && stream.get_ref().1.alpn_protocol() == Some(self.unwanted) {
            let unwanted = String::from_utf8_lossy(self.unwanted);
            return Err(io::Error::other(format!(
                "the host chose {unwanted}, which the cluster does not speak"
            )));
        }
        Ok(stream)
    }
}

/// Sessions that are kept at most, whatever `max_session_keys` says: each takes some memory.
const MAX_SESSIONS: usize = 4096;

fn server_name(name: &str) -> Option<ServerName<'static>> {
    let name = DnsName::try_from(name.to_owned()).ok()?;
    Some(ServerName::DnsName(name))
}

fn versions(config: &UpstreamTls) -> Vec<&'static SupportedProtocolVersion> {
    let all = [
        (TlsVersion::V1_2, &version::TLS12),
        (TlsVersion::V1_3, &version::TLS13),
    ];
    let allowed = all
        .into_iter()
        .filter(|(version, _)| (config.oldest..=config.newest).contains(version));
    allowed.map(|(_, version)| version).collect()
}

/// What is trusted; nothing if upstreams are not to be verified.
fn roots(config: &UpstreamTls) -> Result<Option<RootCertStore>, String> {
    let path = format!("{}.validation_context", config.path);
    let mut store = RootCertStore::empty();
    match &config.roots {
        Roots::Certificates(certificates) => {
            for (at, certificate) in certificates.iter().enumerate() {
                let added = store.add(CertificateDer::from(certificate.as_slice()));
                added.map_err(|error| format!("{path}.trusted_ca: certificate {}: {error}", at + 1))?;
            }
        }
        Roots::System => {
            let found = rustls_native_certs::load_native_certs();
            // As browsers do: some systems have certificates in their store that nothing can read.
            let (usable, _) = store.add_parsable_certificates(found.certs);
            if usable == 0 {
                let reason = found
                    .errors
                    .first()
                    .map_or("there are none".to_owned(), ToString::to_string);
                return Err(format!("{path}.system_root_certs: {reason}"));
            }
        }
        _ => return Ok(None),
    }
    Ok(Some(store))
}

fn names(config: &UpstreamTls) -> Result<Vec<Names>, String> {
    let names = config.names.iter().map(|name| match name {
        SubjectAltName::Dns(name) => server_name(name).map(Names::Host),
        SubjectAltName::Ip(address) => Some(Names::Host(ServerName::from(*address))),
        SubjectAltName::Uri(uri) => Some(Names::Uri(uri.clone())),
        _ => None,
    });
    let names: Option<Vec<Names>> = names.collect();
    names.ok_or_else(|| {
        let path = &config.path;
        format!("{path}.validation_context.match_typed_subject_alt_names: a name can't be used")
    })
}

fn key(key: &PrivateKey) -> PrivateKeyDer<'static> {
    match key {
        PrivateKey::Pkcs1(der) => PrivateKeyDer::Pkcs1(der.clone().into()),
        PrivateKey::Sec1(der) => PrivateKeyDer::Sec1(der.clone().into()),
        PrivateKey::Pkcs8(der) => PrivateKeyDer::Pkcs8(der.clone().into()),
        // A form without a name here is not one that could be read.
        _ => PrivateKeyDer::Pkcs8(Vec::new().into()),
    }
}
