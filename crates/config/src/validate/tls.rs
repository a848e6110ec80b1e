//! `TransportSocket` and `UpstreamTlsContext`.

use std::net::IpAddr;

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, DnsName, PrivateKeyDer};

use super::{Check, REQUIRED};
use crate::descriptors::{RAW_BUFFER, UPSTREAM_TLS, type_name};
use crate::model::{ClientCertificate, PrivateKey, Roots, SubjectAltName, TlsVersion, UpstreamTls};
use crate::path;
use crate::proto::envoy::config::core::v3 as core;
use crate::proto::envoy::extensions::transport_sockets::tls::v3 as tls;
use crate::proto::envoy::r#type::matcher::v3::string_matcher::MatchPattern;

/// The longest name of a protocol that fits into a handshake (RFC 7301).
const MAX_ALPN: usize = 255;

impl Check<'_> {
    /// TLS, if that is what carries a cluster's connections.
    pub(super) fn upstream_tls(&mut self, socket: &core::TransportSocket, path: &str) -> Option<UpstreamTls> {
        self.required(&socket.name, path, "name");
        let path = path::field(path, "typed_config");
        let Some(core::transport_socket::ConfigType::TypedConfig(any)) = &socket.config_type else {
            self.problem(path, REQUIRED);
            return None;
        };
        if type_name(&any.type_url) == RAW_BUFFER {
            return None;
        }
        let message: tls::UpstreamTlsContext = self.unpack(any, &[UPSTREAM_TLS, RAW_BUFFER], &path)?;
        let sni = Some(message.sni).filter(|name| !name.is_empty());
        if let Some(name) = &sni
            && DnsName::try_from(name.as_str()).is_err()
        {
            self.problem(
                path::field(&path, "sni"),
                format!("'{name}' is not the name of a host"),
            );
        }
        let auto_validation = message.auto_sni_san_validation;
        let auto_validation_path = path::field(&path, "auto_sni_san_validation");
        let path = path::field(&path, "common_tls_context");
        let common = message.common_tls_context.unwrap_or_default();
        let (oldest, newest) = self.versions(&common.tls_params.unwrap_or_default(), &path);
        let certificate = self.client_certificate(&common.tls_certificates, &path);
        self.alpn(&common.alpn_protocols, &path);
        let mut verified = UpstreamTls {
            sni,
            auto_host_sni: message.auto_host_sni,
            auto_sni_san_validation: auto_validation,
            roots: Roots::Unverified,
            names: Vec::new(),
            accept_untrusted: false,
            certificate,
            alpn: common.alpn_protocols,
            oldest,
            newest,
            max_session_keys: message.max_session_keys.unwrap_or(1),
            path,
        };
        if let Some(tls::common_tls_context::ValidationContextType::ValidationContext(context)) =
            &common.validation_context_type
        {
            self.validation(context, &mut verified);
        }
        if auto_validation && verified.roots == Roots::Unverified {
            let problem =
                "'auto_sni_san_validation' was configured without configuring a trusted CA".to_owned();
            self.problem(auto_validation_path, problem);
        }
        Some(verified)
    }

    fn versions(&mut self, message: &tls::TlsParameters, path: &str) -> (TlsVersion, TlsVersion) {
        let path = path::field(path, "tls_params");
        let least = path::field(&path, "tls_minimum_protocol_version");
        let most = path::field(&path, "tls_maximum_protocol_version");
        let oldest = self.version(message.tls_minimum_protocol_version, TlsVersion::V1_2, &least);
        let newest = self.version(message.tls_maximum_protocol_version, TlsVersion::V1_3, &most);
        if oldest > newest {
            self.problem(most, "must not be less than tls_minimum_protocol_version");
        }
        (oldest, newest)
    }

    fn version(&mut self, number: i32, default: TlsVersion, path: &str) -> TlsVersion {
        use tls::tls_parameters::TlsProtocol;
        match TlsProtocol::try_from(number) {
            Ok(TlsProtocol::TlsAuto) => default,
            Ok(TlsProtocol::TlSv12) => TlsVersion::V1_2,
            Ok(TlsProtocol::TlSv13) => TlsVersion::V1_3,
            other => {
                let name = other.map_or("this version", |version| version.as_str_name());
                let problem = format!("{name} is not supported; supported: TLS_AUTO, TLSv1_2, TLSv1_3");
                self.problem(path, problem);
                default
            }
        }
    }

    fn alpn(&mut self, protocols: &[String], path: &str) {
        let path = path::field(path, "alpn_protocols");
        for (at, protocol) in protocols.iter().enumerate() {
            if protocol.is_empty() || protocol.len() > MAX_ALPN {
                let problem = format!("must have 1 to {MAX_ALPN} bytes");
                self.problem(path::index(&path, at), problem);
            }
        }
    }

    fn client_certificate(
        &mut self,
        messages: &[tls::TlsCertificate],
        path: &str,
    ) -> Option<ClientCertificate> {
        let path = path::field(path, "tls_certificates");
        let message = match messages {
            [] => return None,
            [message] => message,
            _ => {
                let problem = "Multiple TLS certificates are not supported for client contexts";
                self.problem(path, problem);
                return None;
            }
        };
        let path = path::index(&path, 0);
        let chain_path = path::field(&path, "certificate_chain");
        let chain = match &message.certificate_chain {
            Some(source) => self.certificates(source, &chain_path),
            None => {
                self.problem(chain_path, REQUIRED);
                None
            }
        };
        let key_path = path::field(&path, "private_key");
        let key = match &message.private_key {
            Some(source) => self.private_key(source, &key_path),
            None => {
                self.problem(key_path, REQUIRED);
                None
            }
        };
        Some(ClientCertificate {
            chain: chain?,
            key: key?,
        })
    }

    fn validation(&mut self, message: &tls::CertificateValidationContext, tls: &mut UpstreamTls) {
        use tls::certificate_validation_context::TrustChainVerification;
        let path = path::field(&tls.path, "validation_context");
        tls.accept_untrusted = message.trust_chain_verification() == TrustChainVerification::AcceptUntrusted;
        tls.roots = match (&message.trusted_ca, &message.system_root_certs) {
            (Some(source), _) => {
                let certificates = self.certificates(source, &path::field(&path, "trusted_ca"));
                // Without any there is a problem noted already; another one about missing roots would mislead.
                Roots::Certificates(certificates.unwrap_or_default())
            }
            (None, Some(_)) => Roots::System,
            (None, None) => Roots::Unverified,
        };
        let names_path = path::field(&path, "match_typed_subject_alt_names");
        if !message.match_typed_subject_alt_names.is_empty() && tls.roots == Roots::Unverified {
            let problem =
                "a certificate's names say nothing without trusted_ca or system_root_certs".to_owned();
            self.problem(names_path.as_str(), problem);
        }
        for (at, name) in message.match_typed_subject_alt_names.iter().enumerate() {
            tls.names
                .extend(self.subject_alt_name(name, &path::index(&names_path, at)));
        }
    }

    fn subject_alt_name(
        &mut self,
        message: &tls::SubjectAltNameMatcher,
        path: &str,
    ) -> Option<SubjectAltName> {
        use tls::subject_alt_name_matcher::SanType;
        let matcher_path = path::field(path, "matcher");
        let Some(MatchPattern::Exact(name)) = message
            .matcher
            .as_ref()
            .and_then(|matcher| matcher.match_pattern.as_ref())
        else {
            self.problem(path::field(&matcher_path, "exact"), REQUIRED);
            return None;
        };
        let wrong = |what: &str| format!("'{name}' is not {what}");
        let checked = match message.san_type() {
            SanType::Dns => match DnsName::try_from(name.as_str()) {
                Ok(_) => Ok(SubjectAltName::Dns(name.clone())),
                Err(_) => Err(wrong("the name of a host")),
            },
            SanType::Uri => Ok(SubjectAltName::Uri(name.clone())),
            SanType::IpAddress => match name.parse::<IpAddr>() {
                Ok(address) => Ok(SubjectAltName::Ip(address)),
                Err(_) => Err(wrong("an IP address")),
            },
            SanType::Unspecified => {
                self.problem(path::field(path, "san_type"), REQUIRED);
                return None;
            }
            other => {
                let name = other.as_str_name();
                let problem = format!("{name} is not supported; supported: DNS, URI, IP_ADDRESS");
                self.problem(path::field(path, "san_type"), problem);
                return None;
            }
        };
        checked
            .map_err(|problem| self.problem(path::field(&matcher_path, "exact"), problem))
            .ok()
    }

    fn certificates(&mut self, source: &core::DataSource, path: &str) -> Option<Vec<Vec<u8>>> {
        let pem = self.data(source, path)?;
        let certificates: Result<Vec<CertificateDer<'_>>, _> = CertificateDer::pem_slice_iter(&pem).collect();
        match certificates {
            Ok(certificates) if certificates.is_empty() => {
                self.problem(path, "no certificate in PEM in it");
                None
            }
            Ok(certificates) => Some(certificates.into_iter().map(|der| der.to_vec()).collect()),
            Err(error) => {
                self.problem(path, format!("not PEM: {error}"));
                None
            }
        }
    }

    fn private_key(&mut self, source: &core::DataSource, path: &str) -> Option<PrivateKey> {
        use rustls_pki_types::pem::Error;
        let pem = self.data(source, path)?;
        match PrivateKeyDer::from_pem_slice(&pem) {
            Ok(PrivateKeyDer::Pkcs8(key)) => Some(PrivateKey::Pkcs8(key.secret_pkcs8_der().to_vec())),
            Ok(PrivateKeyDer::Pkcs1(key)) => Some(PrivateKey::Pkcs1(key.secret_pkcs1_der().to_vec())),
            Ok(PrivateKeyDer::Sec1(key)) => Some(PrivateKey::Sec1(key.secret_sec1_der().to_vec())),
            Ok(_) | Err(Error::NoItemsFound) => {
                self.problem(
                    path,
                    "no private key in PEM in it; encrypted ones are not supported",
                );
                None
            }
            Err(error) => {
                self.problem(path, format!("not PEM: {error}"));
                None
            }
        }
    }
}
