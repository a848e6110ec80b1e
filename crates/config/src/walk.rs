//! From a [`Node`] to a message, by the proto3 JSON rules, noting every problem with the path of its field.
//!
//! `prost-reflect` can read JSON itself, but stops at the first problem and does not say where it is.

use std::collections::HashMap;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use prost::bytes::Bytes;
use prost_reflect::{
    DynamicMessage, EnumDescriptor, FieldDescriptor, Kind, MapKey, MessageDescriptor, Value as Field,
};

use crate::error::{Position, Problem};
use crate::node::{Node, Value};
use crate::{path, suggest};

/// What the walk has found besides the message.
#[derive(Default)]
pub(crate) struct Walk {
    pub(crate) problems: Vec<Problem>,
    /// Where each field is, by its path.
    pub(crate) positions: HashMap<String, Position>,
}

impl Walk {
    /// The message that `node` says; with the parts left out that there is a problem with.
    pub(crate) fn message(
        &mut self,
        node: &Node,
        kind: &MessageDescriptor,
        path: &str,
    ) -> Option<DynamicMessage> {
        if let Some(position) = node.position {
            self.positions.insert(path.to_owned(), position);
        }
        if kind.parent_file().package_name() == "google.protobuf" && kind.name() != "Empty" {
            return self.well_known(node, kind, path);
        }
        let Value::Map(entries) = &node.value else {
            self.wrong(node, path, &format!("an object ({})", kind.name()));
            return None;
        };
        Some(self.fields(entries.iter(), kind, path))
    }

    /// The fields of a message.
    pub(crate) fn fields<'n>(
        &mut self,
        entries: impl Iterator<Item = &'n (String, Node)>,
        kind: &MessageDescriptor,
        parent: &str,
    ) -> DynamicMessage {
        let mut message = DynamicMessage::new(kind.clone());
        let mut seen: HashMap<u32, &str> = HashMap::new();
        for (name, node) in entries {
            let field = kind
                .get_field_by_name(name)
                .or_else(|| kind.get_field_by_json_name(name));
            let Some(field) = field else {
                self.unknown_field(name, node, kind, parent);
                continue;
            };
            let path = path::field(parent, field.name());
            if let Some(position) = node.position {
                self.positions.insert(path.clone(), position);
            }
            if let Some(first) = seen.insert(field.number(), name) {
                self.problem(node, &path, format!("given twice, as `{first}` and as `{name}`"));
                continue;
            }
            if node.value == Value::Null && !takes_null(&field) {
                continue;
            }
            if let Some(oneof) = field.containing_oneof() {
                let other = oneof
                    .fields()
                    .find(|other| other.number() != field.number() && message.has_field(other));
                if let Some(other) = other {
                    self.problem(
                        node,
                        &path,
                        format!("cannot be given together with `{}`", other.name()),
                    );
                    continue;
                }
            }
            if let Some(value) = self.field(node, &field, &path) {
                message.set_field(&field, value);
            }
        }
        message
    }

    fn field(&mut self, node: &Node, field: &FieldDescriptor, path: &str) -> Option<Field> {
        if field.is_map() {
            let Value::Map(entries) = &node.value else {
                self.wrong(node, path, "an object (a map)");
                return None;
            };
            let Kind::Message(entry) = field.kind() else {
                return None;
            };
            let mut map = HashMap::new();
            for (key, node) in entries {
                let path = path::key(path, key);
                if let Some(position) = node.position {
                    self.positions.insert(path.clone(), position);
                }
                let value = self.single(node, &entry.map_entry_value_field(), field, &path);
                let key = self.map_key(key, node, &entry.map_entry_key_field(), &path);
                if let (Some(key), Some(value)) = (key, value) {
                    map.insert(key, value);
                }
            }
            return Some(Field::Map(map));
        }
        if field.is_list() {
            let Value::List(nodes) = &node.value else {
                self.wrong(node, path, "a list");
                return None;
            };
            let values = nodes.iter().enumerate();
            let values =
                values.filter_map(|(at, node)| self.single(node, field, field, &path::index(path, at)));
            return Some(Field::List(values.collect()));
        }
        self.single(node, field, field, path)
    }

    /// One value; `declared` is the field it is in, which for a map is not the field that has the value's type.
    fn single(
        &mut self,
        node: &Node,
        field: &FieldDescriptor,
        declared: &FieldDescriptor,
        path: &str,
    ) -> Option<Field> {
        let value = match field.kind() {
            Kind::Message(kind) if kind.full_name() == "google.protobuf.Any" => {
                return self.any(node, declared.full_name(), path).map(Field::Message);
            }
            Kind::Message(kind) => return self.message(node, &kind, path).map(Field::Message),
            Kind::Enum(kind) => return self.enumeration(node, &kind, path),
            kind => scalar(node, &kind),
        };
        match value {
            Ok(value) => Some(value),
            Err(expected) => {
                self.wrong(node, path, &expected);
                None
            }
        }
    }

    fn enumeration(&mut self, node: &Node, kind: &EnumDescriptor, path: &str) -> Option<Field> {
        let number = match &node.value {
            // Envoy takes names in any case.
            Value::Text(text) => {
                let named = kind
                    .values()
                    .find(|value| value.name().eq_ignore_ascii_case(text));
                named.map(|value| value.number()).or_else(|| text.parse().ok())
            }
            Value::Integer(number) => i32::try_from(*number).ok(),
            _ => None,
        };
        let known = number.and_then(|number| kind.get_value(number));
        if known.is_none() {
            let names: Vec<String> = kind.values().map(|value| value.name().to_owned()).collect();
            self.wrong(node, path, &format!("one of {}", names.join(", ")));
        }
        known.map(|value| Field::EnumNumber(value.number()))
    }

    fn map_key(&mut self, key: &str, node: &Node, field: &FieldDescriptor, path: &str) -> Option<MapKey> {
        // Every map we have is keyed by text; proto3 would allow integers and booleans as well.
        if field.kind() == Kind::String {
            return Some(MapKey::String(key.to_owned()));
        }
        self.problem(node, path, "this kind of key is not supported".to_owned());
        None
    }

    fn unknown_field(&mut self, name: &str, node: &Node, kind: &MessageDescriptor, parent: &str) {
        let fields: Vec<FieldDescriptor> = kind.fields().collect();
        let mut names: Vec<&str> = fields.iter().map(FieldDescriptor::name).collect();
        names.sort_unstable();
        let hint = match suggest::nearest(name, names.iter().copied()) {
            Some(near) => format!("; did you mean `{near}`?"),
            None if names.is_empty() => format!("; {} has no fields", kind.name()),
            None => format!(
                "; the fields of {} known here are {}",
                kind.name(),
                names.join(", ")
            ),
        };
        self.problem(node, &path::key(parent, name), format!("unknown field{hint}"));
    }

    pub(crate) fn wrong(&mut self, node: &Node, path: &str, expected: &str) {
        let found = node.describe();
        let quotable = matches!(node.value, Value::Bool(_) | Value::Integer(_) | Value::Float(_));
        let hint = if expected == "text" && quotable {
            "; put it in quotes"
        } else {
            ""
        };
        self.problem(node, path, format!("expected {expected}, found {found}{hint}"));
    }

    pub(crate) fn problem(&mut self, node: &Node, path: &str, message: String) {
        self.problems.push(Problem::new(path, message).at(node.position));
    }
}

