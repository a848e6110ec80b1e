//! Images as tools push them.

use std::io::Write;

use enginebay_code::Digest;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

pub(crate) const OCI: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const DOCKER: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// A manifest with what belongs to it.
#[derive(Clone)]
pub(crate) struct Image {
    pub(crate) media_type: &'static str,
    pub(crate) manifest: Vec<u8>,
    pub(crate) blobs: Vec<Vec<u8>>,
}

impl Image {
    pub(crate) fn digest(&self) -> String {
        digest(&self.manifest)
    }

    /// Of a configuration and layers, each with its media type.
    pub(crate) fn new(media_type: &'static str, config: (&str, &[u8]), layers: &[(&str, Vec<u8>)]) -> Image {
        let descriptors: Vec<Value> = layers
            .iter()
            .map(|(kind, bytes)| descriptor(kind, bytes))
            .collect();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": descriptor(config.0, config.1),
            "layers": descriptors,
        });
        let blobs = layers.iter().map(|(_, bytes)| bytes.clone());
        Image {
            media_type,
            manifest: manifest.to_string().into_bytes(),
            blobs: blobs.chain([config.1.to_vec()]).collect(),
        }
    }

    /// `FROM scratch`, `COPY plugin.wasm ./`, with docker.
    pub(crate) fn docker(module: &[u8]) -> Image {
        let layer = (
            "application/vnd.docker.image.rootfs.diff.tar.gzip",
            gzip(&tar("plugin.wasm", module)),
        );
        Image::new(
            DOCKER,
            ("application/vnd.docker.container.image.v1+json", b"{}"),
            &[layer],
        )
    }

    /// The same with buildah or buildx.
    pub(crate) fn compat(module: &[u8]) -> Image {
        let first = (
            "application/vnd.oci.image.layer.v1.tar+gzip",
            gzip(&tar("other", b"x")),
        );
        let layer = (
            "application/vnd.oci.image.layer.v1.tar+gzip",
            gzip(&tar("./plugin.wasm", module)),
        );
        Image::new(
            OCI,
            ("application/vnd.oci.image.config.v1+json", b"{}"),
            &[first, layer],
        )
    }

    /// The single-layer artefact.
    pub(crate) fn artefact(module: &[u8]) -> Image {
        let layer = (
            "application/vnd.module.wasm.content.layer.v1+wasm",
            module.to_vec(),
        );
        Image::new(
            OCI,
            ("application/vnd.module.wasm.config.v1+json", b"{}"),
            &[layer],
        )
    }

    /// An index of images for linux on these architectures.
    pub(crate) fn index(images: &[(&str, &Image)]) -> Image {
        let manifests: Vec<Value> = images
            .iter()
            .map(|(architecture, image)| {
                let mut entry = descriptor(image.media_type, &image.manifest);
                entry["platform"] = json!({"os": "linux", "architecture": architecture});
                entry
            })
            .collect();
        let manifest = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests});
        Image {
            media_type: INDEX,
            manifest: manifest.to_string().into_bytes(),
            blobs: Vec::new(),
        }
    }
}

pub(crate) fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", Digest::of(bytes))
}

pub(crate) fn descriptor(media_type: &str, bytes: &[u8]) -> Value {
    json!({"mediaType": media_type, "size": bytes.len(), "digest": digest(bytes)})
}

pub(crate) fn tar(name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    tar.append_data(&mut header, name, bytes).unwrap();
    tar.into_inner().unwrap()
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}
