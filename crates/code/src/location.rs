//! Reading `http_uri.uri`.

use std::sync::Arc;

use enginebay_config::model::{RemoteCode, RemoteScheme};
use http::Uri;
use http::uri::Scheme;
use oci_spec::distribution::Reference;

use crate::Reason;

/// What a URI names.
pub(crate) enum Location {
    /// `http://` or `https://`.
    Http(Uri),
    /// `oci://`.
    Image(Reference),
}

impl Location {
    /// Reads what the configuration names.
    pub(crate) fn of(remote: &RemoteCode) -> Result<Location, Reason> {
        let scheme = match remote.scheme {
            RemoteScheme::Http => Scheme::HTTP,
            RemoteScheme::Https => Scheme::HTTPS,
            RemoteScheme::Oci => {
                return Self::image(&remote.authority, &remote.path).map(Location::Image);
            }
            _ => return Err(Reason::Uri("its scheme is not http, https or oci".to_owned())),
        };
        address(scheme, &remote.authority, &remote.path).map(Location::Http)
    }

    fn image(registry: &str, path: &str) -> Result<Reference, Reason> {
        // Such a name would be taken for a part of a path, and docker's registry for the one that is meant.
        if !(registry.contains(['.', ':']) || registry == "localhost") {
            return Err(Reason::Uri(format!(
                "{registry} is not the name of a registry: it has neither a dot nor a port"
            )));
        }
        let text = format!("{registry}{path}");
        let image: Reference = text.parse().map_err(|error| Reason::Uri(format!("{error}")))?;
        match image.digest() {
            Some(digest) if !digest.starts_with("sha256:") => Err(Reason::Uri(
                "the digest of an image must be one of sha256".to_owned(),
            )),
            _ => Ok(image),
        }
    }
}

/// A URI as logs and errors show it: without credentials, and without a query, which may be a signature.
pub(crate) fn shown(uri: &str) -> Arc<str> {
    let (front, query) = match uri.split_once(['?', '#']) {
        Some((front, _)) => (front, "?…"),
        None => (uri, ""),
    };
    let (scheme, rest) = match front.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), front),
    };
    let host = rest.split('/').next().unwrap_or_default();
    let rest = host.rfind('@').map_or(rest, |at| &rest[at + 1..]);
    format!("{scheme}{rest}{query}").into()
}

/// A URI of its parts.
pub(crate) fn address(scheme: Scheme, authority: &str, path: &str) -> Result<Uri, Reason> {
    Uri::builder()
        .scheme(scheme)
        .authority(authority)
        .path_and_query(path)
        .build()
        .map_err(|error| Reason::Uri(error.to_string()))
}

#[cfg(test)]
mod tests;
