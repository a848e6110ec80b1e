//! `--property`: what the plugin finds besides what follows from the messages.

use std::collections::HashMap;
use std::rc::Rc;

use enginebay::abi::values::Value;
use enginebay::abi::{AttributeType, PropertyPath, attribute_type, property as codec};

use super::values::{self, Text};
use crate::error::Error;

/// A property on the command line.
#[derive(Clone, Debug)]
pub(crate) struct GivenProperty {
    path: Vec<u8>,
    value: Text,
}

/// Reads `request.id=1`, or `/metadata/a.b=1` where a part of the path has a dot.
pub(super) fn property(text: &str) -> Result<GivenProperty, String> {
    let (path, value) = text
        .split_once('=')
        .filter(|(path, _)| !path.is_empty())
        .ok_or("a property is written as PATH=VALUE")?;
    let path = match path.strip_prefix('/') {
        Some(path) => codec::encode(path.split('/')),
        None => codec::encode(path.split('.')),
    };
    Ok(GivenProperty {
        path,
        value: values::text(value)?,
    })
}

/// The values of `--property`, as plugins read them.
#[derive(Clone, Debug, Default)]
pub(super) struct GivenProperties(Rc<HashMap<Vec<u8>, Vec<u8>>>);

impl GivenProperties {
    pub(super) fn new(given: &[GivenProperty]) -> Result<Self, Error> {
        let mut all = HashMap::new();
        for GivenProperty { path, value } in given {
            let path = PropertyPath::parse(path).map_err(|error| Error::about("--property", error))?;
            let value = match value {
                Text::File(_) => value.read("--property")?.to_vec(),
                Text::Here(text) => encode(attribute_type(path), text)
                    .map_err(|error| Error::about(format_args!("--property {path}"), error))?,
            };
            let key = path.without_xds().as_bytes().to_vec();
            if all.insert(key, value).is_some() {
                return Err(Error::about(format_args!("--property {path}"), "given twice"));
            }
        }
        Ok(GivenProperties(Rc::new(all)))
    }

    /// Writes a property to `out`, or says that none of this path was given.
    pub(super) fn get(&self, path: PropertyPath<'_>, out: &mut Vec<u8>) -> bool {
        let value = self.0.get(path.without_xds().as_bytes());
        value.map(|value| out.extend_from_slice(value)).is_some()
    }
}

/// A value of this type. What is no attribute, and what is inside a message, is text.
fn encode(kind: Option<AttributeType>, text: &str) -> Result<Vec<u8>, &'static str> {
    use AttributeType as T;
    let value = match kind {
        Some(T::Int | T::Timestamp) => Value::Int(text.parse().map_err(|_| "the value is a whole number")?),
        Some(T::Uint) => Value::Uint(
            text.parse()
                .map_err(|_| "the value is a whole number, not negative")?,
        ),
        Some(T::Bool) => Value::Bool(text.parse().map_err(|_| "the value is true or false")?),
        Some(T::Duration) => match text.parse() {
            Ok(nanoseconds) => Value::Int(nanoseconds),
            Err(_) => values::duration(text)
                .map_err(|_| "the value is a number of nanoseconds, or a time such as 15ms")?
                .into(),
        },
        Some(T::Object) => return Err("it has no value of its own, only those below it"),
        Some(T::StringMap) => return Err("give its entries, for instance request.headers.x-user=a"),
        Some(T::String | T::Bytes | T::BytesMap | T::Message) | None => text.into(),
    };
    Ok(value.encode().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_not_be_given() {
        for wrong in ["", "a", "=b", "a=@"] {
            assert!(property(wrong).is_err(), "{wrong}");
        }
        for wrong in [
            "upstream.port=x",
            "connection.id=-1",
            "connection.mtls=1",
            "request.headers=a",
            "request=a",
        ] {
            let given = property(wrong).unwrap();
            assert!(GivenProperties::new(&[given]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_given_twice_is_refused() {
        let given = |all: &[&str]| {
            let all: Vec<_> = all.iter().map(|text| property(text).unwrap()).collect();
            GivenProperties::new(&all).map(drop)
        };
        assert!(given(&["a.b=1", "a.c=1", "/a/b.c=1"]).is_ok());
        let error = given(&["a.b=1", "/a/b=2"]).unwrap_err().to_string();
        assert_eq!(error, "--property a.b: given twice");
        assert!(given(&["route_name=1", "xds.route_name=2"]).is_err());
    }
}
