//! What is changed in a module before it is compiled.

use std::sync::{Mutex, PoisonError};

use enginebay_engine::AddedExports;
use wasmer::sys::wasmparser::{BlockType, Operator};
use wasmer::sys::{FunctionMiddleware, MiddlewareError, MiddlewareReaderState, ModuleMiddleware};
use wasmer::{ExportIndex, GlobalInit, GlobalType, LocalFunctionIndex, ModuleInfo, Mutability, Type};

/// Makes the start function an export, so that it is called when all else is in place, and as any other export is; and
/// has the module look at its deadline, where there is a time limit.
#[derive(Debug)]
pub(crate) struct Preparation {
    added: AddedExports,
    timed: bool,
    /// Of the module, once it was seen: a preparation is for one module.
    globals: Mutex<Option<Globals>>,
}

#[derive(Clone, Copy, Debug)]
struct Globals {
    deadline: u32,
    scratch: u32,
}

impl Preparation {
    pub(crate) fn new(added: AddedExports, timed: bool) -> Self {
        Preparation {
            added,
            timed,
            globals: Mutex::new(None),
        }
    }
}

impl ModuleMiddleware for Preparation {
    fn transform_module_info(&self, module: &mut ModuleInfo) -> Result<(), MiddlewareError> {
        if let Some(start) = module.start_function.take() {
            let index = ExportIndex::Function(start);
            module.exports.insert(self.added.start.clone(), index);
        }
        if self.timed {
            let deadline = module.globals.push(GlobalType::new(Type::I64, Mutability::Var));
            module.global_initializers.push(GlobalInit::I64Const(i64::MAX));
            let scratch = module.globals.push(GlobalType::new(Type::I32, Mutability::Var));
            module.global_initializers.push(GlobalInit::I32Const(0));
            let index = ExportIndex::Global(deadline);
            module.exports.insert(self.added.deadline.clone(), index);
            let globals = Globals {
                deadline: deadline.as_u32(),
                scratch: scratch.as_u32(),
            };
            *self.globals.lock().unwrap_or_else(PoisonError::into_inner) = Some(globals);
        }
        Ok(())
    }

    fn generate_function_middleware<'a>(
        &self,
        _: LocalFunctionIndex,
    ) -> Box<dyn FunctionMiddleware<'a> + 'a> {
        let globals = *self.globals.lock().unwrap_or_else(PoisonError::into_inner);
        match globals {
            Some(globals) => Box::new(Checks {
                globals,
                entered: false,
            }),
            None => Box::new(Unchanged),
        }
    }
}

#[derive(Debug)]
struct Unchanged;

impl FunctionMiddleware<'_> for Unchanged {}

/// Compares the deadline with zero wherever a guest can come by again and again.
#[derive(Debug)]
struct Checks {
    globals: Globals,
    entered: bool,
}

impl Checks {
    fn check(&self, state: &mut MiddlewareReaderState<'_>) {
        state.extend([
            Operator::GlobalGet {
                global_index: self.globals.deadline,
            },
            Operator::I64Const { value: 0 },
            Operator::I64LtS,
            Operator::If {
                blockty: BlockType::Empty,
            },
            Operator::Unreachable,
            Operator::End,
        ]);
    }

    /// A compiler that sees a loop without a write to anything like the deadline may read the deadline once, before the loop: this
    /// write makes it read again.
    fn forget(&self, state: &mut MiddlewareReaderState<'_>) {
        state.extend([
            Operator::I32Const { value: 0 },
            Operator::GlobalSet {
                global_index: self.globals.scratch,
            },
        ]);
    }
}

impl<'a> FunctionMiddleware<'a> for Checks {
    fn feed(
        &mut self,
        operator: Operator<'a>,
        state: &mut MiddlewareReaderState<'a>,
    ) -> Result<(), MiddlewareError> {
        if !self.entered {
            self.entered = true;
            self.check(state);
        }
        let repeats = matches!(operator, Operator::Loop { .. });
        state.push_operator(operator);
        if repeats {
            self.check(state);
            self.forget(state);
        }
        Ok(())
    }
}
