//! Code in images, from a registry whose tokens and layers are on hosts of their own.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;

use crate::client::Client;
use crate::config::Plugin;
use crate::remote_code::{code, hex, remote_with};
use crate::runtimes::any_runtime;
use crate::server::Server;

/// What somebody asked: the path, and who it is.
type Asked = Arc<Mutex<Vec<(String, Option<String>)>>>;

/// A server, and what it was asked.
async fn serve(
    answer: impl Fn(&str, Option<&str>) -> Response<Bytes> + Send + Sync + 'static,
) -> (u16, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = Asked::default();
    let noting = asked.clone();
    let answer = Arc::new(answer);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (noting, answer) = (noting.clone(), answer.clone());
            let service = service_fn(move |request: Request<Incoming>| {
                let path = request.uri().path().to_owned();
                let who = request.headers().get("authorization");
                let who = who.map(|who| who.to_str().unwrap().to_owned());
                let response = answer(&path, who.as_deref());
                noting.lock().unwrap().push((path, who));
                async move { Ok::<_, Infallible>(response.map(Full::new)) }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    (port, asked)
}

fn response(status: u16, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(body.into()).unwrap()
}

fn cluster(name: &str, port: u16) -> String {
    format!(
        "  - name: {name}\n    load_assignment: {{cluster_name: {name}, endpoints: [{{lb_endpoints: [{{endpoint: {{address: \
         {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}}}}}]}}]}}\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_and_layers_may_be_on_other_hosts() {
    let (module, sha256) = code();
    let manifest = format!(
        "{{\"schemaVersion\": 2, \"mediaType\": \"application/vnd.oci.image.manifest.v1+json\", \"config\": {{\"mediaType\": \
         \"application/vnd.wasm.config.v0+json\", \"digest\": \"sha256:{}\", \"size\": 2}}, \"layers\": [{{\"mediaType\": \
         \"application/wasm\", \"digest\": \"sha256:{sha256}\", \"size\": {}}}]}}",
        hex(&Sha256::digest(b"{}")),
        module.len()
    );
    let (layers, asked_layers) = serve(move |_, _| response(200, &[], module.clone())).await;
    let (tokens, asked_tokens) = serve(|_, _| response(200, &[], "{\"token\": \"good\"}")).await;
    let layer = format!("/v2/a/p/blobs/sha256:{sha256}");
    let (registry, _) = serve(move |path, who| {
        if who != Some("Bearer good") {
            let challenge = format!("Bearer realm=\"http://127.0.0.1:{tokens}/token\",service=\"s\"");
            return response(401, &[("www-authenticate", &challenge)], "");
        }
        if path == layer {
            let elsewhere = format!("http://127.0.0.1:{layers}/layer");
            return response(307, &[("location", &elsewhere)], "");
        }
        assert_eq!(path, "/v2/a/p/manifests/v1");
        let kind = "application/vnd.oci.image.manifest.v1+json";
        response(200, &[("content-type", kind)], manifest.clone())
    })
    .await;

    let folder = tempfile::tempdir().unwrap();
    let secrets = folder.path().join("config.json");
    let credentials = BASE64_STANDARD.encode("me:secret");
    let auths = format!("{{\"auths\": {{\"registry.example\": {{\"auth\": \"{credentials}\"}}}}}}");
    std::fs::write(&secrets, auths).unwrap();
    let options = ["--pull-secrets", secrets.to_str().unwrap()];

    let plugin = || Plugin::new(any_runtime(), "add_header");
    let config = remote_with(plugin(), registry, &sha256, "5s", "{num_retries: 0}")
        .replace("http://code.example/p.wasm", "oci://registry.example/a/p:v1");
    let (before, after) = config.split_once("  clusters:\n").unwrap();
    let with = |clusters: &[String]| format!("{before}  clusters:\n{}{after}", clusters.concat());
    let runs = async |config: &str| {
        let server = Server::start_with(config, &options);
        let answer = Client::http1(server.address).await.get("/direct").await;
        (answer.header("x-enginebay").is_some(), server.log())
    };

    let all = [cluster("tokens", tokens), cluster("layers", layers)];
    let (good, log) = runs(&with(&all)).await;
    assert!(good, "{log}");
    // The registry's credentials are for those who give tokens, and for nobody else.
    let basic = Some(format!("Basic {credentials}"));
    assert_eq!(*asked_tokens.lock().unwrap(), [("/token".to_owned(), basic)]);
    assert_eq!(*asked_layers.lock().unwrap(), [("/layer".to_owned(), None)]);

    // Nobody is asked that the configuration does not have, or has with TLS only.
    let tls = "    transport_socket: {name: tls, typed_config: {\"@type\": \
               type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext, sni: a.example}}\n";
    let secure = cluster("tokens", tokens) + tls;
    for (clusters, missing) in [
        (vec![], tokens),
        (vec![secure], tokens),
        (all[..1].to_vec(), layers),
    ] {
        let (good, log) = runs(&with(&clusters)).await;
        assert!(!good, "{log}");
        let why = format!("the registry refers to 127.0.0.1:{missing}, which no cluster is for");
        assert!(log.contains(&why), "{log}");
    }
    assert_eq!(asked_layers.lock().unwrap().len(), 1);
}
