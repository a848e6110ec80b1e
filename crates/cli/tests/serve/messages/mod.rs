//! Every message, answer and number that users of Envoy see of plugins: `table.md` says which test shows it.

mod answers;
mod guest;
mod life;
mod logs;
mod starts;
mod traps;

use std::path::Path;

const TABLE: &str = include_str!("table.md");
const DIFFERENCES: &str = include_str!("../../../../../docs/envoy-differences.md");

#[test]
fn every_message_has_its_test() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/serve");
    let rows = TABLE.lines().filter(|line| {
        line.starts_with("| ") && !line.starts_with("| what |") && !line.starts_with("| --- |")
    });
    let mut count = 0;
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let &[what, words, test, difference] = cells.as_slice() else {
            panic!("four cells are expected: {row}")
        };
        // Blanks at the ends count.
        let words = words
            .strip_prefix('`')
            .and_then(|words| words.strip_suffix('`'))
            .unwrap();
        let (file, name) = test.trim_matches('`').split_once("::").unwrap();
        let text =
            std::fs::read_to_string(folder.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert!(
            text.contains(&format!("fn {name}()")),
            "{what}: there is no {test}"
        );
        assert!(text.contains(words), "{what}: {file} does not say {words}");
        let begin = format!("\n| {difference}");
        assert!(DIFFERENCES.contains(&begin), "{what}: no difference {difference}");
        count += 1;
    }
    assert!(count > 50, "{count} rows");
}
