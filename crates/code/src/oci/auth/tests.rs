use http::HeaderMap;
use http::header::WWW_AUTHENTICATE;
use proptest::prelude::*;

use super::*;

fn challenge(lines: &[&str]) -> Option<Challenge> {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(WWW_AUTHENTICATE, line.parse().unwrap());
    }
    Challenge::of(headers.get_all(WWW_AUTHENTICATE))
}

fn bearer_of(realm: &str, service: Option<&str>, scope: Option<&str>) -> Option<Challenge> {
    Some(Challenge::Bearer {
        realm: realm.to_owned(),
        service: service.map(str::to_owned),
        scope: scope.map(str::to_owned),
    })
}

#[test]
fn challenges() {
    let full = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push""#;
    let expected = bearer_of(
        "https://auth.docker.io/token",
        Some("registry.docker.io"),
        Some("repository:a/b:pull,push"),
    );
    assert_eq!(challenge(&[full]), expected);
    assert_eq!(
        challenge(&[r#"bearer  error=invalid, realm="a\"b" , service=s"#]),
        bearer_of("a\"b", Some("s"), None)
    );
    assert_eq!(challenge(&["Basic realm=\"x\""]), Some(Challenge::Basic));
    assert_eq!(challenge(&["Negotiate", "basic"]), Some(Challenge::Basic));
    for none in [
        &[][..],
        &["Bearer"],
        &["Bearer service=s"],
        &["Bearer realm=\"open"],
        &["Digest realm=x"],
        &[""],
    ] {
        assert_eq!(challenge(none), None, "{none:?}");
    }
}

#[test]
fn where_tokens_are() {
    let uri = |realm, service| token_uri(realm, service, "repository:a/b:pull").map(|uri| uri.to_string());
    assert_eq!(
        uri("https://h/token", Some("a b&c")).unwrap(),
        "https://h/token?service=a%20b%26c&scope=repository%3Aa%2Fb%3Apull"
    );
    assert_eq!(
        uri("http://h/token?x=1", None).unwrap(),
        "http://h/token?x=1&scope=repository%3Aa%2Fb%3Apull"
    );
    for wrong in ["", "/token", "ftp://h/", "https://u:p@h/", "https://h/\u{1}"] {
        assert!(uri(wrong, None).is_err(), "{wrong}");
    }
}

#[test]
fn what_is_said() {
    let basic = basic("Aladdin", "open sesame").unwrap();
    assert_eq!(basic, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    assert!(basic.is_sensitive());
    assert!(bearer("a\nb").is_err());
}

proptest! {
    #[test]
    fn any_challenge_is_read(text in "(Bearer )?[ -~]{0,80}") {
        challenge(&[&text]);
    }
}
