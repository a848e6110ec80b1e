//! One request and its answer.

use std::future::poll_fn;

use http::header::{CONTENT_LENGTH, HeaderMap};
use http::{Request, Response, Uri};

use crate::verified::{Collector, Hashed};
use crate::{Fetch, FetchBody, Reason};

/// Sends a request, and waits for the head of the answer.
pub(crate) async fn get(
    fetch: &dyn Fetch,
    cluster: &str,
    uri: &Uri,
    headers: HeaderMap,
) -> Result<Response<FetchBody>, Reason> {
    let mut request = Request::new(());
    *request.uri_mut() = uri.clone();
    *request.headers_mut() = headers;
    let Some(answer) = fetch.get(cluster, request) else {
        return Err(Reason::NoCluster(cluster.to_owned()));
    };
    answer.await.map_err(|error| Reason::network(&*error))
}

/// Reads a body to its end, hashing as it comes.
pub(crate) async fn body(response: Response<FetchBody>, limit: usize) -> Result<Hashed, Reason> {
    let announced = response.headers().get(CONTENT_LENGTH);
    let announced = announced
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse().ok());
    let mut collected = Collector::new(announced, limit)?;
    let mut body = response.into_body();
    while let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        let frame = frame.map_err(|error| Reason::network(&*error))?;
        if let Some(data) = frame.data_ref() {
            collected.push(data)?;
        }
    }
    Ok(collected.finish())
}

/// Code over HTTP: a body of an answer that is 200.
pub(crate) async fn code(
    fetch: &dyn Fetch,
    cluster: &str,
    uri: &Uri,
    limit: usize,
) -> Result<Hashed, Reason> {
    let response = get(fetch, cluster, uri, HeaderMap::new()).await?;
    if response.status() != http::StatusCode::OK {
        return Err(Reason::Status(response.status().as_u16()));
    }
    let hashed = body(response, limit).await?;
    match hashed.len() {
        0 => Err(Reason::Empty),
        _ => Ok(hashed),
    }
}
