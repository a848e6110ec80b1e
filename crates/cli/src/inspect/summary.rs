//! What a module is, in a form to print or to serialise.

use std::collections::BTreeSet;

use enginebay::abi::{AbiVersion, Callback, Integration, functions};
use enginebay::engine::{ExternKind, ModuleExport, ModuleImport, ModuleInfo, SizeRange};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::origin::{self, Tool};

/// Everything that `inspect` knows.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    /// Bytes.
    pub(super) size: usize,
    pub(super) sha256: String,
    /// The ABI version a host runs it with; null if it names none that is known.
    pub(super) abi_version: Option<&'static str>,
    pub(super) abi_markers: Vec<Marker>,
    pub(super) language: Option<Tool>,
    pub(super) sdk: Option<Tool>,
    pub(super) producers: Vec<Producer>,
    pub(super) imports: Vec<Import>,
    pub(super) callbacks: Vec<Export>,
    pub(super) allocator: Option<&'static str>,
    pub(super) init: Option<&'static str>,
    /// Whether it has a start function of its own, which runs before the init export.
    pub(super) start_function: bool,
    pub(super) other_exports: Vec<Export>,
    /// Bytes.
    pub(super) memories: Vec<Range>,
    /// Elements.
    pub(super) tables: Vec<Range>,
    pub(super) custom_sections: Vec<Section>,
    /// The names that a capability restriction would have to allow.
    pub(super) capabilities: BTreeSet<String>,
    /// Why a host would not load it.
    pub(super) problems: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Marker {
    pub(super) name: String,
    pub(super) known: bool,
}

#[derive(Debug, Serialize)]
pub(super) struct Producer {
    pub(super) field: String,
    pub(super) name: String,
    pub(super) version: String,
}

#[derive(Debug, Serialize)]
pub(super) struct Import {
    pub(super) module: String,
    pub(super) name: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    /// Whether a host offers it.
    pub(super) known: bool,
    pub(super) problem: Option<String>,
    #[serde(skip)]
    capability: Option<&'static str>,
}

#[derive(Debug, Serialize)]
pub(super) struct Export {
    pub(super) name: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) problem: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Range {
    pub(super) initial: u64,
    pub(super) maximum: Option<u64>,
}

#[derive(Debug, Serialize)]
pub(super) struct Section {
    pub(super) name: String,
    /// Bytes.
    pub(super) size: usize,
}

impl From<&SizeRange> for Range {
    fn from(range: &SizeRange) -> Self {
        Range {
            initial: range.initial,
            maximum: range.maximum,
        }
    }
}

impl Summary {
    /// Reads a module.
    ///
    /// # Errors
    /// When it is not a whole WebAssembly module.
    pub(super) fn of(code: &[u8]) -> Result<Summary, enginebay::engine::Error> {
        let info = ModuleInfo::parse(code)?;
        let markers: Vec<&str> = info
            .exports
            .iter()
            .map(|export| export.name.as_str())
            .filter(|name| name.starts_with(AbiVersion::MARKER_PREFIX))
            .collect();
        let abi = markers
            .iter()
            .filter_map(|name| AbiVersion::from_marker(name))
            .max();

        let imports: Vec<Import> = info.imports.iter().map(|import| describe(import, abi)).collect();
        let (callbacks, other_exports) = exports(&info, abi);
        let first_of = |names: &[Integration]| {
            names
                .iter()
                .map(|export| export.name())
                .find(|name| is_function(&info, name))
        };
        let allocator = first_of(&[Integration::ProxyOnMemoryAllocate, Integration::Malloc]);
        let capabilities = imports
            .iter()
            .filter_map(|import| import.capability)
            .chain(callbacks.iter().map(|export| export.name.as_str()))
            .map(str::to_owned)
            .collect();
        let mut summary = Summary {
            size: code.len(),
            sha256: Sha256::digest(code)
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect(),
            abi_version: abi.map(AbiVersion::as_str),
            abi_markers: markers
                .iter()
                .map(|name| Marker {
                    name: (*name).to_owned(),
                    known: AbiVersion::from_marker(name).is_some(),
                })
                .collect(),
            language: origin::language(&info),
            sdk: origin::sdk(&info, code),
            producers: info
                .producers
                .iter()
                .map(|(field, name, version)| Producer {
                    field: field.clone(),
                    name: name.clone(),
                    version: version.clone(),
                })
                .collect(),
            imports,
            callbacks,
            allocator,
            init: first_of(&[Integration::Initialize, Integration::Start]),
            start_function: info.has_start,
            other_exports,
            memories: info.memories.iter().map(Range::from).collect(),
            tables: info.tables.iter().map(Range::from).collect(),
            custom_sections: info
                .custom_sections
                .iter()
                .map(|section| Section {
                    name: section.name.clone(),
                    size: section.range.len(),
                })
                .collect(),
            capabilities,
            problems: Vec::new(),
        };
        summary.problems = problems(&summary);
        Ok(summary)
    }
}

