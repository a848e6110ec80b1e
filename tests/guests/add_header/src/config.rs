//! The plugin configuration.

use std::collections::BTreeMap;

use miniserde::Deserialize;

/// Headers by name, sorted so that the order in which they are added does not depend on the text.
pub type Headers = BTreeMap<String, String>;

/// The headers to add.
#[derive(Debug)]
pub struct Config {
    /// Added to the request.
    pub request: Headers,
    /// Added to the response.
    pub response: Headers,
}

/// The JSON text. Fields with other names are passed over.
#[derive(Deserialize)]
struct Json {
    request: Option<Headers>,
    response: Option<Headers>,
}

impl Config {
    /// Reads JSON such as `{"request": {"x-plugin": "a"}, "response": {"x-hello": "b"}}`. Nothing at all means the
    /// default; a side that is left out gets no header.
    ///
    /// # Errors
    ///
    /// The text is not JSON of this shape.
    pub fn parse(text: &[u8]) -> Result<Self, &'static str> {
        if text.trim_ascii().is_empty() {
            return Ok(Self::default());
        }
        let text = std::str::from_utf8(text).map_err(|_| "not UTF-8")?;
        let json: Json = miniserde::json::from_str(text)
            .map_err(|_| r#"not JSON like {"request": {NAME: VALUE}, "response": {NAME: VALUE}}"#)?;
        Ok(Self {
            request: json.request.unwrap_or_default(),
            response: json.response.unwrap_or_default(),
        })
    }
}

impl Default for Config {
    /// `x-enginebay: hello` both ways.
    fn default() -> Self {
        let hello = || Headers::from([("x-enginebay".to_owned(), "hello".to_owned())]);
        Self {
            request: hello(),
            response: hello(),
        }
    }
}
