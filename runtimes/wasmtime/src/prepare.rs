//! What is changed in a module before it is compiled.
//!
//! wasmtime's epochs compare two words that lie behind three pointers, at the start of every function and of every round of a
//! loop. A module that was prepared looks at one word instead, its deadline: less code, of which more is in the processor's
//! caches when a request comes. The deadline is in a memory of its own, because wasmtime says where a memory is, and not where
//! a global is.

use std::borrow::Cow;

use enginebay_engine::{AddedExports, Error, ErrorKind, ModuleInfo};
use wasm_encoder::{
    BlockType, CodeSection, Encode, ExportKind, Instruction, MemArg, MemoryType, RawSection, SectionId,
};
use wasmparser::{
    BinaryReaderError, FromReader, FuncValidator, FuncValidatorAllocations, FunctionBody, Operator,
    OperatorsReader, Parser, Payload, SectionLimited, TypeRef, ValidPayload, Validator, ValidatorResources,
    WasmFeatures,
};

/// To be changed with what this file does, so that code compiled before is not taken for what would be compiled now.
pub(crate) const VERSION: u32 = 1;

/// Where the deadline is in its memory: an i64.
pub(crate) const DEADLINE: u64 = 0;
/// A byte of the same memory that is written to, and never read.
const SCRATCH: u64 = 8;
/// How large that memory is, in pages of 64 KiB, of which no more than the first bytes are used.
const PAGES: u64 = 1;

/// Makes the start function an export, so that it is called when all else is in place, and as any other export is; and has
/// the module look at its deadline, where calls are `timed`.
///
/// # Errors
/// [`ErrorKind::InvalidModule`]: what is not valid by itself must not become so by what is added, or a guest could write to its
/// deadline.
pub(crate) fn prepare<'a>(code: &'a [u8], info: &ModuleInfo, timed: bool) -> Result<Cow<'a, [u8]>, Error> {
    if !timed && !info.has_start {
        return Ok(Cow::Borrowed(code));
    }
    Preparation::new(code, timed)
        .run(&AddedExports::to(info))
        .map(Cow::Owned)
        .map_err(|error| {
            Error::new(
                ErrorKind::InvalidModule,
                format!("Failed to parse corrupted Wasm module: {error}"),
            )
        })
}

/// Instructions that are added.
#[derive(Default)]
struct Checks {
    /// Compares the deadline with zero.
    check: Vec<u8>,
    /// The same at the start of a loop. A compiler that sees a loop without a write to anything like the deadline may read the
    /// deadline once, before the loop: this one's write makes it read again.
    repeated: Vec<u8>,
}

impl Checks {
    /// With the deadline in this memory.
    fn of(memory: u32) -> Checks {
        let at = |offset, align| MemArg {
            offset,
            align,
            memory_index: memory,
        };
        let mut check = Vec::new();
        for instruction in [
            Instruction::I32Const(0),
            Instruction::I64Load(at(DEADLINE, 3)),
            Instruction::I64Const(0),
            Instruction::I64LtS,
            Instruction::If(BlockType::Empty),
            Instruction::Unreachable,
            Instruction::End,
        ] {
            instruction.encode(&mut check);
        }
        let mut repeated = check.clone();
        for instruction in [
            Instruction::I32Const(0),
            Instruction::I32Const(0),
            Instruction::I32Store8(at(SCRATCH, 0)),
        ] {
            instruction.encode(&mut repeated);
        }
        Checks { check, repeated }
    }
}

/// The items of a section, encoded, and how many there are.
#[derive(Default)]
struct Items {
    count: u32,
    bytes: Vec<u8>,
}

impl Items {
    fn of<'a, T: FromReader<'a>>(code: &[u8], section: &SectionLimited<'a, T>) -> Items {
        Items {
            count: section.count(),
            bytes: code[section.original_position()..section.range().end].to_vec(),
        }
    }

    /// Adds one.
    fn push(&mut self, encode: impl FnOnce(&mut Vec<u8>)) {
        self.count += 1;
        encode(&mut self.bytes);
    }

    fn section(&self) -> Cow<'static, [u8]> {
        let mut data = Vec::with_capacity(self.bytes.len() + 5);
        self.count.encode(&mut data);
        data.extend(&self.bytes);
        Cow::Owned(data)
    }
}

/// A module on its way from one form to the other.
struct Preparation<'a> {
    code: &'a [u8],
    timed: bool,
    /// What is taken over, in the order of the module.
    sections: Vec<(u8, Cow<'a, [u8]>)>,
    imported_memories: u32,
    memories: Items,
    exports: Items,
    start: Option<u32>,
    checks: Checks,
    bodies: CodeSection,
}

impl<'a> Preparation<'a> {
    fn new(code: &'a [u8], timed: bool) -> Self {
        Preparation {
            code,
            timed,
            sections: Vec::new(),
            imported_memories: 0,
            memories: Items::default(),
            exports: Items::default(),
            start: None,
            checks: Checks::default(),
            bodies: CodeSection::new(),
        }
    }

    /// The index of the memory that is added.
    fn own_memory(&self) -> u32 {
        self.imported_memories + self.memories.count
    }

