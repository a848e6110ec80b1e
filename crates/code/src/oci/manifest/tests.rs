use serde_json::{Value, json};

use super::*;

const TAR_GZIP: &str = TARS_GZIP[0];

fn descriptor(media_type: &str, number: u8) -> Value {
    json!({
        "mediaType": media_type,
        "size": number,
        "digest": format!("sha256:{}", format!("{number:02x}").repeat(32)),
    })
}

/// The kind and the number of the layer that is taken.
fn taken(layers: &[Value]) -> Result<(Kind, u64), String> {
    let manifest = json!({"schemaVersion": 2, "config": descriptor("application/json", 0), "layers": layers});
    match Manifest::read(manifest.to_string().as_bytes(), None) {
        Ok(Manifest::Image(manifest)) => layer(&manifest)
            .map(|layer| (layer.kind, layer.size))
            .map_err(|reason| reason.to_string()),
        _ => panic!(),
    }
}

#[test]
fn the_layer_with_the_module() {
    for module in MODULES {
        assert_eq!(taken(&[descriptor(module, 1)]), Ok((Kind::Module, 1)));
    }
    // The first module, wherever it is; else the last layer.
    let readme = descriptor("text/plain", 1);
    let layers = [
        readme.clone(),
        descriptor(MODULES[0], 2),
        descriptor(MODULES[0], 3),
        descriptor(TAR_GZIP, 4),
    ];
    assert_eq!(taken(&layers), Ok((Kind::Module, 2)));
    let layers = [descriptor(TAR_GZIP, 1), descriptor(TAR_GZIP, 2)];
    assert_eq!(taken(&layers), Ok((Kind::TarGzip, 2)));
    assert_eq!(taken(&[descriptor(TARS_GZIP[1], 1)]), Ok((Kind::TarGzip, 1)));
    assert_eq!(taken(&[descriptor(TARS[0], 1)]), Ok((Kind::Tar, 1)));
    assert_eq!(taken(&[]), Err("image: it has no layers".to_owned()));
    let zstd = descriptor("application/vnd.oci.image.layer.v1.tar+zstd", 1);
    for other in [zstd, readme] {
        let media_type = other["mediaType"].as_str().unwrap().to_owned();
        let error = taken(&[descriptor(TAR_GZIP, 1), other]).unwrap_err();
        assert!(error.ends_with(&format!("but {media_type}")), "{error}");
    }
}

/// The number of the image that is chosen: `os/architecture`, or `-` for none, or `attestation`.
fn chosen(platforms: &[&str]) -> Option<usize> {
    let manifests: Vec<Value> = (0u8..)
        .zip(platforms)
        .map(|(number, platform)| {
            let mut image = descriptor("application/vnd.oci.image.manifest.v1+json", number);
            if *platform == "attestation" {
                image["annotations"] = json!({"vnd.docker.reference.type": "attestation-manifest"});
                image["platform"] = json!({"os": "unknown", "architecture": "unknown"});
            } else if let Some((os, architecture)) = platform.split_once('/') {
                image["platform"] = json!({"os": os, "architecture": architecture});
            }
            image
        })
        .collect();
    let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests});
    let Ok(Manifest::Index(index)) = Manifest::read(index.to_string().as_bytes(), None) else {
        panic!()
    };
    let chosen = choose(&index).ok()?;
    index
        .manifests()
        .iter()
        .position(|image| image.digest() == chosen)
}

#[test]
fn the_image_of_an_index() {
    assert_eq!(chosen(&["linux/arm64", "linux/amd64", "wasi/wasm"]), Some(2));
    assert_eq!(chosen(&["linux/arm64", "windows/amd64", "linux/amd64"]), Some(2));
    assert_eq!(chosen(&["linux/arm64"]), Some(0));
    assert_eq!(chosen(&["-"]), Some(0));
    // What `docker build` pushes, on a machine that is not amd64.
    assert_eq!(chosen(&["attestation", "linux/arm64", "attestation"]), Some(1));
    assert_eq!(chosen(&["linux/arm64", "linux/s390x"]), None);
    assert_eq!(chosen(&["attestation"]), None);
    assert_eq!(chosen(&[]), None);
}

#[test]
fn what_a_document_is() {
    let read = |text: &str, media_type: Option<&str>| match Manifest::read(text.as_bytes(), media_type) {
        Ok(Manifest::Image(_)) => "image".to_owned(),
        Ok(Manifest::Index(_)) => "index".to_owned(),
        Err(reason) => reason.to_string(),
    };
    let index = r#"{"schemaVersion": 2, "manifests": []}"#;
    assert_eq!(read(index, None), "index");
    assert_eq!(read(index, Some(DOCKER_INDEX)), "index");
    for wrong in [
        "",
        "null",
        "[]",
        "{}",
        r#"{"schemaVersion": 1, "fsLayers": []}"#,
        "\0asm",
    ] {
        assert!(read(wrong, None).starts_with("image: the manifest: "), "{wrong}");
        assert!(
            read(wrong, Some(OCI_INDEX)).starts_with("image: the manifest: "),
            "{wrong}"
        );
    }
}
