//! TLS towards upstreams.

use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::StatusCode;
use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair, SanType,
};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion, version};

use crate::client::{Answer, Client};
use crate::config::config;
use crate::server::{Server, refused};
use crate::upstream;

const FAILED: &str =
    "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure";
const TLS: &str = "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext";

/// A certificate authority.
struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate with its key.
struct Identity {
    certificate: CertificateDer<'static>,
    key: Vec<u8>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Authority(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn der(&self) -> CertificateDer<'static> {
        self.0.der().clone()
    }

    fn pem(&self) -> String {
        pem("CERTIFICATE", &self.der())
    }

    fn issue(&self, names: &[SanType], purpose: ExtendedKeyUsagePurpose) -> Identity {
        let mut params = CertificateParams::default();
        params.subject_alt_names = names.to_vec();
        params.extended_key_usages = vec![purpose];
        let key = KeyPair::generate().unwrap();
        Identity {
            certificate: params.signed_by(&key, &self.0).unwrap().der().clone(),
            key: key.serialize_der(),
        }
    }

    fn server(&self) -> Identity {
        let names = [
            SanType::DnsName(text("up.test")),
            SanType::DnsName(text("*.wild.test")),
            SanType::URI(text("spiffe://test/up")),
            SanType::IpAddress(IpAddr::from([127, 0, 0, 1])),
        ];
        self.issue(&names, ExtendedKeyUsagePurpose::ServerAuth)
    }
}

impl Identity {
    fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(self.key.clone().into())
    }

    /// A `TlsCertificate`, in flow style.
    fn yaml(&self) -> String {
        let chain = pem("CERTIFICATE", &self.certificate);
        let key = pem("PRIVATE KEY", &self.key);
        format!(
            "{{certificate_chain: {{inline_string: {chain:?}}}, private_key: {{inline_string: {key:?}}}}}"
        )
    }
}

fn text(text: &str) -> Ia5String {
    text.try_into().unwrap()
}

fn pem(what: &str, der: &[u8]) -> String {
    let text = BASE64_STANDARD.encode(der);
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    format!(
        "-----BEGIN {what}-----\n{}\n-----END {what}-----\n",
        lines.join("\n")
    )
}

