//! The paths of fields, for messages.

/// `parent.name`.
pub(crate) fn field(parent: &str, name: &str) -> String {
    if parent.is_empty() {
        name.to_owned()
    } else {
        format!("{parent}.{name}")
    }
}

/// `parent[3]`.
pub(crate) fn index(parent: &str, index: usize) -> String {
    format!("{parent}[{index}]")
}

/// `parent.key`, or `parent["a key"]` where the key is more than a word.
pub(crate) fn key(parent: &str, key: &str) -> String {
    let word = |character: char| character.is_ascii_alphanumeric() || "_-@".contains(character);
    if !key.is_empty() && key.len() <= 60 && key.chars().all(word) {
        field(parent, key)
    } else {
        format!("{parent}[{}]", crate::node::quote(key).replace('`', "\""))
    }
}

/// The path of what contains `path`; nothing for the outermost.
pub(crate) fn parent(path: &str) -> Option<&str> {
    if path.ends_with("\"]") {
        return path.rfind("[\"").and_then(|end| path.get(..end));
    }
    path.rfind(['.', '[']).and_then(|end| path.get(..end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_built_and_taken_apart() {
        let list = index(&field("", "listeners"), 3);
        assert_eq!(list, "listeners[3]");
        let path = key(&key(&field(&list, "options"), "FOO"), "a.b");
        assert_eq!(path, "listeners[3].options.FOO[\"a.b\"]");
        let above: Vec<&str> = std::iter::successors(Some(path.as_str()), |path| parent(path))
            .skip(1)
            .collect();
        assert_eq!(
            above,
            [
                "listeners[3].options.FOO",
                "listeners[3].options",
                "listeners[3]",
                "listeners"
            ]
        );
    }
}
