//! Images from a real registry, that of Debian's package `docker-registry`.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use enginebay_code::{Options, Reason};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tempfile::TempDir;

use crate::clusters::Clusters;
use crate::images::{Image, digest};
use crate::setup::{Setup, module, remote, run, until};

/// `me:open sesame`, for the registry and as a header.
const PASSWORD: &str = "me:$2b$04$ym8m7j5zLbvvm01dTIYjxe.Rrtcd.7F/qeJ2STCW7NXaoKQoOZ1r6";
const BASIC: &str = "Basic bWU6b3BlbiBzZXNhbWU=";

/// A registry, which ends with this.
struct Registry {
    child: Child,
    at: SocketAddr,
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts one. `None` if there is none on this machine.
async fn start(directory: &Path, password: bool) -> Option<Registry> {
    // A port that is free now.
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let at = port.local_addr().unwrap();
    drop(port);
    let path = |name: &str| directory.join(name).display().to_string();
    let mut config = format!(
        "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: '{at}'}}\n",
        path("data")
    );
    if password {
        std::fs::write(path("htpasswd"), PASSWORD).unwrap();
        config.push_str(&format!(
            "auth: {{htpasswd: {{realm: test, path: {}}}}}\n",
            path("htpasswd")
        ));
    }
    std::fs::write(path("config.yml"), config).unwrap();
    let child = Command::new("docker-registry")
        .args(["serve", &path("config.yml")])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let child = match child {
        Ok(child) => child,
        Err(error) => {
            eprintln!(
                "SKIPPED: there is no docker-registry here ({error}); on Debian: apt-get install docker-registry"
            );
            return None;
        }
    };
    let mut registry = Registry { child, at };
    until(|| {
        let ended = registry.child.try_wait().unwrap();
        assert!(ended.is_none(), "docker-registry ended: {ended:?}");
        TcpStream::connect(at).is_ok()
    })
    .await;
    Some(registry)
}

impl Registry {
    async fn send(&self, method: Method, path: &str, media_type: &str, body: &[u8]) -> Response<()> {
        let stream = tokio::net::TcpStream::connect(self.at).await.unwrap();
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::task::spawn_local(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", self.at.to_string())
            .header("authorization", BASIC)
            .header("content-type", media_type)
            .body(Full::new(bytes::Bytes::copy_from_slice(body)))
            .unwrap();
        let (head, body) = sender.send_request(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        assert!(head.status.is_success(), "{path}: {} {body:?}", head.status);
        Response::from_parts(head, ())
    }

    /// Pushes an image as tools do.
    async fn push(&self, name: &str, image: &Image) {
        for blob in &image.blobs {
            let upload = self
                .send(Method::POST, "/v2/a/p/blobs/uploads/", "text/plain", b"")
                .await;
            let location = upload.headers()["location"].to_str().unwrap();
            let location = location.split_once("/v2/").unwrap().1;
            let path = format!("/v2/{location}&digest={}", digest(blob));
            let done = self
                .send(Method::PUT, &path, "application/octet-stream", blob)
                .await;
            assert_eq!(done.status(), StatusCode::CREATED);
        }
        let path = format!("/v2/a/p/manifests/{name}");
        let done = self
            .send(Method::PUT, &path, image.media_type, &image.manifest)
            .await;
        assert_eq!(done.headers()["docker-content-digest"], image.digest());
    }
}

#[test]
fn images_of_all_formats() {
    run(async {
        let directory = TempDir::new().unwrap();
        let Some(registry) = start(directory.path(), false).await else {
            return;
        };
        // Larger than one chunk of anything.
        let code = module(5, 3_000_000);
        let compat = Image::compat(&code);
        for (name, image) in [
            ("docker", Image::docker(&code)),
            ("compat", compat.clone()),
            ("artefact", Image::artefact(&code)),
            ("index", Image::index(&[("amd64", &compat)])),
        ] {
            registry.push(name, &image).await;
            for name in [format!(":{name}"), format!("@{}", image.digest())] {
                let setup = Setup::new(Clusters::of("c", registry.at), Options::default());
                let asked = remote(&format!("oci://{}/a/p{name}", registry.at), &code);
                let got = setup.source.code(&asked).await.unwrap();
                assert!(got[..] == code, "{name}");
            }
        }
        let setup = Setup::new(Clusters::of("c", registry.at), Options::default());
        for name in ["a/p:none", "none:v1"] {
            let asked = remote(&format!("oci://{}/{name}", registry.at), name.as_bytes());
            assert_eq!(
                setup.source.code(&asked).await.unwrap_err().reason,
                Reason::Status(404)
            );
        }
    });
}

#[test]
fn with_a_password() {
    run(async {
        let directory = TempDir::new().unwrap();
        let Some(registry) = start(directory.path(), true).await else {
            return;
        };
        let code = module(6, 10_000);
        registry.push("v1", &Image::artefact(&code)).await;
        let secrets = directory.path().join("config.json");
        let entry = format!(
            r#"{{"auths": {{"{}": {{"username": "me", "password": "open sesame"}}}}}}"#,
            registry.at
        );
        std::fs::write(&secrets, entry).unwrap();
        let asked = remote(&format!("oci://{}/a/p:v1", registry.at), &code);
        let mut options = Options::default();
        let setup = Setup::new(Clusters::of("c", registry.at), options.clone());
        assert!(setup.source.code(&asked).await.is_err());
        options.pull_secrets = Some(secrets);
        options.negative_ttl = Duration::ZERO;
        let setup = Setup::new(Clusters::of("c", registry.at), options);
        assert!(setup.source.code(&asked).await.unwrap()[..] == code);
    });
}
