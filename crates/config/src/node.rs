//! A configuration text, read but not understood yet: the values JSON has, with their places.

use crate::error::Position;

/// How deep values may be nested. Envoy's own messages need about 25.
pub(crate) const MAX_DEPTH: usize = 100;

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) position: Option<Position>,
    pub(crate) value: Value,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Integer(i128),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    /// In the order of the text. No key occurs twice.
    Map(Vec<(String, Node)>),
}

impl Node {
    pub(crate) fn new(value: Value, position: Option<Position>) -> Self {
        Self { position, value }
    }

    /// For messages: "expected a list, found …".
    pub(crate) fn describe(&self) -> String {
        match &self.value {
            Value::Null => "nothing (null)".to_owned(),
            Value::Bool(value) => format!("the boolean {value}"),
            Value::Integer(value) => format!("the number {value}"),
            Value::Float(value) => format!("the number {value}"),
            Value::Text(text) => format!("the text {}", quote(text)),
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "an object".to_owned(),
        }
    }
}

/// Text from a configuration, short enough and harmless enough for a message of one line.
pub(crate) fn quote(text: &str) -> String {
    const LONGEST: usize = 160;
    let mut quoted = String::from("`");
    for (count, character) in text.chars().enumerate() {
        if count == LONGEST {
            quoted.push('…');
            break;
        }
        if character.is_control() {
            quoted.extend(character.escape_default());
        } else {
            quoted.push(character);
        }
    }
    quoted.push('`');
    quoted
}
