//! Which layer of which manifest is the module.

use oci_spec::image::{Arch, Descriptor, Digest, ImageIndex, ImageManifest, Os};
use serde::Deserialize;

use crate::Reason;

const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// What may come.
pub(super) const ACCEPTED: [&str; 4] = [
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    OCI_INDEX,
    DOCKER_INDEX,
];

/// Layers that are a module: of the Wasm image specification, of `wasm-to-oci`, and of the CNCF's Wasm working group.
const MODULES: [&str; 3] = [
    "application/vnd.module.wasm.content.layer.v1+wasm",
    "application/vnd.wasm.content.layer.v1+wasm",
    "application/wasm",
];
/// Layers that are an archive with the module in it.
const TARS_GZIP: [&str; 2] = [
    "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
];
const TARS: [&str; 2] = [
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.docker.image.rootfs.diff.tar",
];

/// How an index names what says how an image was built.
const ATTESTATION: &str = "vnd.docker.reference.type";

/// A manifest.
pub(super) enum Manifest {
    Image(Box<ImageManifest>),
    Index(Box<ImageIndex>),
}

/// What a layer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The module itself.
    Module,
    /// A tar with `plugin.wasm`.
    Tar,
    /// One that is compressed.
    TarGzip,
}

/// The layer that has the module.
pub(super) struct Layer {
    pub(super) kind: Kind,
    pub(super) digest: Digest,
    pub(super) size: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    media_type: Option<String>,
    #[serde(default)]
    manifests: Option<serde::de::IgnoredAny>,
}

impl Manifest {
    /// Reads one. What it is, it says itself, or else the answer that it came in.
    pub(super) fn read(bytes: &[u8], media_type: Option<&str>) -> Result<Manifest, Reason> {
        let wrong = |error: serde_json::Error| Reason::Image(format!("the manifest: {error}"));
        let head: Head = serde_json::from_slice(bytes).map_err(wrong)?;
        let said = head.media_type.as_deref().or(media_type);
        let index = said.is_some_and(|said| said == OCI_INDEX || said == DOCKER_INDEX);
        if index || head.manifests.is_some() {
            let index = serde_json::from_slice(bytes).map_err(wrong)?;
            return Ok(Manifest::Index(Box::new(index)));
        }
        let manifest = serde_json::from_slice(bytes).map_err(wrong)?;
        Ok(Manifest::Image(Box::new(manifest)))
    }
}

/// The image to take from an index: the first for wasm, else the first for linux on amd64, which is what Istio and Envoy
/// Gateway take, else the only one.
pub(super) fn choose(index: &ImageIndex) -> Result<&Digest, Reason> {
    let images: Vec<&Descriptor> = index
        .manifests()
        .iter()
        .filter(|image| {
            let notes = image.annotations().as_ref();
            notes.is_none_or(|notes| !notes.contains_key(ATTESTATION))
        })
        .collect();
    let first = |wanted: &dyn Fn(&Arch, &Os) -> bool| {
        images.iter().find(|image| {
            let platform = image.platform().as_ref();
            platform.is_some_and(|platform| wanted(platform.architecture(), platform.os()))
        })
    };
    let wasm = first(&|architecture, _| architecture.to_string().starts_with("wasm"));
    let found = wasm.or_else(|| first(&|architecture, os| *architecture == Arch::Amd64 && *os == Os::Linux));
    let found = found.or(match images.as_slice() {
        [image] => Some(image),
        _ => None,
    });
    found.map(|image| image.digest()).ok_or_else(|| {
        Reason::Image(format!(
            "an index of {} images, none of them for wasm or for linux/amd64",
            images.len()
        ))
    })
}

/// The layer to take: the first that is a module, else the last, which must be a tar (the "compat" format).
pub(super) fn layer(manifest: &ImageManifest) -> Result<Layer, Reason> {
    let is_module = |layer: &&Descriptor| MODULES.contains(&layer.media_type().as_ref());
    let module = manifest.layers().iter().find(is_module);
    let Some(layer) = module.or(manifest.layers().last()) else {
        return Err(Reason::Image("it has no layers".to_owned()));
    };
    let media_type = layer.media_type().as_ref();
    let kind = if module.is_some() {
        Kind::Module
    } else if TARS_GZIP.contains(&media_type) {
        Kind::TarGzip
    } else if TARS.contains(&media_type) {
        Kind::Tar
    } else {
        return Err(Reason::Image(format!(
            "neither a layer {} nor a last layer that is a tar or tar.gz, but {media_type}",
            MODULES[0]
        )));
    };
    Ok(Layer {
        kind,
        digest: layer.digest().clone(),
        size: layer.size(),
    })
}

#[cfg(test)]
mod tests;
