//! Faults that were put into the host and the backends, and the case that noticed each.

use std::fmt::Write as _;
use std::path::Path;

use serde::Deserialize;

use super::totals::cell;

/// A fault: text in a file that becomes another one. `cargo xtask mutations` tries them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Mutation {
    /// What is wrong with it.
    pub name: String,
    /// The file, from the root of the repository.
    pub file: String,
    /// What is there.
    pub line: String,
    /// What is put in its place.
    pub becomes: String,
    /// The runtime that the suite was run on.
    pub runtime: String,
    /// The first case that failed, once it was tried.
    pub caught_by: Option<String>,
}

#[derive(Deserialize)]
struct File {
    mutation: Vec<Mutation>,
}

/// Those in `mutations.toml` of this crate. None if there is no such file.
///
/// # Errors
/// The file can't be read or understood.
pub fn mutations() -> Result<Vec<Mutation>, String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("mutations.toml");
    if !path.exists() {
        return Ok(Vec::new());
    }
    let wrong = |error: &dyn std::fmt::Display| format!("mutations.toml: {error}");
    let text = std::fs::read_to_string(path).map_err(|error| wrong(&error))?;
    let file: File = toml::from_str(&text).map_err(|error| wrong(&error))?;
    Ok(file.mutation)
}

/// A row for each that was noticed.
pub(super) fn write(page: &mut String, mutations: &[Mutation]) {
    let noticed: Vec<(&Mutation, &String)> = mutations
        .iter()
        .filter_map(|mutation| Some((mutation, mutation.caught_by.as_ref()?)))
        .collect();
    if noticed.is_empty() {
        return;
    }
    page.push_str(
        "\n## Does it notice?\nEach of these faults was put into the code by itself (`cargo xtask mutations`), and the suite \
         run on one runtime. The case is the first that failed.\n\n| fault | in | noticed by | on |\n| --- | --- | --- | --- |\n",
    );
    for (mutation, case) in &noticed {
        let (name, file, runtime) = (
            cell(&mutation.name),
            cell(&mutation.file),
            cell(&mutation.runtime),
        );
        writeln!(page, "| {name} | `{file}` | `{case}` | {runtime} |").ok();
    }
    match mutations.len() - noticed.len() {
        0 => {}
        others => {
            writeln!(page, "\nNot noticed, or not tried yet: {others}.").ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_for_each_fault() {
        let file: File = toml::from_str(
            r#"
            [[mutation]]
            name = "a | b"
            file = "crates/host/src/lib.rs"
            line = "x"
            becomes = "y"
            runtime = "wasmi"
            caught_by = "abi/0.2.1/proxy_log/ok"
            failed = 3
            "#,
        )
        .unwrap();
        let mut page = String::new();
        write(&mut page, &file.mutation);
        let row = r"| a \| b | `crates/host/src/lib.rs` | `abi/0.2.1/proxy_log/ok` | wasmi |";
        assert!(page.contains(row), "{page}");
    }

    #[test]
    fn the_file_is_understood_and_none_is_nothing() {
        mutations().unwrap();
        let mut page = String::new();
        write(&mut page, &[]);
        assert_eq!(page, "");
    }
}