/// A server with this certificate, which asks for one of `clients` if there is one.
fn server(
    identity: &Identity,
    clients: Option<&Authority>,
    versions: &[&'static SupportedProtocolVersion],
) -> ServerConfig {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(versions)
        .unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(authority.der()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let mut config = builder
        .with_single_cert(vec![identity.certificate.clone()], identity.key())
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config
}

const ANY: &[&SupportedProtocolVersion] = &[&version::TLS12, &version::TLS13];

/// A configuration whose upstream is spoken to with this `UpstreamTlsContext`, in flow style.
fn with_tls(port: u16, http2: bool, context: &str) -> String {
    let text = config(&[], &[port], http2);
    let socket = format!(
        "    transport_socket:\n      name: envoy.transport_sockets.tls\n      typed_config: {{\"@type\": \
         type.googleapis.com/{TLS}, {context}}}\n"
    );
    text.replace(
        "    load_assignment: {cluster_name: up,",
        &format!("{socket}    load_assignment: {{cluster_name: up,"),
    )
}

/// A validation context that trusts an authority.
fn trusting(authority: &Authority, more: &str) -> String {
    format!(
        "common_tls_context: {{validation_context: {{trusted_ca: {{inline_string: {:?}}}{more}}}}}",
        authority.pem()
    )
}

async fn get(server: &Server) -> Answer {
    Client::http1(server.address).await.get("/some").await
}

/// The answer of an upstream with this configuration.
async fn ask(port: u16, context: &str) -> (StatusCode, String) {
    let server = Server::start(&with_tls(port, false, context));
    let answer = get(&server).await;
    (answer.status, answer.text().to_owned())
}

#[tokio::test]
async fn an_upstream_is_verified_and_told_its_name_in_both_versions() {
    let authority = Authority::new();
    for versions in [ANY, &[&version::TLS12]] {
        let (port, handshakes) = upstream::start_tls("a", server(&authority.server(), None, versions)).await;
        for http2 in [false, true] {
            let context = format!("sni: up.test, {}", trusting(&authority, ""));
            let server = Server::start(&with_tls(port, http2, &context));
            let answer = get(&server).await;
            assert_eq!(answer.status, StatusCode::OK, "{}", server.log());
            let (target, alpn) = if http2 {
                ("GET http://test.example/some", "h2")
            } else {
                ("GET /some", "http/1.1")
            };
            assert!(answer.text().starts_with(target), "{}", answer.text());
            let seen = handshakes.lock().unwrap().pop().unwrap();
            assert_eq!(
                (seen.sni.as_deref(), seen.alpn.as_deref()),
                (Some("up.test"), Some(alpn))
            );
            assert!(!server.log().contains("not verified"), "{}", server.log());
        }
    }
}

#[tokio::test]
async fn large_bodies_pass_both_ways() {
    let authority = Authority::new();
    let (port, _) = upstream::start_tls("a", server(&authority.server(), None, ANY)).await;
    for http2 in [false, true] {
        let server = Server::start(&with_tls(port, http2, &trusting(&authority, "")));
        let mut client = Client::http1(server.address).await;
        let body = vec![b'x'; 1 << 20];
        for _ in 0..3 {
            let answer = client
                .send(crate::client::post("/echo", body.clone()))
                .await
                .unwrap();
            assert!(answer.body == body);
        }
    }
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_not_trusted() {
    let (authority, other) = (Authority::new(), Authority::new());
    let (port, handshakes) = upstream::start_tls("a", server(&authority.server(), None, ANY)).await;
    let server = Server::start(&with_tls(port, false, &trusting(&other, "")));
    for _ in 0..3 {
        let answer = get(&server).await;
        assert_eq!(
            (answer.status, answer.text()),
            (StatusCode::SERVICE_UNAVAILABLE, FAILED)
        );
    }
    // Said once by each worker that met it.
    let said = server.log().matches("TLS: invalid peer certificate: ").count();
    assert!((1..=2).contains(&said), "{}", server.log());
    assert!(handshakes.lock().unwrap().is_empty());

    let accepting = trusting(&other, ", trust_chain_verification: ACCEPT_UNTRUSTED");
    let server = Server::start(&with_tls(port, false, &accepting));
    assert_eq!(get(&server).await.status, StatusCode::OK);
    assert!(server.log().contains("not verified"), "{}", server.log());
}

#[tokio::test]
async fn without_a_validation_context_nothing_is_verified_which_is_said() {
    let (port, handshakes) = upstream::start_tls("a", server(&Authority::new().server(), None, ANY)).await;
    let server = Server::start(&with_tls(port, false, ""));
    assert_eq!(get(&server).await.status, StatusCode::OK);
    let expected = "cluster up: its hosts' certificates are not verified \
                    (static_resources.clusters[2].transport_socket.typed_config.common_tls_context.validation_context)";
    assert!(server.log().contains(expected), "{}", server.log());
    assert_eq!(handshakes.lock().unwrap()[0].sni, None);
}

#[tokio::test]
async fn names_are_compared_if_there_are_any() {
    let authority = Authority::new();
    let (port, _) = upstream::start_tls("a", server(&authority.server(), None, ANY)).await;
    let named = |names: &str| trusting(&authority, &format!(", match_typed_subject_alt_names: [{names}]"));
    for (names, good) in [
        ("{san_type: DNS, matcher: {exact: up.test}}", true),
        ("{san_type: DNS, matcher: {exact: a.wild.test}}", true),
        ("{san_type: DNS, matcher: {exact: a.b.wild.test}}", false),
        ("{san_type: DNS, matcher: {exact: other.test}}", false),
        (
            "{san_type: DNS, matcher: {exact: other.test}}, {san_type: DNS, matcher: {exact: up.test}}",
            true,
        ),
        ("{san_type: URI, matcher: {exact: \"spiffe://test/up\"}}", true),
        ("{san_type: URI, matcher: {exact: \"spiffe://test/u\"}}", false),
        ("{san_type: IP_ADDRESS, matcher: {exact: 127.0.0.1}}", true),
        ("{san_type: IP_ADDRESS, matcher: {exact: 127.0.0.2}}", false),
    ] {
        let expected = if good { 200 } else { 503 };
        // The name that is asked for does not count.
        for sni in ["up.test", "other.test"] {
            let (status, _) = ask(port, &format!("sni: {sni}, {}", named(names))).await;
            assert_eq!(status, expected, "{names}");
        }
    }
    // With `auto_sni_san_validation` it is what counts.
    let unmatched = named("{san_type: DNS, matcher: {exact: other.test}}");
    for (sni, expected) in [("up.test", 200), ("b.wild.test", 200), ("other.test", 503)] {
        let context = format!("sni: {sni}, auto_sni_san_validation: true, {unmatched}");
        assert_eq!(ask(port, &context).await.0, expected, "{sni}");
    }
}

#[tokio::test]
async fn a_host_is_asked_for_by_its_own_name() {
    let authority = Authority::new();
    let (port, handshakes) = upstream::start_tls("a", server(&authority.server(), None, ANY)).await;
    let context = format!(
        "sni: other.test, auto_host_sni: true, auto_sni_san_validation: true, {}",
        trusting(&authority, "")
    );
    let text = with_tls(port, false, &context);
    let named = text.replace(
        &format!("port_value: {port}}}}}"),
        &format!("port_value: {port}}}}}, hostname: up.test"),
    );
    assert_ne!(named, text);
    assert_eq!(get(&Server::start(&named)).await.status, StatusCode::OK);
    assert_eq!(handshakes.lock().unwrap()[0].sni.as_deref(), Some("up.test"));
    // Without a name of its own, the one of the context.
    assert_eq!(
        get(&Server::start(&text)).await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
}

#[tokio::test]
async fn a_client_certificate_is_shown() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let (port, handshakes) = upstream::start_tls("a", server(&authority.server(), Some(&clients), ANY)).await;
    let identity = clients.issue(&[], ExtendedKeyUsagePurpose::ClientAuth);
    let context = trusting(&authority, "");
    let with = |identity: &Identity| {
        context.replace(
            "common_tls_context: {",
            &format!("common_tls_context: {{tls_certificates: [{}], ", identity.yaml()),
        )
    };
    assert_eq!(ask(port, &with(&identity)).await.0, StatusCode::OK);
    assert!(handshakes.lock().unwrap()[0].certificate);
    assert_eq!(ask(port, &context).await.0, StatusCode::SERVICE_UNAVAILABLE);
    let stranger = Authority::new().issue(&[], ExtendedKeyUsagePurpose::ClientAuth);
    assert_eq!(
        ask(port, &with(&stranger)).await.0,
        StatusCode::SERVICE_UNAVAILABLE
    );
}

#[tokio::test]
async fn versions_and_protocols_can_be_chosen() {
    let authority = Authority::new();
    let (port, handshakes) =
        upstream::start_tls("a", server(&authority.server(), None, &[&version::TLS12])).await;
    let with = |fields: &str| {
        trusting(&authority, "").replace(
            "common_tls_context: {",
            &format!("common_tls_context: {{{fields}, "),
        )
    };
    let newest = with("tls_params: {tls_minimum_protocol_version: TLSv1_3}");
    assert_eq!(ask(port, &newest).await.0, 503);
    let oldest = with("tls_params: {tls_maximum_protocol_version: TLSv1_2}");
    assert_eq!(ask(port, &oldest).await.0, 200);
    assert_eq!(ask(port, &with("alpn_protocols: [http/1.1]")).await.0, 200);
    handshakes.lock().unwrap().clear();
    // Offered as configured; what the cluster does not speak is not used.
    assert_eq!(ask(port, &with("alpn_protocols: [h2]")).await.0, 503);
    assert_eq!(handshakes.lock().unwrap()[0].alpn.as_deref(), Some("h2"));
    assert_eq!(ask(port, &with("alpn_protocols: [other]")).await.0, 503);
}

#[tokio::test]
async fn a_host_that_does_not_shake_hands_takes_no_longer_than_a_connection_may() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let text = with_tls(port, false, "").replace(
        "    transport_socket:",
        "    connect_timeout: 0.2s\n    transport_socket:",
    );
    let server = Server::start(&text);
    let answer = get(&server).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(
        answer.text().ends_with("reset reason: connection timeout"),
        "{}",
        answer.text()
    );
}

#[test]
fn certificates_that_cannot_be_used_are_refused() {
    let authority = Authority::new();
    let identity = authority.server();
    let other = Identity {
        certificate: identity.certificate.clone(),
        key: authority.server().key,
    };
    let nonsense = pem("CERTIFICATE", b"nonsense");
    let path = "static_resources.clusters[2].transport_socket.typed_config.common_tls_context";
    for (context, expected) in [
        (
            format!("common_tls_context: {{tls_certificates: [{}]}}", other.yaml()),
            format!("{path}.tls_certificates[0]: "),
        ),
        (
            format!(
                "common_tls_context: {{validation_context: {{trusted_ca: {{inline_string: {nonsense:?}}}}}}}"
            ),
            format!("{path}.validation_context.trusted_ca: certificate 1: "),
        ),
        (
            "common_tls_context: {validation_context: {trusted_ca: {filename: none.pem}}}".to_owned(),
            format!("{path}.validation_context.trusted_ca.filename: Invalid path: none.pem: "),
        ),
    ] {
        let ended = refused(&with_tls(1, false, &context));
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        let errors = ended.errors();
        assert!(
            matches!(errors[..], [error] if error.contains(&expected)),
            "{expected}: {errors:?}"
        );
    }
}
