//! Which certificates of upstreams are good: Envoy's rules, which do not ask for a name unless told to.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use webpki::EndEntityCert;

/// A name that a certificate may have.
#[derive(Debug)]
pub(super) enum Names {
    /// A host's name or address.
    Host(ServerName<'static>),
    Uri(String),
}

/// Verifies as a `CertificateValidationContext` says.
#[derive(Debug)]
pub(super) struct Verifier {
    /// Without any, every certificate is good.
    pub(super) roots: Option<RootCertStore>,
    /// The certificate must have one of these, if there are any.
    pub(super) names: Vec<Names>,
    /// `auto_sni_san_validation`.
    pub(super) names_asked_for: bool,
    pub(super) algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    fn check_name(
        &self,
        certificate: &CertificateDer<'_>,
        parsed: &ParsedCertificate<'_>,
        asked: &ServerName<'_>,
    ) -> Result<(), Error> {
        // An address was not asked for.
        if self.names_asked_for && matches!(asked, ServerName::DnsName(_)) {
            return verify_server_name(parsed, asked);
        }
        let has = |name: &Names| match name {
            Names::Host(name) => verify_server_name(parsed, name).is_ok(),
            Names::Uri(uri) => EndEntityCert::try_from(certificate)
                .is_ok_and(|certificate| certificate.valid_uri_names().any(|name| name == uri)),
        };
        if self.names.is_empty() || self.names.iter().any(has) {
            Ok(())
        } else {
            Err(Error::InvalidCertificate(CertificateError::NotValidForName))
        }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(roots) = &self.roots {
            let parsed = ParsedCertificate::try_from(end_entity)?;
            verify_server_cert_signed_by_trust_anchor(
                &parsed,
                roots,
                intermediates,
                now,
                self.algorithms.all,
            )?;
            self.check_name(end_entity, &parsed, server_name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
