use enginebay_config::model::Code;
use enginebay_config::{Process, load_plugin};

use super::*;

fn read(uri: &str) -> String {
    let plugin = format!(
        "vm_config: {{runtime: r, code: {{remote: {{http_uri: {{uri: '{uri}', cluster: c, timeout: 1s}}, sha256: {}}}}}}}",
        "ab".repeat(32)
    );
    let plugin = load_plugin(&plugin, "plugin.yaml", &Process).unwrap();
    let Code::Remote(remote) = plugin.vm.code else {
        panic!()
    };
    match Location::of(&remote) {
        Ok(Location::Http(uri)) => uri.to_string(),
        Ok(Location::Image(image)) => format!(
            "image {} {} {:?} {:?}",
            image.resolve_registry(),
            image.repository(),
            image.tag(),
            image.digest()
        ),
        Err(reason) => reason.to_string(),
    }
}

#[test]
fn addresses() {
    let digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    let pinned = format!("oci://r.io/p@{digest}");
    let both = format!("oci://r.io/p:v1@{digest}");
    let sha512 = format!("oci://r.io/p@sha512:{}", "0".repeat(128));
    let format = "invalid URI: invalid reference format";
    for (uri, expected) in [
        ("http://h/p.wasm", "http://h/p.wasm"),
        ("https://h:8443?v=1", "https://h:8443/?v=1"),
        // Envoy wants no scheme.
        ("h/p.wasm", "http://h/p.wasm"),
        ("oci://r.io/a/b:v1", "image r.io a/b Some(\"v1\") None"),
        ("oci://localhost/p", "image localhost p Some(\"latest\") None"),
        ("oci://r:5000/p", "image r:5000 p Some(\"latest\") None"),
        (
            "oci://docker.io/p:1",
            "image index.docker.io library/p Some(\"1\") None",
        ),
        (&pinned, &format!("image r.io p None Some(\"{digest}\")")),
        (&both, &format!("image r.io p Some(\"v1\") Some(\"{digest}\")")),
        (
            "oci://user/p:v1",
            "invalid URI: user is not the name of a registry: it has neither a dot nor a port",
        ),
        ("oci://r.io/UPPER", format),
        ("oci://r.io/p?x", format),
        ("oci://[::1]:5000/p", format),
        (
            &sha512,
            "invalid URI: the digest of an image must be one of sha256",
        ),
        ("http://h\\/", "invalid URI: invalid uri character"),
    ] {
        assert_eq!(read(uri), expected, "{uri}");
    }
}

#[test]
fn what_logs_show_of_them() {
    for (uri, expected) in [
        ("http://h/p.wasm", "http://h/p.wasm"),
        ("http://u:p@h/p.wasm?sig=x#y", "http://h/p.wasm?…"),
        ("u:p@h", "h"),
        ("h/a@b", "h/a@b"),
        ("oci://r.io/p@sha256:00", "oci://r.io/p@sha256:00"),
        ("oci://u@r.io/p:v1", "oci://r.io/p:v1"),
        ("", ""),
    ] {
        assert_eq!(&*shown(uri), expected);
    }
}
