//! Asking a registry.

use http::header::{AUTHORIZATION, HeaderMap, HeaderValue, LOCATION, WWW_AUTHENTICATE};
use http::uri::Scheme;
use http::{Response, StatusCode, Uri};
use oci_spec::distribution::Reference;

use super::auth::{self, Challenge};
use super::secrets::Credentials;
use crate::location::address;
use crate::{Fetch, FetchBody, Reason, exchange};

/// Redirects of one request.
const REDIRECTS: usize = 3;

/// One pull from one repository.
pub(super) struct Client<'a> {
    fetch: &'a dyn Fetch,
    cluster: &'a str,
    image: &'a Reference,
    credentials: Option<Credentials>,
    /// What the registry wants to see with every request.
    authorization: Option<HeaderValue>,
}

impl<'a> Client<'a> {
    pub(super) fn new(
        fetch: &'a dyn Fetch,
        cluster: &'a str,
        image: &'a Reference,
        credentials: Option<Credentials>,
    ) -> Self {
        Client {
            fetch,
            cluster,
            image,
            credentials,
            authorization: None,
        }
    }

    /// Gets something of the repository, after saying who asks if the registry wants to know.
    pub(super) async fn get(
        &mut self,
        path: &str,
        headers: HeaderMap,
    ) -> Result<Response<FetchBody>, Reason> {
        let path = format!("/v2/{}/{path}", self.image.repository());
        let uri = address(Scheme::HTTPS, self.image.resolve_registry(), &path)?;
        let response = self.follow(uri.clone(), headers.clone()).await?;
        // A token is for the whole pull: refused with one, another one would be refused as well.
        if response.status() != StatusCode::UNAUTHORIZED || self.authorization.is_some() {
            return Ok(response);
        }
        let challenge = Challenge::of(response.headers().get_all(WWW_AUTHENTICATE));
        drop(response);
        self.authorization = Some(self.authorize(challenge).await?);
        self.follow(uri, headers).await
    }

    /// Sends, and goes where it is sent on to: registries keep layers elsewhere. What comes is verified in any case.
    async fn follow(&self, mut uri: Uri, headers: HeaderMap) -> Result<Response<FetchBody>, Reason> {
        for _ in 0..=REDIRECTS {
            let home =
                uri.authority().map(|authority| authority.as_str()) == Some(self.image.resolve_registry());
            let mut headers = headers.clone();
            if let Some(authorization) = self.authorization.clone().filter(|_| home) {
                headers.insert(AUTHORIZATION, authorization);
            }
            let cluster = self.cluster_of(&uri)?;
            let response = exchange::get(self.fetch, &cluster, &uri, headers).await?;
            if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok(response);
            }
            let location = response.headers().get(LOCATION);
            let location = location.and_then(|value| value.to_str().ok()).unwrap_or_default();
            uri = elsewhere(&uri, location)?;
        }
        Err(Reason::Image(format!("more than {REDIRECTS} redirects")))
    }

    /// The registry is in the configured cluster, other hosts where the embedder says.
    fn cluster_of(&self, uri: &Uri) -> Result<String, Reason> {
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        if authority == self.image.resolve_registry() {
            return Ok(self.cluster.to_owned());
        }
        let cluster = self.fetch.cluster_of(uri);
        cluster.ok_or_else(|| {
            Reason::Image(format!(
                "the registry refers to {authority}, which no cluster is for"
            ))
        })
    }

    /// What to say to a registry that asks.
    async fn authorize(&self, challenge: Option<Challenge>) -> Result<HeaderValue, Reason> {
        match (challenge, &self.credentials) {
            (_, Some(Credentials::Bearer(token))) => auth::bearer(token),
            (Some(Challenge::Basic), Some(Credentials::Basic { user, password })) => {
                auth::basic(user, password)
            }
            (
                Some(Challenge::Bearer {
                    realm,
                    service,
                    scope,
                }),
                credentials,
            ) => {
                let scope = scope.unwrap_or_else(|| format!("repository:{}:pull", self.image.repository()));
                let uri = auth::token_uri(&realm, service.as_deref(), &scope)?;
                let mut headers = HeaderMap::new();
                if let Some(Credentials::Basic { user, password }) = credentials {
                    headers.insert(AUTHORIZATION, auth::basic(user, password)?);
                }
                let cluster = self.cluster_of(&uri)?;
                let response = exchange::get(self.fetch, &cluster, &uri, headers).await?;
                if response.status() != StatusCode::OK {
                    return Err(refused("a token", response).await);
                }
                auth::token(response).await
            }
            (Some(Challenge::Basic), None) => Err(Reason::Image(format!(
                "{} asks for credentials, and the pull secrets have none for it",
                self.image.registry()
            ))),
            (None, _) => Err(Reason::Status(StatusCode::UNAUTHORIZED.as_u16())),
        }
    }
}

/// Where an answer says that something is.
fn elsewhere(from: &Uri, location: &str) -> Result<Uri, Reason> {
    let wrong = || Reason::Image("a redirect to nowhere".to_owned());
    let uri: Uri = location.parse().map_err(|_| wrong())?;
    let uri = match (uri.authority(), from.authority()) {
        (None, Some(authority)) if location.starts_with('/') => {
            address(Scheme::HTTPS, authority.as_str(), location)?
        }
        _ => uri,
    };
    match uri.scheme_str() {
        Some("http" | "https") if uri.authority().is_some_and(|at| !at.as_str().contains('@')) => Ok(uri),
        _ => Err(wrong()),
    }
}

/// What a registry that does not answer 200 said.
pub(super) async fn refused(what: &str, response: Response<FetchBody>) -> Reason {
    let status = response.status();
    tracing::debug!("registry: {what}: {status}");
    Reason::Status(status.as_u16())
}
