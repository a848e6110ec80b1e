//! Values with values in them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use enginebay::abi::values::Value as Scalar;
use enginebay::abi::{PropertyPath, pairs};
use enginebay::config::model::{Locality, Metadata, Node};
use serde_json::Value;

/// A value that plugins can ask for as a whole or in part. Written as Envoy writes it.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::serve) enum Tree {
    /// Only a `Struct` has it, and it can't be written.
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Tree>),
    Map(BTreeMap<String, Tree>),
    /// A message: its fields, and all of it in its serialised form.
    Message(Vec<(&'static str, Tree)>, Vec<u8>),
}

impl Tree {
    pub(in crate::serve) fn metadata(metadata: &Metadata) -> Tree {
        let fields = vec![
            ("filter_metadata", Tree::json(&metadata.filter_metadata_json)),
            ("typed_filter_metadata", Tree::Map(BTreeMap::new())),
        ];
        Tree::Message(fields, metadata.message.clone())
    }

    pub(super) fn locality(locality: &Locality) -> Tree {
        let text = |text: &String| Tree::Text(text.clone());
        let fields = vec![
            ("region", text(&locality.region)),
            ("zone", text(&locality.zone)),
            ("sub_zone", text(&locality.sub_zone)),
        ];
        Tree::Message(fields, locality.message.clone())
    }

    pub(super) fn node(node: &Node) -> Tree {
        let text = |text: &String| Tree::Text(text.clone());
        let fields = vec![
            ("id", text(&node.id)),
            ("cluster", text(&node.cluster)),
            ("metadata", Tree::json(&node.metadata_json)),
            ("dynamic_parameters", Tree::Map(BTreeMap::new())),
            ("locality", Tree::locality(&node.locality)),
            ("user_agent_name", text(&node.user_agent_name)),
            ("user_agent_version", text(&node.user_agent_version)),
            ("extensions", Tree::List(Vec::new())),
            ("client_features", Tree::List(Vec::new())),
        ];
        Tree::Message(fields, node.message.clone())
    }

    /// An object as the configuration's model has it: checked JSON, or nothing for an empty one.
    fn json(text: &str) -> Tree {
        match serde_json::from_str::<Value>(text) {
            Ok(value) => Tree::from(value),
            Err(_) => Tree::Map(BTreeMap::new()),
        }
    }

    /// Writes what is at the rest of a path, or all. False if there is nothing, or nothing that can be written.
    pub(super) fn write(&self, path: Option<PropertyPath<'_>>, out: &mut Vec<u8>) -> bool {
        let mut at = self;
        for part in path.iter().flat_map(PropertyPath::parts) {
            let Some(next) = at.child(part) else {
                return false;
            };
            at = next;
        }
        match at.encoded() {
            Some(bytes) => {
                out.extend_from_slice(&bytes);
                true
            }
            None => false,
        }
    }

    fn child(&self, name: &[u8]) -> Option<&Tree> {
        let name = std::str::from_utf8(name).ok()?;
        match self {
            Tree::Map(entries) => entries.get(name),
            Tree::Message(fields, _) => {
                let field = fields.iter().find(|(known, _)| *known == name);
                field.map(|(_, value)| value)
            }
            Tree::List(list) => list.get(name.parse::<usize>().ok()?),
            _ => None,
        }
    }

    fn encoded(&self) -> Option<Cow<'_, [u8]>> {
        let scalar = |value: Scalar<'_>| Some(Cow::Owned(value.encode().to_vec()));
        match self {
            Tree::Null => None,
            Tree::Bool(value) => scalar((*value).into()),
            Tree::Number(value) => scalar((*value).into()),
            Tree::Text(text) => Some(text.as_bytes().into()),
            Tree::List(list) => {
                let values: Option<Vec<_>> = list.iter().map(Tree::encoded).collect();
                let encoded = pairs::encode(values?.iter().map(|value| (value, b"")));
                encoded.ok().map(Cow::Owned)
            }
            Tree::Map(entries) => {
                let values: Option<Vec<_>> = entries.values().map(Tree::encoded).collect();
                pairs::encode(entries.keys().zip(&values?)).ok().map(Cow::Owned)
            }
            Tree::Message(_, bytes) => Some(bytes.into()),
        }
    }
}

impl From<Value> for Tree {
    fn from(value: Value) -> Self {
        match value {
            Value::Null => Tree::Null,
            Value::Bool(value) => Tree::Bool(value),
            // A `Struct` knows no integers.
            Value::Number(value) => value.as_f64().map_or(Tree::Null, Tree::Number),
            Value::String(text) => Tree::Text(text),
            Value::Array(list) => Tree::List(list.into_iter().map(Tree::from).collect()),
            Value::Object(entries) => Tree::Map(
                entries
                    .into_iter()
                    .map(|(key, value)| (key, Tree::from(value)))
                    .collect(),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use enginebay::abi::property;

    use super::*;

    fn get(tree: &Tree, path: &str) -> Option<Vec<u8>> {
        let path = property::encode(path.split('.').filter(|part| !part.is_empty()));
        let mut out = Vec::new();
        tree.write(PropertyPath::parse(&path).ok(), &mut out)
            .then_some(out)
    }

    /// As a live Envoy answers.
    #[test]
    fn parts_are_written_as_on_envoy() {
        let tree = Tree::json(
            r#"{"team": "blue", "num": 5, "bool": true, "null": null, "list": ["a", 2], "nested": {"deep": "x"}}"#,
        );
        let text = |text: &str| Some(text.as_bytes().to_vec());
        assert_eq!(get(&tree, "team"), text("blue"));
        assert_eq!(get(&tree, "num"), Some(5f64.to_le_bytes().to_vec()));
        assert_eq!(get(&tree, "bool"), Some(vec![1]));
        assert_eq!(get(&tree, "null"), None);
        assert_eq!(get(&tree, ""), None);
        assert_eq!(get(&tree, "list.0"), text("a"));
        assert_eq!(get(&tree, "list.1"), Some(2f64.to_le_bytes().to_vec()));
        for none in ["list.2", "list.x", "list.-1", "nothing", "team.x"] {
            assert_eq!(get(&tree, none), None, "{none}");
        }
        assert_eq!(
            get(&tree, "list"),
            text("\x02\0\0\0\x01\0\0\0\0\0\0\0\x08\0\0\0\0\0\0\0a\0\0\0\0\0\0\0\0\0@\0\0")
        );
        assert_eq!(
            get(&tree, "nested"),
            text("\x01\0\0\0\x04\0\0\0\x01\0\0\0deep\0x\0")
        );
    }

    #[test]
    fn what_is_not_given_is_empty() {
        let node = Tree::node(&Node::default());
        assert_eq!(get(&node, ""), Some(Vec::new()));
        assert_eq!(get(&node, "id"), Some(Vec::new()));
        assert_eq!(get(&node, "locality.zone"), Some(Vec::new()));
        assert_eq!(get(&node, "metadata"), Some(vec![0; 4]));
        assert_eq!(get(&node, "nothing"), None);
    }
}
