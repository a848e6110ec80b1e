//! Replays the committed corpora, and a fixed number of mutations of them.

use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::{fs, process};

use enginebay_fuzz::TARGETS;
use enginebay_fuzz::mutate::{Random, mutate};

/// Mutations of each target: what takes some seconds in a debug build.
const MUTATIONS: [(&str, usize); 5] = [
    ("pairs", 40_000),
    ("foreign", 20_000),
    ("config", 6_000),
    ("modules", 200),
    ("host_functions", 1_000),
];

fn replay(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).unwrap();
    let (_, mutations) = MUTATIONS.iter().find(|(of, _)| *of == name).unwrap();
    let corpus = corpus(name);
    assert!(!corpus.is_empty(), "{name} has no corpus");
    for (file, input) in &corpus {
        run(name, target.run, input, &file.display().to_string());
    }
    let mut random = Random::new(seed());
    for number in 0..*mutations {
        let (_, input) = &corpus[random.below(corpus.len())];
        let (_, other) = &corpus[random.below(corpus.len())];
        let input = mutate(input, other, &mut random);
        run(name, target.run, &input, &format!("mutation {number}"));
    }
}

/// 1, or another one that is asked for.
fn seed() -> u64 {
    let asked = std::env::var("ENGINEBAY_FUZZ_SEED").ok();
    asked.map_or(1, |seed| seed.parse().expect("ENGINEBAY_FUZZ_SEED is a number"))
}

fn corpus(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
        .into_iter()
        .map(|file| {
            let input = fs::read(&file).unwrap();
            (file, input)
        })
        .collect()
}

fn run(name: &str, target: fn(&[u8]), input: &[u8], what: &str) {
    // Written before, so that it is there after a crash.
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{name}-{}", process::id()));
    fs::write(&file, input).unwrap();
    if catch_unwind(|| target(input)).is_err() {
        panic!("{what} fails; the input is in {}", file.display());
    }
    fs::remove_file(&file).unwrap();
}

#[test]
fn pairs() {
    replay("pairs");
}

#[test]
fn foreign() {
    replay("foreign");
}

#[test]
fn config() {
    replay("config");
}

#[test]
fn modules() {
    replay("modules");
}

#[test]
fn host_functions() {
    replay("host_functions");
}
