//! Code out of an image in an OCI registry.
//!
//! The distribution specification's pull: the manifest by tag or digest, then one layer by its digest. Both formats of the
//! Wasm image specification are read; see [`manifest`] for which layer is taken.

mod auth;
mod client;
mod layer;
mod manifest;
mod secrets;

use http::StatusCode;
use http::header::HeaderMap;
use oci_spec::distribution::Reference;
use oci_spec::image::Digest as ImageDigest;

use self::client::Client;
use self::manifest::{Kind, Manifest};
use self::secrets::Secrets;
use crate::verified::Hashed;
use crate::{Code, Digest, Fetch, Options, Reason};

/// Bytes of a manifest; the specification has registries accept that much.
const MANIFEST: usize = 4 << 20;
/// Bytes of a manifest's answer header.
const DIGEST_HEADER: &str = "docker-content-digest";

/// Fetches the module with this hash from an image.
pub(crate) async fn code(
    fetch: &dyn Fetch,
    cluster: &str,
    image: &Reference,
    wanted: Digest,
    options: &Options,
) -> Result<Code, Reason> {
    let credentials = match options.pull_secrets.clone() {
        Some(path) => {
            let read = tokio::task::spawn_blocking(move || Secrets::read(&path)).await;
            let hosts = [image.registry(), image.resolve_registry()];
            read.map_err(|_| Reason::Ended)??.credentials(&hosts)?
        }
        None => None,
    };
    let mut client = Client::new(fetch, cluster, image, credentials);
    let (manifest, manifest_digest) = image_manifest(&mut client, image).await?;
    let layer = manifest::layer(&manifest)?;
    let digest = sha256(&layer.digest)?;
    // Nothing that says it is too large is asked for.
    let size = usize::try_from(layer.size)
        .ok()
        .filter(|size| *size <= options.code_bytes)
        .ok_or(Reason::TooLarge(options.code_bytes))?;
    let blob = blob(&mut client, &layer.digest, digest, size).await?;
    let result = match layer.kind {
        Kind::Module => blob.verify(wanted),
        kind => {
            let (code, unpacked) = (options.code_bytes, options.unpacked_bytes);
            let unpack = move || layer::module(&blob.unverified(), kind, code, unpacked);
            let module = tokio::task::spawn_blocking(unpack).await;
            Code::check(module.map_err(|_| Reason::Ended)??, wanted)
        }
    };
    match result {
        Err(Reason::WrongHash { actual, .. }) if wanted == manifest_digest => Err(Reason::Image(format!(
            "sha256 is the digest of the image, not that of the module in it, which is {actual}"
        ))),
        Err(Reason::WrongHash { actual, .. }) if wanted == digest => Err(Reason::Image(format!(
            "sha256 is the digest of a layer, not that of the module in it, which is {actual}"
        ))),
        result => result,
    }
}

/// The manifest of the image, through an index if there is one, and the digest of what was asked for.
async fn image_manifest(
    client: &mut Client<'_>,
    image: &Reference,
) -> Result<(oci_spec::image::ImageManifest, Digest), Reason> {
    let (name, expected) = match (image.digest(), image.tag()) {
        (Some(digest), _) => (digest, Some(hex(digest)?)),
        (None, tag) => (tag.unwrap_or("latest"), None),
    };
    let (first, digest) = document(client, name, expected).await?;
    match first {
        Manifest::Image(manifest) => Ok((*manifest, digest)),
        Manifest::Index(index) => {
            let chosen = manifest::choose(&index)?;
            let expected = sha256(chosen)?;
            match document(client, chosen.as_ref(), Some(expected)).await?.0 {
                Manifest::Image(manifest) => Ok((*manifest, digest)),
                Manifest::Index(_) => Err(Reason::Image("an index in an index".to_owned())),
            }
        }
    }
}

/// One manifest, which must have the expected digest, or the one that its answer announces.
async fn document(
    client: &mut Client<'_>,
    name: &str,
    expected: Option<Digest>,
) -> Result<(Manifest, Digest), Reason> {
    let mut headers = HeaderMap::new();
    for accepted in manifest::ACCEPTED {
        headers.append(http::header::ACCEPT, http::HeaderValue::from_static(accepted));
    }
    let response = client.get(&format!("manifests/{name}"), headers).await?;
    if response.status() != StatusCode::OK {
        return Err(client::refused("the manifest", response).await);
    }
    let announced = response.headers().get(DIGEST_HEADER);
    let announced = match announced.map(|value| value.to_str()) {
        Some(Ok(text)) => Some(hex(text)?),
        Some(Err(_)) => return Err(Reason::Image(format!("{DIGEST_HEADER} is not text"))),
        None => None,
    };
    let media_type = response.headers().get(http::header::CONTENT_TYPE).cloned();
    let body = crate::exchange::body(response, MANIFEST).await?;
    let actual = body.sha256();
    for digest in [expected, announced].into_iter().flatten() {
        if digest != actual {
            return Err(Reason::Image(format!(
                "the manifest's SHA-256 is {actual}, expected {digest}"
            )));
        }
    }
    let media_type = media_type.as_ref().and_then(|value| value.to_str().ok());
    Ok((Manifest::read(&body.unverified(), media_type)?, actual))
}

/// A layer as it is in the registry, whose size and digest are those that the manifest says.
async fn blob(
    client: &mut Client<'_>,
    name: &ImageDigest,
    digest: Digest,
    size: usize,
) -> Result<Hashed, Reason> {
    let response = client.get(&format!("blobs/{name}"), HeaderMap::new()).await?;
    if response.status() != StatusCode::OK {
        return Err(client::refused("the layer", response).await);
    }
    let blob = crate::exchange::body(response, size).await?;
    if blob.len() != size || blob.sha256() != digest {
        return Err(Reason::Image(format!(
            "the layer has {} bytes with the SHA-256 {}, expected {size} with {digest}",
            blob.len(),
            blob.sha256()
        )));
    }
    Ok(blob)
}

fn sha256(digest: &ImageDigest) -> Result<Digest, Reason> {
    hex(digest.as_ref())
}

fn hex(text: &str) -> Result<Digest, Reason> {
    let digest = text.strip_prefix("sha256:").and_then(Digest::parse);
    digest.ok_or_else(|| Reason::Image("a digest is not one of sha256".to_owned()))
}
