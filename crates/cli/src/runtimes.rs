//! `enginebay runtimes`.

use clap::Args;
use serde_json::{Map, Value, json};

use enginebay::Registry;
use enginebay::engine::Runtime;

use crate::error::Error;
use crate::output::{self, Style, Tone};

/// List the runtimes that are compiled in, and what each can do.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  enginebay runtimes --json")]
pub(crate) struct RuntimesArgs {
    /// Write a JSON array.
    #[arg(long)]
    json: bool,
}

/// Writes the list.
pub(crate) fn run(args: &RuntimesArgs) -> Result<(), Error> {
    let registry = enginebay::registry().map_err(|error| Error::new(error.to_string()))?;
    match args.json {
        true => output::write_json(&registry.iter().map(describe).collect::<Vec<_>>()),
        false => output::write(&table(&registry, Style::of_stdout())),
    }
}

fn describe(runtime: &Runtime) -> Value {
    let mut capabilities: Map<String, Value> = runtime
        .capabilities
        .flags()
        .iter()
        .map(|(name, yes)| ((*name).to_owned(), Value::Bool(*yes)))
        .collect();
    capabilities.insert("word_size".to_owned(), runtime.capabilities.word_size.into());
    json!({
        "name": runtime.name,
        "aliases": runtime.aliases,
        "engine": runtime.engine,
        "capabilities": capabilities,
    })
}

/// One row for each property, one column for each runtime: it stays readable however many flags there are.
fn table(registry: &Registry, style: Style) -> String {
    let runtimes: Vec<&Runtime> = registry.iter().collect();
    if runtimes.is_empty() {
        return "No runtime is compiled in.\n".to_owned();
    }
    let mut rows: Vec<(String, Vec<String>)> = vec![
        ("name".to_owned(), column(&runtimes, |r| r.name.to_owned())),
        (
            "aliases".to_owned(),
            column(&runtimes, |r| match r.aliases {
                [] => "-".to_owned(),
                aliases => aliases.join(", "),
            }),
        ),
        ("engine".to_owned(), column(&runtimes, |r| r.engine.to_owned())),
        (
            "word size".to_owned(),
            column(&runtimes, |r| format!("{} bytes", r.capabilities.word_size)),
        ),
    ];
    let names = runtimes[0].capabilities.flags().map(|(name, _)| name);
    for (number, name) in names.into_iter().enumerate() {
        let yes_or_no = column(&runtimes, |r| match r.capabilities.flags()[number].1 {
            true => "yes".to_owned(),
            false => "no".to_owned(),
        });
        rows.push((name.replace('_', " "), yes_or_no));
    }
    let label = rows.iter().map(|(label, _)| label.len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..runtimes.len())
        .map(|i| rows.iter().map(|(_, cells)| cells[i].len()).max().unwrap_or(0))
        .collect();
    let mut out = String::new();
    for (number, (name, cells)) in rows.iter().enumerate() {
        let mut line = format!("{name:label$}");
        for (cell, width) in std::iter::zip(cells, &widths) {
            line += &format!("  {cell:width$}");
        }
        let line = line.trim_end();
        match number {
            0 => out += &style.paint(Tone::Heading, line).to_string(),
            _ => out += line,
        }
        out.push('\n');
    }
    out
}

fn column(runtimes: &[&Runtime], cell: impl Fn(&Runtime) -> String) -> Vec<String> {
    runtimes.iter().map(|runtime| cell(runtime)).collect()
}