fn takes_null(field: &FieldDescriptor) -> bool {
    match field.kind() {
        Kind::Message(kind) => !field.is_list() && kind.full_name() == "google.protobuf.Value",
        Kind::Enum(kind) => kind.full_name() == "google.protobuf.NullValue",
        _ => false,
    }
}

/// A value that is no message and no enum; the error says what was expected.
pub(crate) fn scalar(node: &Node, kind: &Kind) -> Result<Field, String> {
    match kind {
        Kind::String => match &node.value {
            Value::Text(text) => Ok(Field::String(text.clone())),
            _ => Err("text".to_owned()),
        },
        Kind::Bytes => match &node.value {
            Value::Text(text) => bytes(text).map(Field::Bytes).ok_or_else(|| "base64".to_owned()),
            _ => Err("base64 text".to_owned()),
        },
        Kind::Bool => match &node.value {
            Value::Bool(value) => Ok(Field::Bool(*value)),
            // Envoy takes it in quotes too.
            Value::Text(text) if text == "true" => Ok(Field::Bool(true)),
            Value::Text(text) if text == "false" => Ok(Field::Bool(false)),
            _ => Err("true or false".to_owned()),
        },
        Kind::Double => float(node).map(Field::F64),
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the nearest is what is wanted, and out of range is infinite"
        )]
        Kind::Float => float(node).map(|value| Field::F32(value as f32)),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => integer(node, i32::MIN, i32::MAX).map(Field::I32),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => integer(node, i64::MIN, i64::MAX).map(Field::I64),
        Kind::Uint32 | Kind::Fixed32 => integer(node, u32::MIN, u32::MAX).map(Field::U32),
        Kind::Uint64 | Kind::Fixed64 => integer(node, u64::MIN, u64::MAX).map(Field::U64),
        Kind::Message(_) | Kind::Enum(_) => Err("nothing".to_owned()),
    }
}

fn integer<T>(node: &Node, least: T, most: T) -> Result<T, String>
where
    T: TryFrom<i128> + std::fmt::Display,
{
    let value = match &node.value {
        Value::Integer(value) => Some(*value),
        Value::Float(value) => whole(*value),
        Value::Text(text) => text.parse().ok().or_else(|| text.parse().ok().and_then(whole)),
        _ => None,
    };
    let value = value.and_then(|value| T::try_from(value).ok());
    value.ok_or_else(|| format!("a whole number from {least} to {most}"))
}

/// The integer a float is, if it is one: proto3 JSON takes `1.0` and `1e3` for an integer.
fn whole(value: f64) -> Option<i128> {
    #[expect(clippy::cast_possible_truncation, reason = "checked to be whole and in range")]
    (value.fract() == 0.0 && value.abs() < 2f64.powi(64)).then_some(value as i128)
}

fn float(node: &Node) -> Result<f64, String> {
    match &node.value {
        #[expect(clippy::cast_precision_loss, reason = "the nearest is what is wanted")]
        Value::Integer(value) => Ok(*value as f64),
        Value::Float(value) => Ok(*value),
        Value::Text(text) => match text.as_str() {
            "NaN" => Ok(f64::NAN),
            "Infinity" => Ok(f64::INFINITY),
            "-Infinity" => Ok(f64::NEG_INFINITY),
            text => text
                .parse()
                .ok()
                .filter(|value: &f64| value.is_finite())
                .ok_or_else(|| "a number".to_owned()),
        },
        _ => Err("a number".to_owned()),
    }
}

/// Base64 in either alphabet, with or without padding, as proto3 JSON allows.
fn bytes(text: &str) -> Option<Bytes> {
    const LENIENT: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
    const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);
    STANDARD
        .decode(text)
        .or_else(|_| URL_SAFE.decode(text))
        .ok()
        .map(Bytes::from)
}
