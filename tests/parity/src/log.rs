//! What plugins logged, from the log of a server.

use crate::case::Lines;

/// A message of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    level: String,
    message: String,
}

/// A host's message about a failed plugin, from these words on up to those behind which hosts say it in their own ways.
const FAILED: (&str, &str) = ("Function: proxy_on_", " failed");

/// The start of a host's message about a denied function.
const DENIED: &str = "Attempted call to restricted ";

/// Lines of the log by aspect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Logged {
    /// Messages of streams.
    pub(crate) streams: Vec<String>,
    /// Messages of root contexts, each once: hosts have different numbers of VMs.
    pub(crate) roots: Vec<String>,
    /// What the host says about plugins, each once.
    pub(crate) host: Vec<String>,
}

impl Logged {
    /// `names` are those of the plugins.
    pub(crate) fn parse(text: &str, names: &[&str], lines: Lines) -> Self {
        let mut logged = Logged::default();
        if lines == Lines::None {
            return logged;
        }
        for entry in entries(text) {
            let (list, line, once) = match entry.message.strip_prefix("wasm log").map(str::trim_start) {
                // Hosts say the one with the VM in front, or without.
                Some(message) if message.contains(FAILED.0) => match about_a_plugin(message) {
                    Some(line) => (&mut logged.host, line, true),
                    None => continue,
                },
                Some(message) if message.contains(DENIED) => (&mut logged.host, message.to_owned(), true),
                Some(message) => {
                    let line = format!("{} {message}", entry.level);
                    match message
                        .split([' ', ':'])
                        .next()
                        .is_some_and(|name| names.contains(&name))
                    {
                        true => (&mut logged.streams, line, lines == Lines::Unique),
                        false => (&mut logged.roots, line, true),
                    }
                }
                None => match about_a_plugin(&entry.message) {
                    Some(line) => (&mut logged.host, line, true),
                    None => continue,
                },
            };
            if !once || !list.contains(&line) {
                list.push(line);
            }
        }
        logged
    }
}

/// What a host says about a plugin, if it is such a message.
fn about_a_plugin(message: &str) -> Option<String> {
    if let Some(at) = message.find(FAILED.0) {
        let (function, _) = message[at..].split_once(FAILED.1)?;
        return Some(format!("{function}{}", FAILED.1));
    }
    let at = message.find(DENIED)?;
    Some(message[at..].lines().next()?.to_owned())
}

/// The messages of plugins and their hosts, with the lines that belong to each.
fn entries(text: &str) -> Vec<Entry> {
    let mut entries: Vec<Option<Entry>> = Vec::new();
    for line in text.lines() {
        match head(line) {
            Some((level, component, message)) => entries.push((component == "wasm").then(|| Entry {
                level: level.to_owned(),
                message: message.to_owned(),
            })),
            // One of a message that has several.
            None => {
                if let Some(Some(entry)) = entries.last_mut() {
                    entry.message.push('\n');
                    entry.message.push_str(line);
                }
            }
        }
    }
    entries.into_iter().flatten().collect()
}

/// Level, component and message of `[time][level][component] message`; Envoy was told to leave out the time.
fn head(line: &str) -> Option<(&str, &str, &str)> {
    let (brackets, message) = line.strip_prefix('[')?.split_once("] ")?;
    let mut parts = brackets.rsplit("][");
    let (component, level) = (parts.next()?, parts.next()?);
    let level = match level {
        // enginebay's log knows no level above error.
        "critical" => "error",
        level if ["trace", "debug", "info", "warning", "error"].contains(&level) => level,
        _ => return None,
    };
    Some((level, component, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_both_servers_are_the_same() {
        let envoy = "[info][wasm] wasm log root vm: ready\n[info][wasm] wasm log root vm: ready\n\
            [critical][wasm] wasm log plugin root vm: two\nlines\n[warning][main] other\n\
            [error][wasm] Function: proxy_on_log failed: Uncaught\nbacktrace\n";
        let ours = "[2026-01-01T00:00:00Z][info][wasm] wasm log root vm: ready\n\
            [2026-01-01T00:00:00Z][error][wasm] wasm log plugin root vm: two\nlines\n\
            [2026-01-01T00:00:00Z][error][wasm] wasm log vm: Function: proxy_on_log failed: trap\n";
        let parsed = |text| Logged::parse(text, &["plugin"], Lines::Ordered);
        assert_eq!(parsed(envoy), parsed(ours));
        assert_eq!(parsed(envoy).streams, ["error plugin root vm: two\nlines"]);
        assert_eq!(parsed(envoy).roots, ["info root vm: ready"]);
        assert_eq!(parsed(envoy).host, ["Function: proxy_on_log failed"]);
    }
}
