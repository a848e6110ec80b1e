//! Whole server configurations that are accepted.

mod common;

use std::time::Duration;

use common::{BOOTSTRAP, Fixed, MINIMAL, changed};
use enginebay_config::model::{
    Capabilities, ClusterKind, Code, Codec, DnsFamily, FailurePolicy, PathMatch, PrivateKey, Roots,
    RouteAction, SubjectAltName, TlsVersion,
};
use enginebay_config::{load_bootstrap, read_bootstrap};

#[test]
fn everything_arrives_in_the_model() {
    let bootstrap = load_bootstrap(BOOTSTRAP, "envoy.yaml", &Fixed).unwrap();
    assert_eq!(bootstrap.node.id, "edge-1");
    assert_eq!(bootstrap.node.cluster, "edge");
    assert_eq!(bootstrap.node.metadata_json, r#"{"role":"gateway","weight":3}"#);
    assert_eq!(bootstrap.admin, Some("127.0.0.1:9901".parse().unwrap()));

    let [listener] = bootstrap.listeners.as_slice() else {
        panic!("{:?}", bootstrap.listeners)
    };
    assert_eq!(listener.name, "web");
    assert_eq!(listener.address, "0.0.0.0:8080".parse().unwrap());
    assert_eq!(listener.buffer_limit, 65536);
    assert_eq!(listener.http().unwrap().stat_prefix, "web");
    assert_eq!(listener.http().unwrap().codec, Codec::Auto);
    assert_eq!(listener.http().unwrap().server_name.as_deref(), Some("edge"));

    let [backend, grpc] = bootstrap.clusters.as_slice() else {
        panic!("{:?}", bootstrap.clusters)
    };
    assert_eq!(
        (backend.name.as_str(), backend.kind, backend.http2),
        ("backend", ClusterKind::StrictDns, false)
    );
    assert_eq!(backend.connect_timeout, Duration::from_millis(250));
    assert_eq!(backend.dns_family, DnsFamily::V4Only);
    let hosts: Vec<(&str, u16)> = backend
        .endpoints
        .iter()
        .map(|end| (end.host.as_str(), end.port))
        .collect();
    assert_eq!(hosts, [("localhost", 9000), ("127.0.0.1", 9001)]);
    assert_eq!(
        (grpc.name.as_str(), grpc.kind, grpc.http2),
        ("grpc", ClusterKind::Static, true)
    );
    assert_eq!(grpc.connect_timeout, Duration::from_secs(5));
    assert_eq!(backend.idle_timeout, Some(Duration::from_secs(3600)));
    assert_eq!(grpc.idle_timeout, Some(Duration::from_secs(30)));
    assert_eq!(grpc.endpoints[0].hostname, "one.example.com");
    assert_eq!(backend.endpoints[0].hostname, "");
    assert_eq!(backend.tls, None);
}

#[test]
fn tls_arrives_in_the_model() {
    let bootstrap = load_bootstrap(BOOTSTRAP, "envoy.yaml", &Fixed).unwrap();
    let tls = bootstrap.clusters[1].tls.as_ref().unwrap();
    assert_eq!(
        tls.path,
        "static_resources.clusters[1].transport_socket.typed_config.common_tls_context"
    );
    assert_eq!(tls.sni.as_deref(), Some("grpc.example.com"));
    assert!(tls.auto_host_sni && tls.auto_sni_san_validation && tls.accept_untrusted);
    assert_eq!(tls.max_session_keys, 4);
    assert_eq!((tls.oldest, tls.newest), (TlsVersion::V1_2, TlsVersion::V1_3));
    assert_eq!(tls.alpn, ["h2"]);
    let certificate = tls.certificate.as_ref().unwrap();
    assert_eq!(certificate.chain, [[1, 2, 3]]);
    assert_eq!(certificate.key, PrivateKey::Pkcs8(vec![4, 5, 6]));
    assert!(!format!("{tls:?}").contains("[4, 5, 6]"), "{tls:?}");
    assert_eq!(tls.roots, Roots::Certificates(vec![vec![7, 8], vec![9]]));
    assert_eq!(
        tls.names,
        [
            SubjectAltName::Dns("grpc.example.com".to_owned()),
            SubjectAltName::Uri("spiffe://example/grpc".to_owned()),
            SubjectAltName::Ip("::1".parse().unwrap()),
        ]
    );
}

#[test]
fn tls_without_anything_said() {
    let with = |context: &str| {
        let text = format!(
            "static_resources: {{clusters: [{{name: a, transport_socket: {{name: t, typed_config: {{'@type': \
             type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext, {context}}}}}}}]}}"
        );
        let mut bootstrap = load_bootstrap(&text, "envoy.yaml", &Fixed).unwrap();
        bootstrap.clusters.remove(0).tls.unwrap()
    };
    let tls = with("");
    assert_eq!((tls.sni.as_deref(), tls.max_session_keys), (None, 1));
    assert!(!tls.auto_host_sni && !tls.auto_sni_san_validation && !tls.accept_untrusted);
    assert_eq!((tls.oldest, tls.newest), (TlsVersion::V1_2, TlsVersion::V1_3));
    assert!(tls.alpn.is_empty() && tls.names.is_empty());
    assert_eq!((tls.certificate, tls.roots), (None, Roots::Unverified));

    let system = "common_tls_context: {validation_context: {system_root_certs: {}}}";
    assert_eq!(with(system).roots, Roots::System);
    // As in Envoy, the file's go first.
    let pem = r#"{inline_string: "-----BEGIN CERTIFICATE-----\nBwg=\n-----END CERTIFICATE-----\n"}"#;
    let both =
        format!("common_tls_context: {{validation_context: {{system_root_certs: {{}}, trusted_ca: {pem}}}}}");
    assert_eq!(with(&both).roots, Roots::Certificates(vec![vec![7, 8]]));
    for (name, expected) in [
        ("RSA PRIVATE KEY", PrivateKey::Pkcs1(vec![7, 8])),
        ("EC PRIVATE KEY", PrivateKey::Sec1(vec![7, 8])),
    ] {
        let key = pem.replace("CERTIFICATE", name);
        let context = format!(
            "common_tls_context: {{tls_certificates: [{{certificate_chain: {pem}, private_key: {key}}}]}}"
        );
        assert_eq!(with(&context).certificate.unwrap().key, expected);
    }
}

#[test]
fn routes_arrive_in_the_model() {
    let bootstrap = load_bootstrap(BOOTSTRAP, "envoy.yaml", &Fixed).unwrap();
    let routes = &bootstrap.listeners[0].http().unwrap().routes;
    assert_eq!(routes.name, "local");
    assert_eq!(
        routes.virtual_hosts[0].domains,
        ["api.example.com", "*.api.example.com"]
    );

    let RouteAction::DirectResponse(health) = &routes.find("api.example.com", "/health").unwrap().action
    else {
        panic!()
    };
    assert_eq!((health.status, health.body.as_slice()), (200, b"ok\n".as_slice()));

    let v1 = routes.find("x.api.example.com", "/V1/users?a=b").unwrap();
    assert_eq!(v1.name, "v1");
    assert_eq!(v1.matches.path, PathMatch::Prefix("/v1/".to_owned()));
    let RouteAction::Forward(forward) = &v1.action else {
        panic!()
    };
    assert_eq!(forward.cluster, "backend");
    assert_eq!(forward.prefix_rewrite.as_deref(), Some("/"));
    assert_eq!(forward.host_rewrite.as_deref(), Some("backend.internal"));
    assert_eq!(forward.timeout, Some(Duration::from_millis(2500)));

    let timeout = |authority: &str, path: &str| match &routes.find(authority, path).unwrap().action {
        RouteAction::Forward(forward) => forward.timeout,
        other => panic!("{other:?}"),
    };
    assert_eq!(timeout("api.example.com", "/stream"), None);
    assert_eq!(timeout("elsewhere", "/health"), Some(Duration::from_secs(15)));
    assert_eq!(routes.find("api.example.com", "/other"), None);
}

#[test]
fn plugins_arrive_in_the_model() {
    let bootstrap = load_bootstrap(BOOTSTRAP, "envoy.yaml", &Fixed).unwrap();
    let [first, second] = bootstrap.listeners[0].http().unwrap().filters.as_slice() else {
        panic!()
    };
    assert_eq!(first.name, "envoy.filters.http.wasm");
    assert_eq!(
        first.path,
        "static_resources.listeners[0].filter_chains[0].filters[0].typed_config.http_filters[0].typed_config.config"
    );
    let plugin = first.plugin().unwrap();
    assert_eq!(
        (plugin.name.as_str(), plugin.root_id.as_str()),
        ("greeter", "greeter_root")
    );
    let FailurePolicy::FailReload(back_off) = plugin.failure_policy else {
        panic!("{:?}", plugin.failure_policy)
    };
    assert_eq!(back_off.base_interval, Duration::from_secs(2));
    assert_eq!(back_off.max_interval, Duration::from_secs(20));
    assert_eq!(plugin.allow_on_headers_stop_iteration, Some(true));
    let allowed = ["proxy_log", "proxy_on_request_headers"].map(str::to_owned);
    assert_eq!(plugin.capabilities, Capabilities::Only(allowed.into()));
    assert_eq!(
        String::from_utf8_lossy(&plugin.configuration),
        r#"{"count":5,"deep":{"nothing":null,"on":true},"headers":["x-greeting","x-other"],"ratio":"0.5"}"#
    );
    let vm = &plugin.vm;
    assert_eq!(
        (vm.vm_id.as_str(), vm.runtime.as_str()),
        ("shared", "envoy.wasm.runtime.v8")
    );
    assert_eq!(vm.code, Code::LocalFile("greeter.wasm".into()));
    assert_eq!(vm.configuration, [0, 1, 255]);
    assert!(vm.allow_precompiled && vm.nack_on_code_cache_miss);
    let environment: Vec<(&str, &str)> = vm
        .environment
        .iter()
        .map(|(key, value)| (&**key, &**value))
        .collect();
    assert_eq!(
        environment,
        [
            ("ZONE", "a"),
            ("HOME_PLANET", "earth"),
            ("A", "1"),
            ("MODE", "fast")
        ]
    );
    assert_eq!(vm.key_values, 2);

    assert_eq!(second.name, "second");
    assert_eq!(
        second.plugin().unwrap().failure_policy,
        FailurePolicy::FailOpenAtOnce
    );
    assert_eq!(second.plugin().unwrap().configuration, b"plain text");
    assert_eq!(second.plugin().unwrap().capabilities, Capabilities::All);
    assert_eq!(second.plugin().unwrap().vm.environment, []);
    assert_eq!(second.plugin().unwrap().allow_on_headers_stop_iteration, None);
}

#[test]
fn access_loggers_arrive_in_the_model() {
    let bootstrap = load_bootstrap(BOOTSTRAP, "envoy.yaml", &Fixed).unwrap();
    let [logger] = bootstrap.listeners[0].access_loggers() else {
        panic!("the one that a plugin writes")
    };
    assert_eq!(logger.name, "envoy.access_loggers.wasm");
    assert_eq!(
        logger.path,
        "static_resources.listeners[0].filter_chains[0].filters[0].typed_config.access_log[1].typed_config.config"
    );
    assert_eq!(logger.plugin().unwrap().name, "logger");
    assert_eq!(
        logger.plugin().unwrap().vm.code,
        Code::LocalFile("greeter.wasm".into())
    );
}

#[test]
fn both_name_styles_and_both_forms_say_the_same() {
    let json = include_str!("data/minimal.json");
    let yaml = read_bootstrap(MINIMAL, "minimal.yaml").unwrap();
    assert_eq!(read_bootstrap(json, "minimal.json").unwrap(), yaml);
    assert_eq!(
        read_bootstrap(json, "minimal").unwrap(),
        yaml,
        "JSON under a name that does not say so"
    );
    assert_eq!(
        read_bootstrap(&format!("\u{feff}{json}"), "minimal.json").unwrap(),
        yaml
    );
    let model = load_bootstrap(json, "minimal.json", &Fixed).unwrap();
    assert_eq!(model, load_bootstrap(MINIMAL, "minimal.yaml", &Fixed).unwrap());
    assert_eq!(model.admin, None);
    assert_eq!(model.listeners[0].buffer_limit, 1 << 20);
    assert_eq!(model.listeners[0].http().unwrap().server_name, None);
}

#[test]
fn an_almost_empty_configuration_is_valid() {
    let bootstrap = load_bootstrap("node: {}", "envoy.yaml", &Fixed).unwrap();
    assert_eq!(bootstrap, Default::default());
}

#[test]
fn the_body_of_a_direct_response_is_fetched() {
    for (body, expected) in [
        ("{filename: body.txt}", b"from a file".as_slice()),
        ("{environment_variable: ZONE}", b"a"),
        ("{inline_bytes: AP8}", &[0, 255]),
    ] {
        let text = changed(
            MINIMAL,
            "{status: 204}",
            &format!("{{status: 404, body: {body}}}"),
        );
        let bootstrap = load_bootstrap(&text, "envoy.yaml", &Fixed).unwrap();
        match &bootstrap.listeners[0]
            .http()
            .unwrap()
            .routes
            .find("x", "/")
            .unwrap()
            .action
        {
            RouteAction::DirectResponse(response) => assert_eq!(response.body, expected, "{body}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn the_older_way_to_say_http2() {
    let text = "static_resources: {clusters: [{name: a, http2_protocol_options: {}}, {name: b}]}";
    let bootstrap = load_bootstrap(text, "envoy.yaml", &Fixed).unwrap();
    let http2: Vec<bool> = bootstrap.clusters.iter().map(|cluster| cluster.http2).collect();
    assert_eq!(http2, [true, false]);
}

#[test]
fn the_examples_are_accepted() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/configs");
    for file in std::fs::read_dir(folder).unwrap() {
        let file = file.unwrap().path();
        let text = std::fs::read_to_string(&file).unwrap();
        let bootstrap = load_bootstrap(&text, "example", &enginebay_config::Process);
        assert!(!bootstrap.unwrap().listeners.is_empty(), "{}", file.display());
    }
}
