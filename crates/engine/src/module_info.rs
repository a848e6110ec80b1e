//! What a module says about itself, read without an engine.

use std::fmt;
use std::ops::Range;

use wasmparser::{CompositeInnerType, Encoding, ExternalKind, KnownCustom, Parser, Payload, TypeRef};

use crate::signature::write_signature;
use crate::{Error, ErrorKind, Signature, ValType};

/// The type of a function in a module, which may go beyond what the boundary can carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FuncType {
    params: Vec<wasmparser::ValType>,
    results: Vec<wasmparser::ValType>,
}

impl FuncType {
    /// Whether this is exactly `signature`.
    pub fn matches(&self, signature: &Signature) -> bool {
        self.params.len() == signature.params.len()
            && self.results.len() == signature.result.iter().len()
            && std::iter::zip(&self.params, signature.params).all(|(a, b)| same(*a, *b))
            && std::iter::zip(&self.results, &signature.result).all(|(a, b)| same(*a, *b))
    }
}

fn same(a: wasmparser::ValType, b: ValType) -> bool {
    matches!(
        (a, b),
        (wasmparser::ValType::I32, ValType::I32)
            | (wasmparser::ValType::I64, ValType::I64)
            | (wasmparser::ValType::F32, ValType::F32)
            | (wasmparser::ValType::F64, ValType::F64)
    )
}

impl From<Signature> for FuncType {
    fn from(signature: Signature) -> Self {
        let convert = |ty: &ValType| match ty {
            ValType::I32 => wasmparser::ValType::I32,
            ValType::I64 => wasmparser::ValType::I64,
            ValType::F32 => wasmparser::ValType::F32,
            ValType::F64 => wasmparser::ValType::F64,
        };
        FuncType {
            params: signature.params.iter().map(convert).collect(),
            results: signature.result.iter().map(convert).collect(),
        }
    }
}

impl fmt::Display for FuncType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_signature(f, &self.params, &self.results)
    }
}

/// What an import or export is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExternKind {
    /// A function of this type.
    Function(FuncType),
    /// A linear memory.
    Memory,
    /// A table.
    Table,
    /// A global.
    Global,
    /// An exception tag.
    Tag,
}

impl fmt::Display for ExternKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExternKind::Function(ty) => write!(f, "function {ty}"),
            ExternKind::Memory => f.write_str("memory"),
            ExternKind::Table => f.write_str("table"),
            ExternKind::Global => f.write_str("global"),
            ExternKind::Tag => f.write_str("tag"),
        }
    }
}

/// One import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleImport {
    /// The module part of its name.
    pub module: String,
    /// The field part of its name.
    pub name: String,
    /// What it is.
    pub kind: ExternKind,
}

/// One export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleExport {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: ExternKind,
}

/// The declared size of a memory (in bytes) or of a table (in elements).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SizeRange {
    /// The size it starts with.
    pub initial: u64,
    /// The size it never goes beyond, where declared.
    pub maximum: Option<u64>,
}

/// One custom section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomSection {
    /// Its name.
    pub name: String,
    /// Where its contents are in the binary.
    pub range: Range<usize>,
}

/// What a module imports, exports and asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ModuleInfo {
    /// Imports, in order.
    pub imports: Vec<ModuleImport>,
    /// Exports, in order.
    pub exports: Vec<ModuleExport>,
    /// Memories, imported ones left out.
    pub memories: Vec<SizeRange>,
    /// Tables, imported ones left out.
    pub tables: Vec<SizeRange>,
    /// Custom sections, in order.
    pub custom_sections: Vec<CustomSection>,
    /// The producers section: (field, value, version), for example `("language", "Rust", "")`.
    pub producers: Vec<(String, String, String)>,
    /// Whether it has a start function, which runs when it is instantiated.
    pub has_start: bool,
}

const WASM_PAGE: u64 = 65536;

