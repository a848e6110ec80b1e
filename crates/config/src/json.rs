//! Reads JSON, refusing an object that has a key twice.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use crate::error::{Position, Problem};
use crate::node::{Node, Value, quote};

pub(crate) fn read(text: &str) -> Result<Node, Problem> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let node = Seed
        .deserialize(&mut reader)
        .and_then(|node| reader.end().map(|()| node));
    node.map_err(|error| {
        let position = Position {
            line: error.line(),
            column: error.column(),
        };
        let whole = error.to_string();
        // The position is written by ourselves, the same way for JSON and YAML.
        let message = whole.split(" at line ").next().unwrap_or(&whole);
        Problem::new("", format!("not valid JSON: {message}")).at((position.line > 0).then_some(position))
    })
}

/// serde_json bounds the depth to 128 by itself.
struct Seed;

impl<'de> DeserializeSeed<'de> for Seed {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Node, D::Error> {
        reader.deserialize_any(self).map(|value| Node::new(value, None))
    }
}

impl<'de> Visitor<'de> for Seed {
    type Value = Value;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Integer(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Integer(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut nodes = Vec::new();
        while let Some(node) = list.next_element_seed(Seed)? {
            nodes.push(node);
        }
        Ok(Value::List(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        let mut seen = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            if !seen.insert(key.clone()) {
                return Err(A::Error::custom(format!(
                    "the key {} is there twice",
                    quote(&key)
                )));
            }
            entries.push((key, map.next_value_seed(Seed)?));
        }
        Ok(Value::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_value() {
        let node =
            read(r#"{"a": [null, true, -1, 18446744073709551615, 0.5, "\ud83d\ude00"], "b": {}}"#).unwrap();
        let list = [
            Value::Null,
            Value::Bool(true),
            Value::Integer(-1),
            Value::Integer(18_446_744_073_709_551_615),
            Value::Float(0.5),
            Value::Text("\u{1f600}".to_owned()),
        ];
        let list = list.map(|value| Node::new(value, None)).to_vec();
        let entries = [("a", Value::List(list)), ("b", Value::Map(Vec::new()))];
        let entries = entries
            .map(|(key, value)| (key.to_owned(), Node::new(value, None)))
            .to_vec();
        assert_eq!(node.value, Value::Map(entries));
    }

    #[test]
    fn refusals() {
        for (text, message, line) in [
            (
                "{\"a\": 1,\n \"a\": 2}",
                "not valid JSON: the key `a` is there twice",
                2,
            ),
            ("{\"a\": 1\n", "not valid JSON: EOF while parsing an object", 2),
            ("{} {}", "not valid JSON: trailing characters", 1),
        ] {
            let problem = read(text).unwrap_err();
            assert_eq!(problem.message, message);
            assert_eq!(
                problem.position.map(|position| position.line),
                Some(line),
                "{text}"
            );
        }
        assert!(read(&"[".repeat(10_000)).is_err());
    }
}
