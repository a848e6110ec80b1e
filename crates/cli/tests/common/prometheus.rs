//! Prometheus, as far as it reads what others write.

use std::collections::{BTreeMap, HashSet};

use regex::Regex;

/// Reads the text format as strictly as it is specified: each metric has its type once and before its lines, which follow each
/// other; no line comes twice; buckets grow. What comes back has the values by what stands before them.
pub(crate) fn read(text: &str) -> BTreeMap<String, f64> {
    let name = Regex::new("^[a-zA-Z_:][a-zA-Z0-9_:]*$").unwrap();
    let label = r#"[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*""#;
    let line = format!(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)\{{(?:{label}(?:,{label})*)?\}} (\S+)$");
    let line = Regex::new(&line).unwrap();
    assert!(text.ends_with('\n'));
    let (mut types, mut values) = (HashSet::new(), BTreeMap::new());
    let (mut family, mut kind, mut bucket) = (String::new(), String::new(), 0.0);
    for row in text.lines() {
        if let Some(declared) = row.strip_prefix("# TYPE ") {
            let (of, what) = declared.split_once(' ').unwrap();
            assert!(name.is_match(of), "{row}");
            assert!(types.insert(of.to_owned()), "twice: {row}");
            (family, kind, bucket) = (of.to_owned(), what.to_owned(), 0.0);
            continue;
        }
        let parts = line.captures(row).unwrap_or_else(|| panic!("not a line: {row}"));
        let value: f64 = parts[2].parse().unwrap();
        let ending = parts[1]
            .strip_prefix(family.as_str())
            .unwrap_or_else(|| panic!("{row} in {family}"));
        match (kind.as_str(), ending) {
            ("counter" | "gauge", "") | ("histogram", "_sum" | "_count") => {}
            ("histogram", "_bucket") => {
                assert!(value >= bucket, "{row}");
                bucket = value;
            }
            _ => panic!("{row} in {kind} {family}"),
        }
        let (whole, _) = row.rsplit_once(' ').unwrap();
        assert!(values.insert(whole.to_owned(), value).is_none(), "twice: {row}");
    }
    values
}
