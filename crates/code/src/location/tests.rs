use super::*;

fn read(text: &str) -> String {
    match Location::parse(text) {
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
    let shape =
        "invalid URI: an image is oci://registry/repository:tag or oci://registry/repository@sha256:digest";
    for (text, expected) in [
        ("http://h/p.wasm", "http://h/p.wasm".to_owned()),
        ("https://h:8443/p?v=1", "https://h:8443/p?v=1".to_owned()),
        // Envoy wants no scheme.
        ("h.example/p.wasm", "http://h.example/p.wasm".to_owned()),
        ("oci://r.io/a/b:v1", "image r.io a/b Some(\"v1\") None".to_owned()),
        (
            "oci://localhost:5000/p",
            "image localhost:5000 p Some(\"latest\") None".to_owned(),
        ),
        (
            "oci://docker.io/p:1",
            "image index.docker.io library/p Some(\"1\") None".to_owned(),
        ),
        (&pinned, format!("image r.io p None Some(\"{digest}\")")),
        (&both, format!("image r.io p Some(\"v1\") Some(\"{digest}\")")),
        ("oci://nothing", shape.to_owned()),
        ("oci://user/p:v1", shape.to_owned()),
        ("oci://r.io/", "invalid URI: invalid reference format".to_owned()),
        (
            "oci://r.io/UPPER",
            "invalid URI: invalid reference format".to_owned(),
        ),
        (
            &sha512,
            "invalid URI: the digest of an image must be one of sha256".to_owned(),
        ),
        ("file:///etc/passwd", "invalid URI: invalid format".to_owned()),
        (
            "ftp://h/",
            "invalid URI: its scheme is not http, https or oci".to_owned(),
        ),
        (
            "http://u:p@h/",
            "invalid URI: it has no host, or credentials in front of it".to_owned(),
        ),
        ("", "invalid URI: empty string".to_owned()),
    ] {
        assert_eq!(read(text), expected, "{text}");
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
