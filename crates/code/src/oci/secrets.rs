//! Docker's `config.json`.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::Reason;

/// Bytes of the file.
const FILE: u64 = 1 << 20;

/// Who asks.
#[derive(PartialEq, Eq)]
pub(super) enum Credentials {
    Basic {
        user: String,
        password: String,
    },
    /// `registrytoken`: sent as it is.
    Bearer(String),
}

/// The credentials for all registries.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub(super) struct Secrets {
    #[serde(default)]
    auths: Option<HashMap<String, Auth>>,
    #[serde(default)]
    cred_helpers: Option<HashMap<String, String>>,
    #[serde(default)]
    creds_store: Option<String>,
}

#[derive(Deserialize)]
struct Auth {
    #[serde(default)]
    auth: Option<String>,
    #[serde(default)]
    username: Option<String>,
    #[serde(default)]
    password: Option<String>,
    #[serde(default)]
    identitytoken: Option<String>,
    #[serde(default)]
    registrytoken: Option<String>,
}

impl Secrets {
    pub(super) fn read(path: &Path) -> Result<Secrets, Reason> {
        let wrong = |error: &dyn std::fmt::Display| Reason::Secrets(format!("{}: {error}", path.display()));
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(|error| wrong(&error))?;
        file.take(FILE)
            .read_to_end(&mut bytes)
            .map_err(|error| wrong(&error))?;
        // Where it is wrong, not what is there.
        Secrets::parse(&bytes).map_err(|error| {
            wrong(&format_args!(
                "not docker's configuration: line {}, column {}",
                error.line(),
                error.column()
            ))
        })
    }

    fn parse(bytes: &[u8]) -> Result<Secrets, serde_json::Error> {
        let secrets: Option<Secrets> = serde_json::from_slice(bytes)?;
        Ok(secrets.unwrap_or_default())
    }

    /// The credentials for a registry that has these names. `None`: it is asked without.
    pub(super) fn credentials(&self, hosts: &[&str]) -> Result<Option<Credentials>, Reason> {
        let host = hosts.first().copied().unwrap_or_default();
        if let Some(helper) = find(&self.cred_helpers, hosts) {
            return Err(helper_refused(helper, host));
        }
        let Some(auth) = find(&self.auths, hosts) else {
            return Ok(None);
        };
        let wrong = |what: &str| Err(Reason::Secrets(format!("{host}: {what}")));
        if let Some(token) = given(&auth.registrytoken) {
            return Ok(Some(Credentials::Bearer(token.to_owned())));
        }
        if given(&auth.identitytoken).is_some() {
            return wrong("identity tokens are not supported");
        }
        if let Some(auth) = given(&auth.auth) {
            let decoded = STANDARD.decode(auth.trim()).ok();
            let decoded = decoded.and_then(|decoded| String::from_utf8(decoded).ok());
            let Some((user, password)) = decoded.as_deref().and_then(|decoded| decoded.split_once(':'))
            else {
                return wrong("auth is not the base64 of user:password");
            };
            return Ok(Some(Credentials::Basic {
                user: user.to_owned(),
                password: password.trim_end_matches('\0').to_owned(),
            }));
        }
        match (given(&auth.username), &auth.password, given(&self.creds_store)) {
            (Some(user), Some(password), _) => Ok(Some(Credentials::Basic {
                user: user.to_owned(),
                password: password.clone(),
            })),
            // Docker leaves an empty entry for what it gave to its store.
            (_, _, Some(store)) => Err(helper_refused(store, host)),
            _ => Ok(None),
        }
    }
}

fn helper_refused(helper: &str, host: &str) -> Reason {
    Reason::Secrets(format!(
        "{host}: the credentials are with docker-credential-{helper}, and programs are not run: give them in auths"
    ))
}

/// A text that is there and not empty.
fn given(text: &Option<String>) -> Option<&str> {
    text.as_deref().filter(|text| !text.is_empty())
}

/// The entry for a host. Keys are hosts, or addresses of a registry's API as docker once wrote them.
fn find<'a, T>(map: &'a Option<HashMap<String, T>>, hosts: &[&str]) -> Option<&'a T> {
    let map = map.as_ref()?;
    hosts.iter().find_map(|host| {
        map.get(*host).or_else(|| {
            map.iter()
                .find(|(key, _)| host_of(key) == *host)
                .map(|(_, value)| value)
        })
    })
}

fn host_of(key: &str) -> &str {
    let key = key.split_once("://").map_or(key, |(_, rest)| rest);
    let (host, path) = key.split_once('/').unwrap_or((key, ""));
    match path.trim_end_matches('/') {
        "" | "v1" | "v2" => host,
        _ => key,
    }
}

#[cfg(test)]
mod tests;
