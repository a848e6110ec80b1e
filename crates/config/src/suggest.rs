//! "Did you mean": the known name nearest to an unknown one.

/// The name nearest to `given`, if it is near enough for a slip of the finger.
pub(crate) fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Longer input is no slip, and comparing costs its length squared.
    if given.len() > 100 {
        return None;
    }
    let given = given.to_ascii_lowercase();
    let bound = given.chars().count() / 3;
    let distances = known
        .into_iter()
        .map(|name| (distance(&given, &name.to_ascii_lowercase()), name));
    distances
        .filter(|(distance, _)| *distance <= bound)
        .min()
        .map(|(_, name)| name)
}

/// Levenshtein's distance.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (line, a) in left.chars().enumerate() {
        let mut diagonal = line;
        let mut last = line + 1;
        for (b, cell) in right.iter().zip(row.iter_mut().skip(1)) {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = *cell;
            last = replaced.min(last + 1).min(diagonal + 1);
            *cell = last;
        }
        if let Some(first) = row.first_mut() {
            *first = line + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (left, right, expected) in [
            ("", "", 0),
            ("a", "", 1),
            ("", "ab", 2),
            ("kitten", "sitting", 3),
            ("runtimee", "runtime", 1),
        ] {
            assert_eq!(distance(left, right), expected, "{left} {right}");
        }
    }

    #[test]
    fn only_near_names_are_suggested() {
        let known = ["runtime", "code", "vm_id"];
        assert_eq!(nearest("Runtimee", known), Some("runtime"));
        assert_eq!(nearest("cdoe", known), None);
        assert_eq!(nearest("configuration", known), None);
        assert_eq!(nearest("vmid", known), Some("vm_id"));
        assert_eq!(nearest(&"a".repeat(1_000_000), known), None);
    }
}
