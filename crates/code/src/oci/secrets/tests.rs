use super::*;

fn read(json: &str, hosts: &[&str]) -> String {
    let secrets = match Secrets::parse(json.as_bytes()) {
        Ok(secrets) => secrets,
        Err(error) => return error.to_string(),
    };
    match secrets.credentials(hosts) {
        Ok(None) => "none".to_owned(),
        Ok(Some(Credentials::Basic { user, password })) => format!("{user} {password}"),
        Ok(Some(Credentials::Bearer(token))) => format!("bearer {token}"),
        Err(reason) => reason.to_string(),
    }
}

#[test]
fn credentials_of_a_registry() {
    // me:se:cret
    let auth = r#"{"auth": "bWU6c2U6Y3JldA=="}"#;
    let with = |key: &str| {
        format!(r#"{{"auths": {{"other.io": {{"username": "o", "password": "o"}}, "{key}": {auth}}}}}"#)
    };
    for key in [
        "r.io",
        "https://r.io",
        "http://r.io/",
        "https://r.io/v2/",
        "r.io/v1",
    ] {
        assert_eq!(read(&with(key), &["r.io"]), "me se:cret", "{key}");
    }
    for key in ["r.io:5000", "r.io/repository", "x.r.io", "io"] {
        assert_eq!(read(&with(key), &["r.io"]), "none", "{key}");
    }
    let docker = with("https://index.docker.io/v1/");
    assert_eq!(read(&docker, &["docker.io", "index.docker.io"]), "me se:cret");
    let plain =
        r#"{"auths": {"r.io": {"username": "me", "password": "secret", "email": "x"}}, "HttpHeaders": {}}"#;
    assert_eq!(read(plain, &["r.io"]), "me secret");
    let token = r#"{"auths": {"r.io": {"registrytoken": "abc"}}}"#;
    assert_eq!(read(token, &["r.io"]), "bearer abc");
    for none in [
        "null",
        "{}",
        r#"{"auths": null}"#,
        r#"{"auths": {"r.io": {}}}"#,
        r#"{"credsStore": "desktop"}"#,
    ] {
        assert_eq!(read(none, &["r.io"]), "none", "{none}");
    }
}

#[test]
fn what_is_refused() {
    let programs = "programs are not run: give them in auths";
    let store = r#"{"auths": {"r.io": {}}, "credsStore": "desktop"}"#;
    let helper = r#"{"auths": {"r.io": {"auth": "bWU6cw=="}}, "credHelpers": {"r.io": "ecr-login"}}"#;
    assert_eq!(
        read(store, &["r.io"]),
        format!("pull secrets: r.io: the credentials are with docker-credential-desktop, and {programs}")
    );
    assert_eq!(
        read(helper, &["r.io"]),
        format!("pull secrets: r.io: the credentials are with docker-credential-ecr-login, and {programs}")
    );
    assert_eq!(read(helper, &["other.io"]), "none");
    // A store that docker would ask, but there is no need to.
    let both = r#"{"auths": {"r.io": {"auth": "bWU6cw=="}}, "credsStore": "desktop"}"#;
    assert_eq!(read(both, &["r.io"]), "me s");
    let identity = r#"{"auths": {"r.io": {"auth": "bWU6", "identitytoken": "abc"}}}"#;
    assert_eq!(
        read(identity, &["r.io"]),
        "pull secrets: r.io: identity tokens are not supported"
    );
    for auth in ["!", "bm9jb2xvbg==", "/w=="] {
        let wrong = format!(r#"{{"auths": {{"r.io": {{"auth": "{auth}"}}}}}}"#);
        assert_eq!(
            read(&wrong, &["r.io"]),
            "pull secrets: r.io: auth is not the base64 of user:password"
        );
    }
}

#[test]
fn a_file_that_is_wrong_is_not_shown() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), r#"{"auths": {"r.io": "secret"}}"#).unwrap();
    let Err(reason) = Secrets::read(file.path()) else {
        panic!()
    };
    let expected = format!(
        "pull secrets: {}: not docker's configuration: line 1, column 27",
        file.path().display()
    );
    assert_eq!(reason.to_string(), expected);
    assert!(Secrets::read(std::path::Path::new("/nonexistent/config.json")).is_err());
}
