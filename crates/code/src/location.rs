//! Reading `http_uri.uri`.

use std::sync::Arc;

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
    /// Reads a URI. One without a scheme is one for HTTP, as on Envoy.
    pub(crate) fn parse(text: &str) -> Result<Location, Reason> {
        if let Some(image) = text.strip_prefix("oci://") {
            return Self::image(image).map(Location::Image);
        }
        let uri = match text.contains("://") {
            true => text.parse::<Uri>(),
            false => format!("http://{text}").parse(),
        };
        let uri = uri.map_err(|error| Reason::Uri(error.to_string()))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(Reason::Uri("its scheme is not http, https or oci".to_owned()));
        }
        if uri
            .authority()
            .is_none_or(|authority| authority.as_str().contains('@'))
        {
            return Err(Reason::Uri(
                "it has no host, or credentials in front of it".to_owned(),
            ));
        }
        Ok(Location::Http(uri))
    }

    fn image(text: &str) -> Result<Reference, Reason> {
        // Without a registry docker's would be meant, which in a configuration for servers is more likely a slip.
        let registry = text.split_once('/').map_or("", |(registry, _)| registry);
        if !(registry.contains(['.', ':']) || registry == "localhost") {
            return Err(Reason::Uri(
                "an image is oci://registry/repository:tag or oci://registry/repository@sha256:digest"
                    .to_owned(),
            ));
        }
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

/// The address of another document of the same server.
pub(crate) fn sibling(authority: &str, path: &str) -> Result<Uri, Reason> {
    Uri::builder()
        .scheme(Scheme::HTTPS)
        .authority(authority)
        .path_and_query(path)
        .build()
        .map_err(|error| Reason::Uri(error.to_string()))
}

#[cfg(test)]
mod tests;
