//! Images from a small registry, which also does what it should not.

use std::collections::HashMap;
use std::io::Read;
use std::net::SocketAddr;
use std::rc::Rc;

use enginebay_code::{Code, LoadError, Options, Reason};

use crate::clusters::Clusters;
use crate::images::{Image, OCI, digest, gzip, tar};
use crate::server::{Answer, Asked, Piece, Seen, answer, raw, serve};
use crate::setup::{Setup, module, remote, run, until};

/// The documents of a repository `a/p`, by path, with their media types.
#[derive(Clone, Default)]
struct Registry(HashMap<String, (&'static str, Vec<u8>)>);

impl Registry {
    fn push(mut self, name: &str, image: &Image) -> Registry {
        for name in [name.to_owned(), image.digest()] {
            self.manifest(&name, image.media_type, &image.manifest);
        }
        for blob in &image.blobs {
            self.blob(&digest(blob), blob);
        }
        self
    }

    fn manifest(&mut self, name: &str, media_type: &'static str, bytes: &[u8]) {
        let path = format!("/v2/a/p/manifests/{name}");
        self.0.insert(path, (media_type, bytes.to_vec()));
    }

    fn blob(&mut self, name: &str, bytes: &[u8]) {
        let path = format!("/v2/a/p/blobs/{name}");
        self.0.insert(path, ("application/octet-stream", bytes.to_vec()));
    }

    fn answer(&self, asked: &Asked) -> Answer {
        match self.0.get(&asked.path) {
            Some((media_type, bytes)) => {
                let said = digest(bytes);
                answer(
                    200,
                    &[("content-type", media_type), ("docker-content-digest", &said)],
                    bytes,
                )
            }
            None => answer(404, &[], b""),
        }
    }

    async fn serve(self) -> (SocketAddr, Rc<Seen>) {
        serve(move |asked, _| self.answer(asked)).await
    }
}

/// What comes of asking for a module of `a/p`; with `name` as `:tag` or `@digest`.
async fn pull(at: SocketAddr, name: &str, module: &[u8], options: Options) -> Result<Code, LoadError> {
    let setup = Setup::new(Clusters::of("c", at), options);
    setup
        .source
        .code(&remote(&format!("oci://{at}/a/p{name}"), module))
        .await
}

/// Why it fails.
async fn refused(registry: Registry, name: &str, module: &[u8]) -> Reason {
    let (at, _) = registry.serve().await;
    pull(at, name, module, Options::default())
        .await
        .unwrap_err()
        .reason
}

fn image(text: impl Into<String>) -> Reason {
    Reason::Image(text.into())
}

#[test]
fn all_formats() {
    run(async {
        let code = module(1, 50_000);
        for image in [Image::docker(&code), Image::compat(&code), Image::artefact(&code)] {
            let digest = image.digest();
            for name in [":v1".to_owned(), format!("@{digest}"), format!(":other@{digest}")] {
                let (at, seen) = Registry::default().push("v1", &image).serve().await;
                let got = pull(at, &name, &code, Options::default()).await.unwrap();
                assert!(got[..] == code, "{name}");
                // The manifest and one layer.
                assert_eq!(seen.count(), 2);
                let asked = seen.asked.borrow();
                assert_eq!(asked[0].header("accept").as_deref(), Some(OCI));
                assert!(asked.iter().all(|asked| asked.header("authorization").is_none()));
            }
        }
    });
}

#[test]
fn no_tag_is_the_latest() {
    run(async {
        let code = module(1, 500);
        let (at, _) = Registry::default()
            .push("latest", &Image::artefact(&code))
            .serve()
            .await;
        assert!(pull(at, "", &code, Options::default()).await.is_ok());
    });
}

#[test]
fn an_index() {
    run(async {
        let (code, other) = (module(1, 500), module(2, 500));
        let (right, wrong) = (Image::compat(&code), Image::compat(&other));
        let index = Image::index(&[("arm64", &wrong), ("amd64", &right)]);
        let images = Registry::default().push("r", &right).push("w", &wrong);
        let (at, seen) = images.clone().push("v1", &index).serve().await;
        assert!(pull(at, ":v1", &code, Options::default()).await.is_ok());
        assert_eq!(seen.paths()[1], format!("/v2/a/p/manifests/{}", right.digest()));

        let none = Image::index(&[("arm64", &wrong), ("s390x", &right)]);
        assert_eq!(
            refused(images.clone().push("v1", &none), ":v1", &code).await,
            image("an index of 2 images, none of them for wasm or for linux/amd64")
        );
        let nested = Image::index(&[("amd64", &index)]);
        let nested = images.push("i", &index).push("v1", &nested);
        assert_eq!(refused(nested, ":v1", &code).await, image("an index in an index"));
    });
}

#[test]
fn every_digest_counts() {
    run(async {
        let (code, other) = (module(1, 500), module(2, 500));
        let (good, bad) = (Image::artefact(&code), Image::artefact(&other));
        // Another manifest than the one with this digest.
        let mut registry = Registry::default().push("v1", &good);
        registry.manifest(&good.digest(), OCI, &bad.manifest);
        let reason = refused(registry, &format!("@{}", good.digest()), &code).await;
        assert!(
            matches!(&reason, Reason::Image(text) if text.starts_with("the manifest's SHA-256 is ")),
            "{reason}"
        );
        // One that is not what the answer says that it is.
        let manifest = good.manifest.clone();
        let (at, _) = serve(move |_, _| {
            let said = digest(b"other");
            answer(200, &[("docker-content-digest", &said)], &manifest)
        })
        .await;
        let reason = pull(at, ":v1", &code, Options::default())
            .await
            .unwrap_err()
            .reason;
        assert!(
            matches!(&reason, Reason::Image(text) if text.starts_with("the manifest's SHA-256 is ")),
            "{reason}"
        );
        // A layer of the right size with other bytes, one that is shorter, and one that is longer.
        for (wrong, expected) in [
            (other.as_slice(), "the layer has 500 bytes"),
            (&code[..499], "the layer has 499 bytes"),
        ] {
            let mut registry = Registry::default().push("v1", &good);
            registry.blob(&digest(&code), wrong);
            let reason = refused(registry, ":v1", &code).await;
            assert!(
                matches!(&reason, Reason::Image(text) if text.starts_with(expected)),
                "{reason}"
            );
        }
        let mut registry = Registry::default().push("v1", &good);
        registry.blob(&digest(&code), &module(1, 501));
        assert_eq!(refused(registry, ":v1", &code).await, Reason::TooLarge(500));
        // All of it right, and not what the configuration asks for.
        let reason = refused(Registry::default().push("v1", &bad), ":v1", &code).await;
        assert!(matches!(reason, Reason::WrongHash { .. }), "{reason}");
    });
}

#[test]
fn sha256_is_that_of_the_module() {
    run(async {
        // Istio has that of the image there: the answer helps those who come from it.
        let code = module(1, 500);
        let layer = gzip(&tar("plugin.wasm", &code));
        let compat = Image::new(
            OCI,
            ("x/y", b"{}"),
            &[("application/vnd.oci.image.layer.v1.tar+gzip", layer.clone())],
        );
        let registry = Registry::default().push("v1", &compat);
        let is = enginebay_code::Digest::of(&code);
        assert_eq!(
            refused(registry.clone(), ":v1", &compat.manifest).await,
            image(format!(
                "sha256 is the digest of the image, not that of the module in it, which is {is}"
            ))
        );
        assert_eq!(
            refused(registry, ":v1", &layer).await,
            image(format!(
                "sha256 is the digest of a layer, not that of the module in it, which is {is}"
            ))
        );
    });
}

#[test]
fn images_that_are_too_large() {
    run(async {
        // A few kilobytes that are 100 megabytes once unpacked.
        let bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        let mut archive = tar::Builder::new(bomb);
        for name in ["zeros", "plugin.wasm"] {
            let mut header = tar::Header::new_gnu();
            header.set_size(100 << 20);
            archive
                .append_data(&mut header, name, std::io::repeat(0).take(100 << 20))
                .unwrap();
        }
        let bomb = archive.into_inner().unwrap().finish().unwrap();
        assert!(bomb.len() < 1 << 20);
        let layer = ("application/vnd.oci.image.layer.v1.tar+gzip", bomb);
        let image = Image::new(OCI, ("x/y", b"{}"), &[layer]);
        for (unpacked, limit) in [(50 << 20, 50 << 20), (256 << 20, 64 << 20)] {
            let (at, _) = Registry::default().push("v1", &image).serve().await;
            let mut options = Options::default();
            options.unpacked_bytes = unpacked;
            let error = pull(at, ":v1", b"x", options).await.unwrap_err();
            assert_eq!(error.reason, Reason::TooLarge(limit));
        }
        // A layer that says it is large is not asked for.
        let code = module(1, 1001);
        let (at, seen) = Registry::default()
            .push("v1", &Image::artefact(&code))
            .serve()
            .await;
        let mut options = Options::default();
        options.code_bytes = 1000;
        let error = pull(at, ":v1", &code, options).await.unwrap_err();
        assert_eq!((error.reason, seen.count()), (Reason::TooLarge(1000), 1));
        // A manifest without end.
        let (at, seen) = serve(|_, _| raw("", vec![Piece::Endless(vec![b' '; 1 << 16])])).await;
        let error = pull(at, ":v1", &code, Options::default()).await.unwrap_err();
        assert_eq!(error.reason, Reason::TooLarge(4 << 20));
        until(|| *seen.open.borrow() == 0).await;
    });
}

#[test]
fn what_is_not_there_or_not_a_manifest() {
    run(async {
        let code = module(1, 500);
        let mut image = Image::artefact(&code);
        assert_eq!(
            refused(Registry::default(), ":v1", &code).await,
            Reason::Status(404)
        );
        image.blobs.clear();
        let registry = Registry::default().push("v1", &image);
        assert_eq!(refused(registry, ":v1", &code).await, Reason::Status(404));
        let mut registry = Registry::default();
        registry.manifest("v1", OCI, b"<html>");
        let reason = refused(registry, ":v1", &code).await;
        assert!(
            matches!(&reason, Reason::Image(text) if text.starts_with("the manifest: ")),
            "{reason}"
        );
    });
}

/// Where docker keeps credentials, with those of one host.
fn secrets(host: &str, user_password: &str) -> (tempfile::NamedTempFile, Options) {
    use base64::Engine;
    let auth = base64::engine::general_purpose::STANDARD.encode(user_password);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(
        file.path(),
        format!(r#"{{"auths": {{"{host}": {{"auth": "{auth}"}}}}}}"#),
    )
    .unwrap();
    let mut options = Options::default();
    options.pull_secrets = Some(file.path().to_owned());
    (file, options)
}

#[test]
fn a_token() {
    run(async {
        let code = module(1, 500);
        let registry = Registry::default().push("v1", &Image::compat(&code));
        // "me:secret" gets a token for everything, nobody one that is refused.
        let tokens = |asked: &Asked| {
            let good = asked.header("authorization").as_deref() == Some("Basic bWU6c2VjcmV0");
            let token: &[u8] = if good {
                br#"{"token": "good"}"#
            } else {
                br#"{"access_token": "bad"}"#
            };
            answer(200, &[], token)
        };
        let (elsewhere, seen_elsewhere) = serve(move |asked, _| tokens(asked)).await;
        let (at, seen) = serve(move |asked, _| {
            if asked.header("authorization").as_deref() == Some("Bearer good") {
                return registry.answer(asked);
            }
            let challenge = format!("Bearer realm=\"http://{elsewhere}/token\",service=\"s\"");
            answer(401, &[("www-authenticate", &challenge)], b"")
        })
        .await;
        let uri = format!("oci://{at}/a/p:v1");
        let clusters = || {
            let mut clusters = Clusters::of("c", at);
            clusters.addresses.insert("tokens".to_owned(), elsewhere);
            clusters.hosts.insert(elsewhere.to_string(), "tokens".to_owned());
            clusters
        };
        let (_file, options) = secrets(&at.to_string(), "me:secret");
        let setup = Setup::new(clusters(), options.clone());
        assert!(setup.source.code(&remote(&uri, &code)).await.unwrap()[..] == code);
        assert_eq!(
            seen_elsewhere.paths(),
            ["/token?service=s&scope=repository%3Aa%2Fp%3Apull"]
        );
        // Once without, and from then on with the token.
        assert_eq!(seen.count(), 3);

        // Without credentials, or with others, what comes is refused, and that is the end.
        let (_wrong_file, wrong) = secrets(&at.to_string(), "me:wrong");
        for options in [Options::default(), wrong] {
            let setup = Setup::new(clusters(), options);
            let error = setup.source.code(&remote(&uri, &code)).await.unwrap_err();
            assert_eq!(error.reason, Reason::Status(401));
        }
        // Nobody knows where tokens are.
        let setup = Setup::new(Clusters::of("c", at), options);
        let error = setup.source.code(&remote(&uri, &code)).await.unwrap_err();
        let expected = format!("the registry refers to {elsewhere}, which no cluster is for");
        assert_eq!(error.reason, image(expected));
    });
}

#[test]
fn what_is_no_token() {
    run(async {
        let none = image("the answer to the request for a token has none");
        for (token, expected) in [
            (answer(200, &[], b"{}"), none.clone()),
            (answer(200, &[], b"secret"), none),
            (
                answer(200, &[], br#"{"token": "a\nb"}"#),
                image("a token can't be in a header"),
            ),
            (answer(403, &[], b""), Reason::Status(403)),
            (
                raw("", vec![Piece::Endless(vec![b' '; 1 << 16])]),
                Reason::TooLarge(1 << 20),
            ),
        ] {
            let (at, _) = serve(move |asked, _| {
                if asked.path.starts_with("/token") {
                    return token.clone();
                }
                let host = asked.header("host").unwrap_or_default();
                let challenge = format!("Bearer realm=\"http://{host}/token\"");
                answer(401, &[("www-authenticate", &challenge)], b"")
            })
            .await;
            assert_eq!(
                pull(at, ":v1", b"x", Options::default())
                    .await
                    .unwrap_err()
                    .reason,
                expected
            );
        }
    });
}

#[test]
fn credentials_that_cannot_be_used() {
    run(async {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), r#"{"credHelpers": {"r.io": "gcloud"}}"#).unwrap();
        let mut options = Options::default();
        options.pull_secrets = Some(file.path().to_owned());
        let setup = Setup::new(Clusters::default(), options);
        let mut asked = remote("oci://r.io/a/p:v1", b"x");
        asked.num_retries = 3;
        let error = setup.source.code(&asked).await.unwrap_err();
        assert!(error.to_string().contains("docker-credential-gcloud"), "{error}");
        // Asking again would not help.
        assert_eq!(setup.warnings().len(), 1);
    });
}

#[test]
fn a_registry_that_wants_a_password() {
    run(async {
        let code = module(1, 500);
        let registry = Registry::default().push("v1", &Image::compat(&code));
        let (at, _) = serve(move |asked, _| match asked.header("authorization").as_deref() {
            Some("Basic bWU6c2VjcmV0") => registry.answer(asked),
            _ => answer(401, &[("www-authenticate", "Basic realm=\"x\"")], b""),
        })
        .await;
        let (_file, options) = secrets(&at.to_string(), "me:secret");
        assert!(pull(at, ":v1", &code, options).await.is_ok());
        let (_file, options) = secrets(&at.to_string(), "me:wrong");
        assert_eq!(
            pull(at, ":v1", &code, options).await.unwrap_err().reason,
            Reason::Status(401)
        );
        let (_file, options) = secrets("other.io", "me:secret");
        assert_eq!(
            pull(at, ":v1", &code, options).await.unwrap_err().reason,
            image(format!(
                "{at} asks for credentials, and the pull secrets have none for it"
            ))
        );
    });
}

#[test]
fn layers_that_are_elsewhere() {
    run(async {
        let code = module(1, 500);
        let registry = Registry::default().push("v1", &Image::compat(&code));
        let all = registry.clone();
        let (store, seen) = serve(move |asked, _| all.answer(asked)).await;
        let (at, _) = serve(move |asked, _| {
            if asked.header("authorization").is_none() {
                return answer(401, &[("www-authenticate", "Basic")], b"");
            }
            match asked.path.contains("/blobs/") {
                true => answer(
                    307,
                    &[("location", &format!("http://{store}{}", asked.path))],
                    b"",
                ),
                false => registry.answer(asked),
            }
        })
        .await;
        let uri = format!("oci://{at}/a/p:v1");
        let (_file, options) = secrets(&at.to_string(), "me:secret");
        let mut clusters = Clusters::of("c", at);
        clusters.addresses.insert("store".to_owned(), store);
        clusters.hosts.insert(store.to_string(), "store".to_owned());
        let setup = Setup::new(clusters, options.clone());
        assert!(setup.source.code(&remote(&uri, &code)).await.unwrap()[..] == code);
        // Who asks is nobody's business there.
        assert_eq!(seen.asked.borrow()[0].header("authorization"), None);
        let error = pull(at, ":v1", &code, options).await.unwrap_err();
        assert_eq!(
            error.reason,
            image(format!("the registry refers to {store}, which no cluster is for"))
        );
    });
}

#[test]
fn redirects_end() {
    run(async {
        for (location, expected) in [
            ("/v2/again", "more than 3 redirects"),
            ("", "a redirect to nowhere"),
            ("ftp://h/", "a redirect to nowhere"),
            ("http://u:p@h/", "a redirect to nowhere"),
        ] {
            let (at, _) = serve(move |_, _| answer(302, &[("location", location)], b"")).await;
            let error = pull(at, ":v1", b"x", Options::default()).await.unwrap_err();
            assert_eq!(error.reason, image(expected), "{location}");
        }
    });
}
