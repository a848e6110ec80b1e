//! With what a module was made: the producers section where it says so, traces in the binary where it doesn't.

use enginebay::engine::ModuleInfo;
use serde::Serialize;

/// A name and, where it is known, a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Tool {
    pub(super) name: String,
    pub(super) version: Option<String>,
}

impl Tool {
    fn new(name: &str, version: &str) -> Self {
        Tool {
            name: name.to_owned(),
            version: Some(version.to_owned()).filter(|version| !version.is_empty()),
        }
    }
}

/// The language of the source. The compiler counts for more than the languages listed: a Rust program that links
/// a C library lists C.
pub(super) fn language(info: &ModuleInfo) -> Option<Tool> {
    const COMPILERS: &[(&str, &str)] = &[
        ("rustc", "Rust"),
        ("TinyGo", "Go"),
        ("AssemblyScript", "AssemblyScript"),
        ("zig", "Zig"),
    ];
    let producers = |field: &'static str| {
        info.producers
            .iter()
            .filter(move |(f, _, _)| f == field)
            .map(|(_, name, version)| (name.as_str(), version.as_str()))
    };
    let by_compiler = producers("processed-by").find_map(|(name, version)| {
        COMPILERS
            .iter()
            .find(|(compiler, _)| *compiler == name)
            .map(|(_, language)| Tool::new(language, version))
    });
    by_compiler.or_else(|| {
        producers("language").next().map(|(name, version)| {
            let name = match name {
                "C99" | "C11" | "C17" => "C",
                name if name.starts_with("C_plus_plus") => "C++",
                name => name,
            };
            Tool::new(name, version)
        })
    })
}

/// The Proxy-Wasm SDK.
pub(super) fn sdk(info: &ModuleInfo, code: &[u8]) -> Option<Tool> {
    if let Some((_, name, version)) = info.producers.iter().find(|(field, _, _)| field == "sdk") {
        return Some(Tool::new(name, version));
    }
    let names = info
        .custom_sections
        .iter()
        .find(|section| section.name == "name")
        .and_then(|section| code.get(section.range.clone()))
        .unwrap_or_default();
    // A crate's name with its length before it is how Rust mangles it.
    let rust = contains(names, b"10proxy_wasm") || contains(code, b"proxy-wasm-rust-sdk");
    let version = crate_version(code, b"/proxy-wasm-");
    if rust || version.is_some() {
        return Some(Tool {
            name: "proxy-wasm-rust-sdk".to_owned(),
            version,
        });
    }
    let others: [(&[u8], &str); 3] = [
        (b"proxy-wasm-go-sdk", "proxy-wasm-go-sdk"),
        (b"proxy-wasm/assemblyscript-sdk", "proxy-wasm-assemblyscript-sdk"),
        (b"ContextBase", "proxy-wasm-cpp-sdk"),
    ];
    others
        .iter()
        .find(|(trace, _)| contains(code, trace))
        .map(|(_, name)| Tool::new(name, ""))
}

/// The version in a source path such as `proxy-wasm-0.2.5/src/…`, which panic messages keep.
fn crate_version(code: &[u8], start: &[u8]) -> Option<String> {
    let mut rest = code;
    while let Some(at) = find(rest, start) {
        rest = &rest[at + start.len()..];
        let end = rest.iter().take(32).position(|byte| *byte == b'/')?;
        let version = std::str::from_utf8(&rest[..end]).unwrap_or_default();
        let numbered = version.starts_with(|c: char| c.is_ascii_digit()) && version.contains('.');
        let clean = version
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || ".-+".contains(c));
        if numbered && clean {
            return Some(version.to_owned());
        }
    }
    None
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    find(bytes, part).is_some()
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(producers: &[(&str, &str, &str)]) -> ModuleInfo {
        let mut info = ModuleInfo::default();
        for (field, name, version) in producers {
            info.producers
                .push(((*field).to_owned(), (*name).to_owned(), (*version).to_owned()));
        }
        info
    }

    #[test]
    fn the_compiler_counts_for_more_than_the_languages() {
        let rust = info(&[
            ("language", "C99", ""),
            ("processed-by", "clang", "1"),
            ("processed-by", "rustc", "1.95.0"),
        ]);
        assert_eq!(language(&rust), Some(Tool::new("Rust", "1.95.0")));
        let cpp = info(&[("language", "C_plus_plus_14", "")]);
        assert_eq!(language(&cpp), Some(Tool::new("C++", "")));
        let go = info(&[
            ("language", "Go", "go1.24"),
            ("processed-by", "Go cmd/compile", "go1.24"),
        ]);
        assert_eq!(language(&go), Some(Tool::new("Go", "go1.24")));
        assert_eq!(language(&info(&[])), None);
    }

    #[test]
    fn the_version_comes_from_a_source_path() {
        assert_eq!(
            crate_version(
                b"..x/proxy-wasm-hello/y/proxy-wasm-0.2.5/src/lib.rs",
                b"/proxy-wasm-"
            )
            .as_deref(),
            Some("0.2.5")
        );
        assert_eq!(crate_version(b"/proxy-wasm-0.2.5", b"/proxy-wasm-"), None);
        assert_eq!(crate_version(b"", b"/proxy-wasm-"), None);
        assert_eq!(
            sdk(&info(&[("sdk", "emcc", "3")]), b""),
            Some(Tool::new("emcc", "3"))
        );
    }
}
