//! The messages of `google.protobuf` that have a JSON form of their own.

use std::collections::HashMap;

use prost::Message as _;
use prost::bytes::Bytes;
use prost_reflect::{DynamicMessage, Kind, MapKey, MessageDescriptor, ReflectMessage as _, Value as Field};
use prost_types::{ListValue, Struct};

use crate::descriptors;
use crate::node::{Node, Value, quote};
use crate::path;
use crate::walk::{Walk, scalar};

/// How deep the values of a `Struct` may be nested. A reader of the wire format counts three messages for each and stops
/// at 100.
const MAX_STRUCT_DEPTH: usize = 30;

const TYPE_PREFIX: &str = "type.googleapis.com/";

impl Walk {
    pub(crate) fn well_known(
        &mut self,
        node: &Node,
        kind: &MessageDescriptor,
        path: &str,
    ) -> Option<DynamicMessage> {
        match kind.name() {
            "Any" => self.any(node, "", path),
            "Duration" => self.duration(node, kind, path),
            "Struct" | "Value" | "ListValue" => self.dynamic(node, kind, path, 0),
            "BoolValue" | "BytesValue" | "DoubleValue" | "FloatValue" | "Int32Value" | "Int64Value"
            | "StringValue" | "UInt32Value" | "UInt64Value" => {
                let field = kind.get_field_by_name("value")?;
                match scalar(node, &field.kind()) {
                    Ok(value) => Some(with(kind, "value", value)),
                    Err(expected) => {
                        self.wrong(node, path, &expected);
                        None
                    }
                }
            }
            name => {
                self.problem(node, path, format!("google.protobuf.{name} is not supported"));
                None
            }
        }
    }

    /// An `Any` in the field with the full name `field`, which decides what it may hold.
    pub(crate) fn any(&mut self, node: &Node, field: &str, path: &str) -> Option<DynamicMessage> {
        let Value::Map(entries) = &node.value else {
            self.wrong(node, path, "an object with `@type`");
            return None;
        };
        if let Some(position) = node.position {
            self.positions.insert(path.to_owned(), position);
        }
        let any = descriptors::message("google.protobuf.Any")?;
        let type_path = path::field(path, "@type");
        let Some((_, type_node)) = entries.iter().find(|(name, _)| name == "@type") else {
            if entries.is_empty() && descriptors::allowed(field).is_none() {
                return Some(DynamicMessage::new(any));
            }
            self.problem(
                node,
                &type_path,
                format!("required; for instance {TYPE_PREFIX}{}", example(field)),
            );
            return None;
        };
        let Value::Text(type_url) = &type_node.value else {
            self.wrong(type_node, &type_path, "text");
            return None;
        };
        let name = descriptors::type_name(type_url);
        if let Some(allowed) = descriptors::allowed(field).filter(|allowed| !allowed.contains(&name)) {
            self.problem(type_node, &type_path, descriptors::not_allowed(type_url, allowed));
            return None;
        }
        let Some(kind) = descriptors::message(name) else {
            let message = if name.is_empty() {
                format!(
                    "{} is not a type URL; for instance {TYPE_PREFIX}{}",
                    quote(type_url),
                    example(field)
                )
            } else {
                format!(
                    "the type {} is not known here, so its fields cannot be read; \
                     use google.protobuf.Struct, StringValue or BytesValue",
                    quote(type_url)
                )
            };
            self.problem(type_node, &type_path, message);
            return None;
        };
        let own_form = kind.parent_file().package_name() == "google.protobuf" && kind.name() != "Empty";
        let inner = if own_form {
            for (name, node) in entries
                .iter()
                .filter(|(name, _)| name != "@type" && name != "value")
            {
                self.problem(
                    node,
                    &path::key(path, name),
                    format!("unknown field; put what the {} holds into `value`", kind.name()),
                );
            }
            let Some((_, value)) = entries.iter().find(|(name, _)| name == "value") else {
                self.problem(
                    node,
                    &path::field(path, "value"),
                    format!("required beside `@type` {}", quote(type_url)),
                );
                return None;
            };
            self.message(value, &kind, &path::field(path, "value"))?
        } else {
            let fields = entries.iter().filter(|(name, _)| name != "@type");
            self.fields(fields, &kind, path)
        };
        let mut message = with(&any, "type_url", Field::String(type_url.clone()));
        message.set_field_by_name("value", Field::Bytes(Bytes::from(encode(&inner))));
        Some(message)
    }

    fn duration(&mut self, node: &Node, kind: &MessageDescriptor, path: &str) -> Option<DynamicMessage> {
        let parsed = match &node.value {
            Value::Text(text) => parse_duration(text),
            _ => None,
        };
        let Some((seconds, nanos)) = parsed else {
            self.wrong(node, path, "a duration in seconds, such as 5s or 0.25s");
            return None;
        };
        let mut message = with(kind, "seconds", Field::I64(seconds));
        message.set_field_by_name("nanos", Field::I32(nanos));
        Some(message)
    }