    fn run(mut self, added: &AddedExports) -> Result<Vec<u8>, BinaryReaderError> {
        // What else wasmtime doesn't take it refuses itself.
        let features = WasmFeatures::all().difference(WasmFeatures::MULTI_MEMORY);
        let mut validator = Validator::new_with_features(features);
        let mut allocations = FuncValidatorAllocations::default();
        for payload in Parser::new(0).parse_all(self.code) {
            let payload = payload?;
            match validator.payload(&payload)? {
                ValidPayload::Func(function, body) => {
                    let mut validator = function.into_validator(allocations);
                    self.body(&body, &mut validator)?;
                    allocations = validator.into_allocations();
                }
                _ => self.payload(payload)?,
            }
        }
        if self.timed {
            let memory = self.own_memory();
            self.memories.push(|to| {
                MemoryType {
                    minimum: PAGES,
                    maximum: Some(PAGES),
                    memory64: false,
                    shared: false,
                    page_size_log2: None,
                }
                .encode(to);
            });
            self.export(&added.deadline, ExportKind::Memory, memory);
        }
        if let Some(start) = self.start {
            self.export(&added.start, ExportKind::Func, start);
        }
        Ok(self.written())
    }

    fn export(&mut self, name: &str, kind: ExportKind, index: u32) {
        self.exports.push(|to| {
            name.encode(to);
            kind.encode(to);
            index.encode(to);
        });
    }

    fn payload(&mut self, payload: Payload<'a>) -> Result<(), BinaryReaderError> {
        match &payload {
            Payload::MemorySection(section) => self.memories = Items::of(self.code, section),
            Payload::ExportSection(section) => self.exports = Items::of(self.code, section),
            Payload::StartSection { func, .. } => self.start = Some(*func),
            // Others may speak of places in the code, which are others now.
            Payload::CustomSection(section) if section.name() != "name" => {}
            Payload::CodeSectionStart { .. } => {
                self.checks = Checks::of(self.own_memory());
                self.sections.push((SectionId::Code.into(), Cow::default()));
            }
            _ => {
                if let Payload::ImportSection(section) = &payload {
                    for import in section.clone().into_imports() {
                        self.imported_memories += u32::from(matches!(import?.ty, TypeRef::Memory(_)));
                    }
                }
                if let Some((id, range)) = payload.as_section() {
                    self.sections.push((id, Cow::Borrowed(&self.code[range])));
                }
            }
        }
        Ok(())
    }

    /// Takes a function over, with the instructions that are added.
    fn body(
        &mut self,
        body: &FunctionBody<'a>,
        validator: &mut FuncValidator<ValidatorResources>,
    ) -> Result<(), BinaryReaderError> {
        let range = body.range();
        if !self.timed {
            validator.validate(body)?;
            self.bodies.raw(&self.code[range]);
            return Ok(());
        }
        let mut reader = body.get_binary_reader();
        validator.read_locals(&mut reader)?;
        let mut operators = OperatorsReader::new(reader);
        let mut written = Vec::with_capacity(range.len() * 2);
        let mut taken = operators.original_position();
        written.extend(&self.code[range.start..taken]);
        written.extend(&self.checks.check);
        while !operators.eof() {
            let at = operators.original_position();
            let operator = operators.read()?;
            validator.op(at, &operator)?;
            if let Operator::Loop { .. } = operator {
                let end = operators.original_position();
                written.extend(&self.code[taken..end]);
                written.extend(&self.checks.repeated);
                taken = end;
            }
        }
        operators.finish()?;
        written.extend(&self.code[taken..range.end]);
        self.bodies.raw(&written);
        Ok(())
    }

    fn written(mut self) -> Vec<u8> {
        for (id, items) in [
            (SectionId::Memory, &self.memories),
            (SectionId::Export, &self.exports),
        ] {
            if items.count > 0 {
                let id = id.into();
                let after = self
                    .sections
                    .iter()
                    .position(|section| rank(section.0) > rank(id));
                let place = after.unwrap_or(self.sections.len());
                self.sections.insert(place, (id, items.section()));
            }
        }
        let mut module = wasm_encoder::Module::new();
        for (id, data) in &self.sections {
            if *id == u8::from(SectionId::Code) {
                module.section(&self.bodies);
            } else {
                module.section(&RawSection { id: *id, data });
            }
        }
        module.finish()
    }
}

/// Where sections stand in a module, relative to each other: not in the order of their numbers. Custom ones stand anywhere.
fn rank(id: u8) -> usize {
    const ORDER: [SectionId; 14] = [
        SectionId::Custom,
        SectionId::Type,
        SectionId::Import,
        SectionId::Function,
        SectionId::Table,
        SectionId::Memory,
        SectionId::Tag,
        SectionId::Global,
        SectionId::Export,
        SectionId::Start,
        SectionId::Element,
        SectionId::DataCount,
        SectionId::Code,
        SectionId::Data,
    ];
    ORDER
        .iter()
        .position(|section| u8::from(*section) == id)
        .unwrap_or(0)
}
