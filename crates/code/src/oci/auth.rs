//! Saying who asks: the `Basic` scheme, and the tokens of the distribution specification.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{GetAll, HeaderValue};
use http::{Response, Uri};
use serde::Deserialize;

use crate::{FetchBody, Reason, exchange};

/// Bytes of the answer with a token.
const TOKEN: usize = 1 << 20;

/// What a registry asks for (`WWW-Authenticate`).
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    Basic,
    Bearer {
        realm: String,
        service: Option<String>,
        scope: Option<String>,
    },
}

impl Challenge {
    /// The first that can be met.
    pub(super) fn of(headers: GetAll<'_, HeaderValue>) -> Option<Challenge> {
        headers
            .iter()
            .filter_map(|header| header.to_str().ok())
            .find_map(Challenge::read)
    }

    fn read(text: &str) -> Option<Challenge> {
        let text = text.trim();
        let (scheme, rest) = text.split_once(' ').unwrap_or((text, ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Challenge::Basic);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let (mut realm, mut service, mut scope) = (None, None, None);
        let mut rest = rest;
        while let Some((name, value, after)) = parameter(rest) {
            match name.to_ascii_lowercase().as_str() {
                "realm" => realm = Some(value),
                "service" => service = Some(value),
                "scope" => scope = Some(value),
                _ => {}
            }
            rest = after;
        }
        Some(Challenge::Bearer {
            realm: realm?,
            service,
            scope,
        })
    }
}

/// `name=token` or `name="quoted"`, and what is after it.
fn parameter(text: &str) -> Option<(&str, String, &str)> {
    let text = text.trim_start_matches([' ', '\t', ',']);
    let (name, rest) = text.split_once('=')?;
    let Some(quoted) = rest.strip_prefix('"') else {
        let end = rest.find(',').unwrap_or(rest.len());
        return Some((name, rest[..end].trim().to_owned(), &rest[end..]));
    };
    let mut value = String::new();
    let mut letters = quoted.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((name, value, &quoted[at + 1..])),
            '\\' => value.push(letters.next()?.1),
            letter => value.push(letter),
        }
    }
    None
}

/// Where to get a token.
pub(super) fn token_uri(realm: &str, service: Option<&str>, scope: &str) -> Result<Uri, Reason> {
    let mut uri = realm.to_owned();
    let mut separator = if realm.contains('?') { '&' } else { '?' };
    for (name, value) in [("service", service), ("scope", Some(scope))] {
        if let Some(value) = value {
            uri.push(separator);
            uri.push_str(name);
            uri.push('=');
            escape(value, &mut uri);
            separator = '&';
        }
    }
    let wrong = || Reason::Image(format!("the registry's realm for tokens is no URI: {realm}"));
    let uri: Uri = uri.parse().map_err(|_| wrong())?;
    match uri.scheme_str() {
        Some("http" | "https") if uri.authority().is_some_and(|at| !at.as_str().contains('@')) => Ok(uri),
        _ => Err(wrong()),
    }
}

fn escape(text: &str, into: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => into.push(byte.into()),
            _ => into.push_str(&format!("%{byte:02X}")),
        }
    }
}

#[derive(Deserialize)]
struct Answer {
    token: Option<String>,
    access_token: Option<String>,
}

/// The token that came.
pub(super) async fn token(response: Response<FetchBody>) -> Result<HeaderValue, Reason> {
    let body = exchange::body(response, TOKEN).await?.unverified();
    // What is wrong with it is not told: it may be the token.
    let answer: Option<Answer> = serde_json::from_slice(&body).ok();
    let token = answer.and_then(|answer| answer.token.or(answer.access_token));
    let token =
        token.ok_or_else(|| Reason::Image("the answer to the request for a token has none".to_owned()))?;
    bearer(&token)
}

/// `Authorization` with a token.
pub(super) fn bearer(token: &str) -> Result<HeaderValue, Reason> {
    secret(format!("Bearer {token}"))
}

/// `Authorization` with a password.
pub(super) fn basic(user: &str, password: &str) -> Result<HeaderValue, Reason> {
    secret(format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
}

fn secret(text: String) -> Result<HeaderValue, Reason> {
    let value = HeaderValue::try_from(text);
    let mut value = value.map_err(|_| Reason::Image("a token can't be in a header".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests;