impl ModuleInfo {
    /// Reads a binary module.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidModule`] for anything that is not a whole WebAssembly module.
    pub fn parse(code: &[u8]) -> Result<ModuleInfo, Error> {
        if !code.starts_with(b"\0asm") {
            return Err(Error::new(
                ErrorKind::InvalidModule,
                "Failed to parse corrupted Wasm module: it does not start with the WebAssembly magic number",
            ));
        }
        Reader::default().read(code).map_err(|Malformed(error)| {
            Error::new(
                ErrorKind::InvalidModule,
                format!("Failed to parse corrupted Wasm module: {error}"),
            )
        })
    }

    /// The export of this name.
    pub fn export(&self, name: &str) -> Option<&ModuleExport> {
        self.exports.iter().find(|export| export.name == name)
    }
}

#[derive(Default)]
struct Reader {
    info: ModuleInfo,
    types: Vec<Option<FuncType>>,
    /// The type index of every function, imported ones first.
    functions: Vec<u32>,
    bodies_declared: u32,
    bodies_seen: u32,
}

/// What is wrong with a module, in words.
struct Malformed(String);

impl From<wasmparser::BinaryReaderError> for Malformed {
    fn from(error: wasmparser::BinaryReaderError) -> Self {
        Malformed(error.to_string())
    }
}

impl Reader {
    fn read(mut self, code: &[u8]) -> Result<ModuleInfo, Malformed> {
        let mut exports = None;
        for payload in Parser::new(0).parse_all(code) {
            match payload? {
                Payload::ExportSection(section) => exports = Some(section),
                payload => self.payload(payload)?,
            }
        }
        if self.bodies_declared != self.bodies_seen {
            return Err(Malformed(format!(
                "{} functions declared, {} bodies found",
                self.bodies_declared, self.bodies_seen
            )));
        }
        // After everything else, because an export may name a function of a later section in a broken module.
        for export in exports.into_iter().flatten() {
            let export = export?;
            let kind = match export.kind {
                ExternalKind::Func | ExternalKind::FuncExact => {
                    ExternKind::Function(self.function_type(export.index)?)
                }
                ExternalKind::Table => ExternKind::Table,
                ExternalKind::Memory => ExternKind::Memory,
                ExternalKind::Global => ExternKind::Global,
                ExternalKind::Tag => ExternKind::Tag,
            };
            self.info.exports.push(ModuleExport {
                name: export.name.to_owned(),
                kind,
            });
        }
        Ok(self.info)
    }

