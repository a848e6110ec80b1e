//! The checks before compilation, the same for every engine.

use crate::{Error, ErrorKind, ExternKind, HostFunction, LoadRequest, ModuleInfo, ResolvedLimits};

/// Refuses a module that can't run: with an import nobody offers, with a function of another type than
/// agreed, or larger from the start than its limits.
pub(crate) fn check(
    info: &ModuleInfo,
    request: &LoadRequest<'_>,
    limits: &ResolvedLimits,
) -> Result<(), Error> {
    imports(info, request.imports)?;
    exports(info, request)?;
    sizes(info, limits)
}

fn imports(info: &ModuleInfo, offered: &[HostFunction]) -> Result<(), Error> {
    let find = |module: &str, name: &str| offered.iter().find(|f| f.name == name && f.module == module);
    let mut missing = Vec::new();
    for import in &info.imports {
        match (&import.kind, find(&import.module, &import.name)) {
            (ExternKind::Function(ty), Some(function)) if ty.matches(&function.signature) => {}
            (kind, Some(function)) => {
                return Err(Error::new(
                    ErrorKind::SignatureMismatch,
                    format!(
                        "Failed to load Wasm module due to an import type mismatch: {}.{}, want: {kind}, \
                         but host exports: function {}",
                        import.module, import.name, function.signature
                    ),
                ));
            }
            (ExternKind::Function(_), None) => missing.push(format!("{}.{}", import.module, import.name)),
            (kind, None) => missing.push(format!("{}.{} ({kind})", import.module, import.name)),
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::MissingImport,
        format!(
            "Failed to load Wasm module due to a missing import: {}",
            missing.join(", ")
        ),
    ))
}

fn exports(info: &ModuleInfo, request: &LoadRequest<'_>) -> Result<(), Error> {
    for wanted in request.exports {
        let Some(export) = info.export(wanted.name) else {
            continue;
        };
        if !matches!(&export.kind, ExternKind::Function(ty) if ty.matches(&wanted.signature)) {
            return Err(Error::new(
                ErrorKind::SignatureMismatch,
                format!(
                    "Bad function signature for: {}, want: function {}, but the module exports: {}",
                    wanted.name, wanted.signature, export.kind
                ),
            ));
        }
    }
    Ok(())
}

fn sizes(info: &ModuleInfo, limits: &ResolvedLimits) -> Result<(), Error> {
    let too_large = |what: &str, unit: &str, size: u64, limit: u64| {
        Error::new(
            ErrorKind::LimitExceeded,
            format!(
                "the module starts with a {what} of {size} {unit}, and the limit is {limit}: raise the limit"
            ),
        )
    };
    if let Some(limit) = limits.memory
        && let Some(memory) = info.memories.iter().find(|memory| memory.initial > limit)
    {
        return Err(too_large("memory", "bytes", memory.initial, limit));
    }
    if let Some(limit) = limits.table_elements.map(u64::from)
        && let Some(table) = info.tables.iter().find(|table| table.initial > limit)
    {
        return Err(too_large("table", "elements", table.initial, limit));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Export, Signature, ValType};

    const LOG: HostFunction = HostFunction {
        module: "env",
        name: "log",
        signature: Signature::new(&[ValType::I32], None),
    };
    const RUN: Export = Export {
        name: "run",
        signature: Signature::new(&[], Some(ValType::I32)),
    };

    fn check_wat(wat: &str, limits: &ResolvedLimits) -> Result<(), (ErrorKind, String)> {
        let code = wat::parse_str(wat).unwrap();
        let info = ModuleInfo::parse(&code).unwrap();
        let request = LoadRequest::new(&code, &[LOG], &[RUN]);
        check(&info, &request, limits).map_err(|e| (e.kind(), e.to_string()))
    }

    #[test]
    fn what_fits_is_accepted() {
        let wat = r#"(module (import "env" "log" (func (param i32)))
            (func (export "run") (result i32) i32.const 0) (func (export "other")))"#;
        assert_eq!(check_wat(wat, &ResolvedLimits::default()), Ok(()));
    }

    #[test]
    fn all_missing_imports_are_named() {
        let wat = r#"(module (import "env" "nope" (func)) (import "x" "m" (memory 1)))"#;
        let (kind, message) = check_wat(wat, &ResolvedLimits::default()).unwrap_err();
        assert_eq!(kind, ErrorKind::MissingImport);
        assert!(
            message.ends_with("missing import: env.nope, x.m (memory)"),
            "{message}"
        );
    }

    #[test]
    fn wrong_types_are_refused_with_both_types() {
        let (kind, message) = check_wat(
            r#"(module (import "env" "log" (func (param i64))))"#,
            &ResolvedLimits::default(),
        )
        .unwrap_err();
        assert_eq!(kind, ErrorKind::SignatureMismatch);
        assert!(
            message.ends_with("env.log, want: function (i64), but host exports: function (i32)"),
            "{message}"
        );
        let (kind, message) =
            check_wat(r#"(module (func (export "run")))"#, &ResolvedLimits::default()).unwrap_err();
        assert_eq!(kind, ErrorKind::SignatureMismatch);
        assert!(
            message.ends_with("run, want: function () -> i32, but the module exports: function ()"),
            "{message}"
        );
    }

    #[test]
    fn declared_sizes_meet_the_limits() {
        let limits = ResolvedLimits {
            memory: Some(65536),
            table_elements: Some(10),
            ..ResolvedLimits::default()
        };
        assert_eq!(
            check_wat("(module (memory 1) (table 10 funcref))", &limits),
            Ok(())
        );
        assert_eq!(
            check_wat("(module (memory 2))", &limits).unwrap_err().0,
            ErrorKind::LimitExceeded
        );
        assert_eq!(
            check_wat("(module (table 11 funcref))", &limits).unwrap_err().0,
            ErrorKind::LimitExceeded
        );
    }
}
