//! The plugin configuration.

use std::time::Duration;

use miniserde::Deserialize;

/// What to call.
#[derive(Debug)]
pub struct Config {
    /// The cluster.
    pub cluster: String,
    /// The service, with its package.
    pub service: String,
    /// The method of a call.
    pub unary: String,
    /// The method of a stream.
    pub stream: String,
    /// The message that is sent.
    pub message: Vec<u8>,
    /// How often a stream sends it.
    pub count: u32,
    /// How long a call may take; streams have no limit.
    pub timeout: Duration,
    /// Whether to answer the request with the messages that came.
    pub reply: bool,
}

#[derive(Deserialize)]
struct Json {
    cluster: Option<String>,
    service: Option<String>,
    unary: Option<String>,
    stream: Option<String>,
    message: Option<String>,
    count: Option<u32>,
    timeout_ms: Option<u32>,
    reply: Option<bool>,
}

impl Config {
    /// Reads JSON such as `{"cluster": "grpc", "service": "test.Echo", "message": "0a0161"}`; the message is written in
    /// hexadecimal digits. What is left out has its default, for which see the README of the guests.
    ///
    /// # Errors
    ///
    /// The text is not JSON of this shape, or the message is not hexadecimal.
    pub fn parse(text: &[u8]) -> Result<Self, &'static str> {
        let text = std::str::from_utf8(text).map_err(|_| "not UTF-8")?.trim();
        let text = if text.is_empty() { "{}" } else { text };
        let json: Json = miniserde::json::from_str(text).map_err(|_| "not JSON as it is expected")?;
        let or = |text: Option<String>, default: &str| text.unwrap_or_else(|| default.to_owned());
        // Field 1, the string "hello".
        let message = or(json.message, "0a0568656c6c6f");
        Ok(Self {
            cluster: or(json.cluster, "grpc"),
            service: or(json.service, "test.Echo"),
            unary: or(json.unary, "Unary"),
            stream: or(json.stream, "Stream"),
            message: unhex(&message).ok_or("the message is not hexadecimal")?,
            count: json.count.unwrap_or(2),
            timeout: Duration::from_millis(json.timeout_ms.unwrap_or(1000).into()),
            reply: json.reply.unwrap_or(false),
        })
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect();
    let digits = digits?;
    let pairs = digits.chunks_exact(2);
    pairs
        .remainder()
        .is_empty()
        .then(|| pairs.map(|pair| pair[0] << 4 | pair[1]).collect())
}