    fn payload(&mut self, payload: Payload<'_>) -> Result<(), Malformed> {
        match payload {
            Payload::Version {
                encoding: Encoding::Component,
                ..
            } => {
                return Err(Malformed(
                    "this is a WebAssembly component, and Proxy-Wasm plugins are core modules".to_owned(),
                ));
            }
            Payload::TypeSection(section) => {
                for group in section {
                    for ty in group?.into_types() {
                        self.types.push(match ty.composite_type.inner {
                            CompositeInnerType::Func(ty) => Some(FuncType {
                                params: ty.params().to_vec(),
                                results: ty.results().to_vec(),
                            }),
                            _ => None,
                        });
                    }
                }
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import?;
                    let kind = match import.ty {
                        TypeRef::Func(ty) | TypeRef::FuncExact(ty) => {
                            self.functions.push(ty);
                            ExternKind::Function(self.type_at(ty)?)
                        }
                        TypeRef::Table(_) => ExternKind::Table,
                        TypeRef::Memory(_) => ExternKind::Memory,
                        TypeRef::Global(_) => ExternKind::Global,
                        TypeRef::Tag(_) => ExternKind::Tag,
                    };
                    self.info.imports.push(ModuleImport {
                        module: import.module.to_owned(),
                        name: import.name.to_owned(),
                        kind,
                    });
                }
            }
            Payload::FunctionSection(section) => {
                self.bodies_declared = section.count();
                for ty in section {
                    self.functions.push(ty?);
                }
            }
            Payload::CodeSectionEntry(_) => self.bodies_seen += 1,
            Payload::TableSection(section) => {
                for table in section {
                    let ty = table?.ty;
                    self.info.tables.push(SizeRange {
                        initial: ty.initial,
                        maximum: ty.maximum,
                    });
                }
            }
            Payload::MemorySection(section) => {
                for memory in section {
                    let memory = memory?;
                    self.info.memories.push(SizeRange {
                        initial: memory.initial.saturating_mul(WASM_PAGE),
                        maximum: memory.maximum.map(|pages| pages.saturating_mul(WASM_PAGE)),
                    });
                }
            }
            Payload::StartSection { .. } => self.info.has_start = true,
            Payload::CustomSection(section) => {
                self.info.custom_sections.push(CustomSection {
                    name: section.name().to_owned(),
                    range: section.data_offset()..section.data_offset() + section.data().len(),
                });
                if let KnownCustom::Producers(fields) = section.as_known() {
                    // Informative only: a malformed one is not worth refusing the module for.
                    for field in fields.into_iter().flatten() {
                        for value in field.values.into_iter().flatten() {
                            self.info.producers.push((
                                field.name.to_owned(),
                                value.name.to_owned(),
                                value.version.to_owned(),
                            ));
                        }
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn function_type(&self, function: u32) -> Result<FuncType, Malformed> {
        match self.functions.get(function as usize) {
            Some(ty) => self.type_at(*ty),
            None => Err(Malformed(format!("there is no function {function}"))),
        }
    }

    fn type_at(&self, index: u32) -> Result<FuncType, Malformed> {
        self.types
            .get(index as usize)
            .and_then(Clone::clone)
            .ok_or_else(|| Malformed(format!("type {index} is not a function type")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(wat: &str) -> ModuleInfo {
        ModuleInfo::parse(&wat::parse_str(wat).unwrap()).unwrap()
    }

    #[test]
    fn reads_imports_exports_and_sizes() {
        let info = parse(
            r#"(module
                (import "env" "log" (func (param i32 i64) (result i32)))
                (memory (export "memory") 2 4)
                (table 3 funcref)
                (func (export "f") (result i32 i64) i32.const 0 i64.const 0)
                (func $s) (start $s))"#,
        );
        assert_eq!(info.imports[0].name, "log");
        assert_eq!(info.imports[0].kind.to_string(), "function (i32, i64) -> i32");
        assert_eq!(
            info.export("f").unwrap().kind.to_string(),
            "function () -> (i32, i64)"
        );
        assert_eq!(
            info.memories,
            [SizeRange {
                initial: 131072,
                maximum: Some(262144)
            }]
        );
        assert_eq!(
            info.tables,
            [SizeRange {
                initial: 3,
                maximum: None
            }]
        );
        assert!(info.has_start);
    }

    #[test]
    fn every_truncation_is_an_error_and_none_panics() {
        let whole = wat::parse_str(
            r#"(module (import "env" "a" (func (param i32)))
                (memory (export "memory") 1)
                (func (export "f") (param i32) local.get 0 call 0)
                (data (i32.const 0) "abc"))"#,
        )
        .unwrap();
        let starts: Vec<usize> = section_starts(&whole);
        for len in 0..whole.len() {
            let result = ModuleInfo::parse(&whole[..len]);
            // A cut between two sections leaves a shorter module; one with all its functions is valid.
            if !starts.contains(&len) {
                assert!(result.is_err(), "cut at {len}");
            }
        }
    }

    fn section_starts(code: &[u8]) -> Vec<usize> {
        let mut starts = vec![8];
        for payload in Parser::new(0).parse_all(code) {
            if let Some((_, range)) = payload.unwrap().as_section() {
                starts.push(range.end);
            }
        }
        starts
    }

    #[test]
    fn components_and_text_are_refused_by_name() {
        let component = b"\0asm\x0d\0\x01\0";
        let error = ModuleInfo::parse(component).unwrap_err().to_string();
        assert!(error.contains("component"), "{error}");
        let error = ModuleInfo::parse(b"(module)").unwrap_err().to_string();
        assert!(error.contains("magic number"), "{error}");
    }
}
