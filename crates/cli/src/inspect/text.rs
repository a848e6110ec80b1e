//! The summary for people.

use super::origin::Tool;
use super::summary::{Range, Summary};
use crate::output::{Style, Tone, escape};

/// Writes the summary.
pub(super) fn render(summary: &Summary, style: Style) -> String {
    let mut page = Page {
        out: String::new(),
        style,
    };
    page.facts(summary);
    page.imports(summary);
    page.list(
        "callbacks",
        summary
            .callbacks
            .iter()
            .map(|e| (e.name.clone(), e.problem.clone())),
    );
    page.list(
        "other exports",
        summary
            .other_exports
            .iter()
            .map(|e| (format!("{} ({})", e.name, e.kind), e.problem.clone())),
    );
    page.list(
        "custom sections",
        summary
            .custom_sections
            .iter()
            .map(|s| (format!("{} ({} bytes)", s.name, s.size), None)),
    );
    page.list(
        "capabilities it needs, as in allowed_capabilities",
        // As lines of the configuration's map.
        summary
            .capabilities
            .iter()
            .map(|name| (format!("{name}: {{}}"), None)),
    );
    match summary.problems.is_empty() {
        true => page.line(&style.paint(Tone::Added, "this host can load it").to_string()),
        false => page.list(
            "this host can't load it",
            summary
                .problems
                .iter()
                .map(|problem| (String::new(), Some(problem.clone()))),
        ),
    }
    page.out.truncate(page.out.trim_end().len());
    page.out.push('\n');
    page.out
}

struct Page {
    out: String,
    style: Style,
}

impl Page {
    fn line(&mut self, text: &str) {
        self.out += text;
        self.out.push('\n');
    }

    fn fact(&mut self, name: &str, value: &str) {
        let name = self.style.paint(Tone::Heading, format!("{name:<12}"));
        self.out += &format!("{name} {}\n", escape(value));
    }

    fn facts(&mut self, summary: &Summary) {
        self.fact("size", &format!("{} bytes", summary.size));
        self.fact("sha256", &summary.sha256);
        self.fact("ABI version", summary.abi_version.unwrap_or("none that is known"));
        let markers: Vec<&str> = summary.abi_markers.iter().map(|m| m.name.as_str()).collect();
        if markers.len() > 1 || (summary.abi_version.is_none() && !markers.is_empty()) {
            self.fact("ABI markers", &markers.join(", "));
        }
        self.fact("language", &tool(summary.language.as_ref()));
        self.fact("SDK", &tool(summary.sdk.as_ref()));
        let producers: Vec<String> = summary
            .producers
            .iter()
            .map(|p| {
                format!("{} {} {}", p.field, p.name, p.version)
                    .trim_end()
                    .to_owned()
            })
            .collect();
        if !producers.is_empty() {
            self.fact("producers", &producers.join("; "));
        }
        self.fact("allocator", summary.allocator.unwrap_or("none"));
        let init = match (summary.init, summary.start_function) {
            (Some(init), false) => init.to_owned(),
            (Some(init), true) => format!("a start function, then {init}"),
            (None, true) => "a start function".to_owned(),
            (None, false) => "none".to_owned(),
        };
        self.fact("init", &init);
        self.fact("memory", &ranges(&summary.memories, "bytes"));
        self.fact("table", &ranges(&summary.tables, "elements"));
        self.line("");
    }

    fn imports(&mut self, summary: &Summary) {
        self.list(
            "imports",
            summary.imports.iter().map(|import| {
                (
                    format!("{}.{}", import.module, import.name),
                    import.problem.clone(),
                )
            }),
        );
    }

    fn list(&mut self, name: &str, items: impl Iterator<Item = (String, Option<String>)>) {
        let items: Vec<_> = items.collect();
        if items.is_empty() {
            return;
        }
        let heading = self
            .style
            .paint(Tone::Heading, format!("{name} ({})", items.len()))
            .to_string();
        self.line(&heading);
        for (item, problem) in items {
            let item = escape(&item);
            let line = match problem {
                None => format!("    {item}"),
                Some(problem) => {
                    let separator = if item.is_empty() { "" } else { ": " };
                    let text = format!("  ! {item}{separator}{}", escape(&problem));
                    self.style.paint(Tone::Removed, text).to_string()
                }
            };
            self.line(&line);
        }
        self.line("");
    }
}

fn tool(tool: Option<&Tool>) -> String {
    match tool {
        None => "not known".to_owned(),
        Some(Tool {
            name,
            version: Some(version),
        }) => format!("{name} {version}"),
        Some(Tool { name, version: None }) => name.clone(),
    }
}

fn ranges(ranges: &[Range], unit: &str) -> String {
    if ranges.is_empty() {
        return "none".to_owned();
    }
    let range = |range: &Range| match range.maximum {
        Some(maximum) => format!("{} {unit}, at most {maximum}", range.initial),
        None => format!("{} {unit}, no maximum", range.initial),
    };
    ranges.iter().map(range).collect::<Vec<_>>().join("; ")
}