fn is_function(info: &ModuleInfo, name: &str) -> bool {
    info.export(name)
        .is_some_and(|export| matches!(export.kind, ExternKind::Function(_)))
}

/// An import against the table of host functions.
fn describe(import: &ModuleImport, abi: Option<AbiVersion>) -> Import {
    let found = functions::lookup(&import.module, &import.name);
    let problem = match (found, &import.kind) {
        (None, ExternKind::Function(_)) => Some("unknown function".to_owned()),
        (None, kind) => Some(format!("a host offers no {kind}")),
        (Some(def), kind) => match (kind, abi) {
            (ExternKind::Function(ty), _) if !ty.matches(&def.signature) => {
                Some(format!("wrong type: a host offers {}", def.signature))
            }
            (ExternKind::Function(_), Some(abi)) if !def.versions.contains(abi) => {
                Some(format!("not in ABI {abi}"))
            }
            (ExternKind::Function(_), _) => None,
            (kind, _) => Some(format!("a {kind}, but a host offers a function")),
        },
    };
    Import {
        module: import.module.clone(),
        name: import.name.clone(),
        kind: import.kind.to_string(),
        known: found.is_some(),
        problem,
        capability: found.and_then(functions::FunctionDef::capability),
    }
}

/// The callbacks, and what else there is.
fn exports(info: &ModuleInfo, abi: Option<AbiVersion>) -> (Vec<Export>, Vec<Export>) {
    let (mut callbacks, mut others) = (Vec::new(), Vec::new());
    for export in &info.exports {
        let name = export.name.as_str();
        let callback = Callback::from_name(name);
        let integration = Integration::from_name(name);
        let signature = abi.and_then(|abi| match (callback, integration) {
            (Some(callback), _) => Some(callback.signature(abi)),
            (None, Some(integration)) => Some(integration.signature(abi)),
            (None, None) => None,
        });
        let problem = match signature {
            Some(Some(wanted)) => wrong_type(export, &wanted),
            // Not fatal: the host leaves it alone.
            Some(None) | None => None,
        };
        let described = Export {
            name: name.to_owned(),
            kind: export.kind.to_string(),
            problem,
        };
        match callback {
            Some(_) => callbacks.push(described),
            None => others.push(described),
        }
    }
    (callbacks, others)
}

fn wrong_type(export: &ModuleExport, wanted: &enginebay::engine::Signature) -> Option<String> {
    match &export.kind {
        ExternKind::Function(ty) if ty.matches(wanted) => None,
        _ => Some(format!("wrong type: a host calls {wanted}")),
    }
}

fn problems(summary: &Summary) -> Vec<String> {
    let mut problems = Vec::new();
    if summary.abi_version.is_none() {
        problems.push("no known Proxy-Wasm ABI version".to_owned());
    }
    if summary.allocator.is_none() {
        problems.push("no allocator (proxy_on_memory_allocate or malloc)".to_owned());
    }
    for import in &summary.imports {
        if let Some(problem) = &import.problem {
            problems.push(format!("import {}.{}: {problem}", import.module, import.name));
        }
    }
    for export in summary.callbacks.iter().chain(&summary.other_exports) {
        if let Some(problem) = &export.problem {
            problems.push(format!("export {}: {problem}", export.name));
        }
    }
    problems
}
