//! The cases in their files, and Envoy's answers to them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use crate::answer::Answer;
use crate::case::Case;

/// The folder of this crate.
#[derive(Clone, Debug)]
pub struct Corpus(PathBuf);

impl Corpus {
    /// The corpus of the checkout with this root.
    pub fn of(root: &Path) -> Self {
        Corpus(root.join("tests").join("parity"))
    }

    /// All cases, by name.
    ///
    /// # Errors
    ///
    /// A file can't be read, or is no case.
    pub fn cases(&self) -> Result<Vec<Case>> {
        let mut cases = Vec::new();
        let pattern = self.0.join("cases").join("*").join("*.toml");
        let pattern = pattern.to_str().context("the path is not UTF-8")?;
        for path in glob::glob(pattern)? {
            let path = path?;
            let case = read(&path).with_context(|| path.display().to_string())?;
            cases.push(case);
        }
        cases.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(cases)
    }

    fn answer_path(&self, case: &str) -> PathBuf {
        self.0.join("answers").join(format!("{case}.txt"))
    }

    /// What Envoy answered to the case when somebody wrote it down.
    ///
    /// # Errors
    ///
    /// There is no such file, or it is no answer.
    pub fn recorded(&self, case: &str) -> Result<Answer> {
        let path = self.answer_path(case);
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        Answer::parse(&text).with_context(|| path.display().to_string())
    }

    /// Writes Envoy's answer down.
    ///
    /// # Errors
    ///
    /// The file can't be written.
    pub fn record(&self, case: &str, answer: &Answer) -> Result<()> {
        let path = self.answer_path(case);
        let folder = path.parent().context("no folder")?;
        fs::create_dir_all(folder)?;
        fs::write(&path, answer.to_string()).with_context(|| path.display().to_string())
    }

    /// The names of all answers that are written down.
    ///
    /// # Errors
    ///
    /// The folder can't be read.
    pub fn recorded_names(&self) -> Result<BTreeSet<String>> {
        let pattern = self.0.join("answers").join("*").join("*.txt");
        let pattern = pattern.to_str().context("the path is not UTF-8")?;
        glob::glob(pattern)?.map(|path| name(&path?)).collect()
    }
}

/// `AREA/NAME` of a file.
fn name(path: &Path) -> Result<String> {
    let area = path.parent().and_then(Path::file_name);
    let parts = area.zip(path.file_stem());
    let parts = parts.and_then(|(area, name)| Some((area.to_str()?, name.to_str()?)));
    let (area, name) = parts.context("a name that is not UTF-8")?;
    Ok(format!("{area}/{name}"))
}

fn read(path: &Path) -> Result<Case> {
    let mut case: Case = toml::from_str(&fs::read_to_string(path)?)?;
    case.name = name(path)?;
    check(&case)?;
    Ok(case)
}

/// What the types don't say.
fn check(case: &Case) -> Result<()> {
    ensure!(!case.about.trim().is_empty(), "no word about it");
    ensure!(!case.plugin.is_empty(), "no plugin");
    for plugin in &case.plugin {
        let codes = [
            plugin.guest.is_some(),
            plugin.wat.is_some(),
            plugin.bytes.is_some(),
            plugin.code.is_some(),
        ];
        if codes.iter().filter(|there| **there).count() != 1 {
            bail!("{}: one of guest, wat, bytes and code", plugin.name);
        }
    }
    ensure!(
        case.refused.is_empty() || case.step.is_empty(),
        "a server that refuses can't be asked"
    );
    ensure!(
        !case.refused.is_empty() || !case.step.is_empty(),
        "nothing is asked"
    );
    for step in &case.step {
        let kinds = [
            step.request.is_some(),
            step.wait_log.is_some(),
            step.sleep_ms.is_some(),
        ];
        if kinds.iter().filter(|there| **there).count() != 1 {
            bail!("a step is one of request, wait_log and sleep_ms");
        }
        ensure!(step.trailers.is_empty() || step.http2, "trailers take http2");
    }
    for difference in &case.differs {
        ensure!(
            !difference.envoy.is_empty() || !difference.enginebay.is_empty(),
            "{}: without a line",
            difference.row
        );
    }
    Ok(())
}