    fn dynamic(
        &mut self,
        node: &Node,
        kind: &MessageDescriptor,
        path: &str,
        depth: usize,
    ) -> Option<DynamicMessage> {
        if depth > MAX_STRUCT_DEPTH {
            self.problem(node, path, format!("nested more than {MAX_STRUCT_DEPTH} deep"));
            return None;
        }
        match (kind.name(), &node.value) {
            ("Struct", Value::Map(entries)) => {
                let value = descriptors::message("google.protobuf.Value")?;
                let mut fields = HashMap::new();
                for (key, node) in entries {
                    let inner = self.dynamic(node, &value, &path::key(path, key), depth + 1)?;
                    fields.insert(MapKey::String(key.clone()), Field::Message(inner));
                }
                Some(with(kind, "fields", Field::Map(fields)))
            }
            ("Struct", _) => {
                self.wrong(node, path, "an object");
                None
            }
            ("ListValue", Value::List(nodes)) => {
                let value = descriptors::message("google.protobuf.Value")?;
                let mut values = Vec::new();
                for (at, node) in nodes.iter().enumerate() {
                    values.push(Field::Message(self.dynamic(
                        node,
                        &value,
                        &path::index(path, at),
                        depth + 1,
                    )?));
                }
                Some(with(kind, "values", Field::List(values)))
            }
            ("ListValue", _) => {
                self.wrong(node, path, "a list");
                None
            }
            (_, value) => self.dynamic_value(node, value, kind, path, depth),
        }
    }

    fn dynamic_value(
        &mut self,
        node: &Node,
        value: &Value,
        kind: &MessageDescriptor,
        path: &str,
        depth: usize,
    ) -> Option<DynamicMessage> {
        let (name, value) = match value {
            Value::Null => ("null_value", Field::EnumNumber(0)),
            Value::Bool(value) => ("bool_value", Field::Bool(*value)),
            Value::Integer(_) | Value::Float(_) => (
                "number_value",
                scalar(node, &Kind::Double).ok().filter(is_finite)?,
            ),
            Value::Text(text) => ("string_value", Field::String(text.clone())),
            Value::List(_) => {
                let list = descriptors::message("google.protobuf.ListValue")?;
                (
                    "list_value",
                    Field::Message(self.dynamic(node, &list, path, depth)?),
                )
            }
            Value::Map(_) => {
                let map = descriptors::message("google.protobuf.Struct")?;
                (
                    "struct_value",
                    Field::Message(self.dynamic(node, &map, path, depth)?),
                )
            }
        };
        Some(with(kind, name, value))
    }
}

/// The bytes of a message: the same every time for those that plugins are likely to have, whose maps a
/// [`DynamicMessage`] keeps in no order.
fn encode(message: &DynamicMessage) -> Vec<u8> {
    let sorted = match message.descriptor().full_name() {
        "google.protobuf.Struct" => message
            .transcode_to::<Struct>()
            .map(|sorted| sorted.encode_to_vec()),
        "google.protobuf.Value" => message
            .transcode_to::<prost_types::Value>()
            .map(|sorted| sorted.encode_to_vec()),
        "google.protobuf.ListValue" => message
            .transcode_to::<ListValue>()
            .map(|sorted| sorted.encode_to_vec()),
        _ => return message.encode_to_vec(),
    };
    sorted.unwrap_or_else(|_| message.encode_to_vec())
}

fn is_finite(value: &Field) -> bool {
    value.as_f64().is_some_and(f64::is_finite)
}

fn with(kind: &MessageDescriptor, field: &str, value: Field) -> DynamicMessage {
    let mut message = DynamicMessage::new(kind.clone());
    message.set_field_by_name(field, value);
    message
}

fn example(field: &str) -> &'static str {
    descriptors::allowed(field)
        .and_then(|allowed| allowed.first())
        .copied()
        .unwrap_or("google.protobuf.StringValue")
}

/// Seconds and nanoseconds of `1.5s`, within the range a `Duration` has.
fn parse_duration(text: &str) -> Option<(i64, i32)> {
    const MOST: i64 = 315_576_000_000;
    let number = text.strip_suffix('s')?;
    let (negative, number) = number
        .strip_prefix('-')
        .map_or((false, number), |number| (true, number));
    let (seconds, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(seconds) || !digits(fraction) || fraction.len() > 9 {
        return None;
    }
    let seconds: i64 = seconds.parse().ok().filter(|seconds| *seconds <= MOST)?;
    let nanos: i32 = format!("{fraction:0<9}").parse().ok()?;
    Some(if negative {
        (-seconds, -nanos)
    } else {
        (seconds, nanos)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, expected) in [
            ("5s", Some((5, 0))),
            ("0.25s", Some((0, 250_000_000))),
            ("-1.000000001s", Some((-1, -1))),
            ("315576000000s", Some((315_576_000_000, 0))),
            ("315576000001s", None),
            ("5", None),
            ("5ms", None),
            ("s", None),
            (".5s", None),
            ("1.s", None),
            ("+1s", None),
            ("1.0000000001s", None),
            ("99999999999999999999s", None),
        ] {
            assert_eq!(parse_duration(text), expected, "{text}");
        }
    }
}
