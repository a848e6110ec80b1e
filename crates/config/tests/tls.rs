//! TLS towards upstreams that cannot be.

mod common;

use common::bootstrap_problems;

const PEM: &str = r#"{inline_string: "-----BEGIN CERTIFICATE-----\nBwg=\n-----END CERTIFICATE-----\n"}"#;
const PATH: &str = "static_resources.clusters[0].transport_socket";
const TLS: &str = "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext";

fn socket(socket: &str) -> Vec<String> {
    bootstrap_problems(&format!(
        "static_resources: {{clusters: [{{name: a, transport_socket: {socket}}}]}}"
    ))
}

#[track_caller]
fn refused(context: &str, expected: &str) {
    let found = socket(&format!(
        "{{name: t, typed_config: {{'@type': type.googleapis.com/{TLS}, {context}}}}}"
    ));
    assert_eq!(found, [format!("{PATH}.typed_config.{expected}")], "{context}");
}

/// In `common_tls_context`.
#[track_caller]
fn refused_common(context: &str, expected: &str) {
    refused(
        &format!("common_tls_context: {{{context}}}"),
        &format!("common_tls_context.{expected}"),
    );
}

/// In `validation_context`, beside a root.
#[track_caller]
fn refused_validation(context: &str, expected: &str) {
    refused_common(
        &format!("validation_context: {{trusted_ca: {PEM}, {context}}}"),
        &format!("validation_context.{expected}"),
    );
}

#[test]
fn transport_sockets() {
    assert_eq!(socket("{name: a}"), [format!("{PATH}.typed_config: required")]);
    let raw = "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer";
    assert_eq!(
        socket(&format!(
            "{{typed_config: {{'@type': type.googleapis.com/{raw}}}}}"
        )),
        [format!("{PATH}.name: required")]
    );
    let other = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext";
    assert_eq!(
        socket(&format!("{{name: a, typed_config: {{'@type': {other}}}}}")),
        [format!(
            "{PATH}.typed_config.@type: `{other}` is not supported here; supported: {TLS}, {raw}"
        )]
    );
}

#[test]
fn names() {
    refused("sni: 'a b'", "sni: 'a b' is not the name of a host");
    refused("sni: 127.0.0.1", "sni: '127.0.0.1' is not the name of a host");
    refused(
        "auto_sni_san_validation: true",
        "auto_sni_san_validation: 'auto_sni_san_validation' was configured without configuring a trusted CA",
    );
    let names = "match_typed_subject_alt_names";
    refused_common(
        &format!("validation_context: {{{names}: [{{san_type: DNS, matcher: {{exact: a}}}}]}}"),
        &format!(
            "validation_context.{names}: a certificate's names say nothing without trusted_ca or system_root_certs"
        ),
    );
    for (name, expected) in [
        ("{matcher: {exact: a}}", "san_type: required"),
        ("{san_type: DNS}", "matcher.exact: required"),
        ("{san_type: DNS, matcher: {}}", "matcher.exact: required"),
        (
            "{san_type: EMAIL, matcher: {exact: a}}",
            "san_type: EMAIL is not supported; supported: DNS, URI, IP_ADDRESS",
        ),
        (
            "{san_type: DNS, matcher: {exact: 'a b'}}",
            "matcher.exact: 'a b' is not the name of a host",
        ),
        (
            "{san_type: IP_ADDRESS, matcher: {exact: a}}",
            "matcher.exact: 'a' is not an IP address",
        ),
        (
            "{san_type: DNS, matcher: {prefix: a}}",
            "matcher.prefix: unknown field; the fields of StringMatcher known here are exact",
        ),
    ] {
        // The last is found while reading, which stops there.
        let expected = format!("{names}[0].{expected}");
        refused_validation(&format!("{names}: [{name}]"), &expected);
    }
}

#[test]
fn versions_and_protocols() {
    refused_common(
        "tls_params: {tls_minimum_protocol_version: TLSv1_1}",
        "tls_params.tls_minimum_protocol_version: TLSv1_1 is not supported; supported: TLS_AUTO, TLSv1_2, TLSv1_3",
    );
    refused_common(
        "tls_params: {tls_maximum_protocol_version: TLSv1_0}",
        "tls_params.tls_maximum_protocol_version: TLSv1_0 is not supported; supported: TLS_AUTO, TLSv1_2, TLSv1_3",
    );
    refused_common(
        "tls_params: {tls_minimum_protocol_version: TLSv1_3, tls_maximum_protocol_version: TLSv1_2}",
        "tls_params.tls_maximum_protocol_version: must not be less than tls_minimum_protocol_version",
    );
    refused_common(
        "alpn_protocols: [h2, '']",
        "alpn_protocols[1]: must have 1 to 255 bytes",
    );
    refused_common(
        &format!("alpn_protocols: [{}]", "a".repeat(256)),
        "alpn_protocols[0]: must have 1 to 255 bytes",
    );
}

#[test]
fn certificates() {
    let key = PEM.replace("CERTIFICATE", "PRIVATE KEY");
    for (certificates, expected) in [
        (
            format!("{{private_key: {key}}}"),
            "[0].certificate_chain: required",
        ),
        (
            format!("{{certificate_chain: {PEM}}}"),
            "[0].private_key: required",
        ),
        (
            "{}, {}".to_owned(),
            ": Multiple TLS certificates are not supported for client contexts",
        ),
        (
            format!("{{certificate_chain: {key}, private_key: {key}}}"),
            "[0].certificate_chain: no certificate in PEM in it",
        ),
        (
            format!("{{certificate_chain: {PEM}, private_key: {PEM}}}"),
            "[0].private_key: no private key in PEM in it; encrypted ones are not supported",
        ),
        (
            format!("{{certificate_chain: {PEM}, private_key: {{filename: none}}}}"),
            "[0].private_key.filename: Invalid path: none: entity not found",
        ),
        (
            format!("{{certificate_chain: {{}}, private_key: {key}}}"),
            "[0].certificate_chain: one of filename, inline_bytes, inline_string, environment_variable is required",
        ),
    ] {
        refused_common(
            &format!("tls_certificates: [{certificates}]"),
            &format!("tls_certificates{expected}"),
        );
    }
    for (source, expected) in [
        ("{inline_string: text}", ": no certificate in PEM in it"),
        (
            "{filename: none}",
            ".filename: Invalid path: none: entity not found",
        ),
        (
            "{environment_variable: NONE}",
            ".environment_variable: Environment variable doesn't exist: NONE",
        ),
    ] {
        refused_common(
            &format!("validation_context: {{trusted_ca: {source}}}"),
            &format!("validation_context.trusted_ca{expected}"),
        );
    }
    let broken = r#"validation_context: {trusted_ca: {inline_string: "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"}}"#;
    let found = socket(&format!(
        "{{name: t, typed_config: {{'@type': type.googleapis.com/{TLS}, common_tls_context: {{{broken}}}}}}}"
    ));
    let expected = format!("{PATH}.typed_config.common_tls_context.validation_context.trusted_ca: not PEM: ");
    assert!(
        matches!(&found[..], [one] if one.starts_with(&expected)),
        "{found:?}"
    );
}
