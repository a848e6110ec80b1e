//! The bytes a plugin reads as its configuration.

use std::collections::BTreeMap;

use prost::Message as _;
use prost_types::value::Kind;
use prost_types::{Any, Struct, Value};

use crate::descriptors::type_name;

/// What the plugin gets for `any`: a `Struct` as compact JSON, a `StringValue` or `BytesValue` without its wrapper,
/// anything else as it is.
pub(crate) fn of(any: &Any) -> Result<Vec<u8>, String> {
    let failed = |error: prost::DecodeError| format!("not a valid {}: {error}", type_name(&any.type_url));
    let value = any.value.as_slice();
    Ok(match type_name(&any.type_url) {
        "google.protobuf.Struct" => json(&Struct::decode(value).map_err(failed)?).into_bytes(),
        "google.protobuf.StringValue" => String::decode(value).map_err(failed)?.into_bytes(),
        "google.protobuf.BytesValue" => Vec::<u8>::decode(value).map_err(failed)?,
        _ => value.to_vec(),
    })
}

/// A `Struct` as compact JSON, its keys sorted.
pub(crate) fn json(fields: &Struct) -> String {
    object(fields).to_string()
}

/// Several `Struct`s by name, as one.
pub(crate) fn json_of_all(structs: &BTreeMap<String, Struct>) -> String {
    let all: serde_json::Value = structs
        .iter()
        .map(|(name, fields)| (name.clone(), object(fields)))
        .collect();
    all.to_string()
}

fn object(fields: &Struct) -> serde_json::Value {
    fields
        .fields
        .iter()
        .map(|(key, node)| (key.clone(), value(node)))
        .collect()
}

fn value(node: &Value) -> serde_json::Value {
    match &node.kind {
        None | Some(Kind::NullValue(_)) => serde_json::Value::Null,
        Some(Kind::BoolValue(value)) => (*value).into(),
        Some(Kind::NumberValue(value)) => number(*value),
        Some(Kind::StringValue(text)) => text.as_str().into(),
        Some(Kind::StructValue(fields)) => object(fields),
        Some(Kind::ListValue(list)) => list.values.iter().map(value).collect(),
    }
}

/// A `Struct` knows no integers, but a plugin that reads `5` must not find `5.0`.
fn number(value: f64) -> serde_json::Value {
    const LARGEST_EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() <= LARGEST_EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "checked to be whole and in range")]
        return (value as i64).into();
    }
    value.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_they_were_meant() {
        for (value, text) in [
            (5.0, "5"),
            (-3.0, "-3"),
            (0.5, "0.5"),
            (3e9, "3000000000"),
            (1e300, "1e+300"),
            (f64::NAN, "null"),
        ] {
            assert_eq!(number(value).to_string(), text);
        }
    }
}
