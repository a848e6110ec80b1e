//! What became of a message: headers entry by entry, bodies line by line.

use enginebay::HeaderMap;

/// One step from before to after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change<T> {
    Kept(T),
    Removed(T),
    Added(T),
    /// The first became the second.
    Became(T, T),
}

type Entry<'a> = (&'a [u8], &'a [u8]);

/// The difference between two header maps. Headers that changed their value in place, or lost and gained one of
/// the same name side by side, are [`Change::Became`].
pub(super) fn headers<'a>(before: &'a HeaderMap, after: &'a HeaderMap) -> Vec<Change<Entry<'a>>> {
    let before: Vec<Entry<'a>> = before.iter().collect();
    let after: Vec<Entry<'a>> = after.iter().collect();
    pair_up(sequence(&before, &after), |a, b| a.0 == b.0)
}

/// The difference between two lists: as few additions and removals as there can be.
pub(super) fn sequence<T: PartialEq + Copy>(before: &[T], after: &[T]) -> Vec<Change<T>> {
    let prefix = std::iter::zip(before, after).take_while(|(a, b)| a == b).count();
    let (head, before) = before.split_at(prefix);
    let after = &after[prefix..];
    let suffix = std::iter::zip(before.iter().rev(), after.iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    let (before, tail) = before.split_at(before.len() - suffix);
    let after = &after[..after.len() - suffix];

    // Length of the longest common subsequence of what starts at (i, j).
    let width = after.len() + 1;
    let mut lengths = vec![0u32; (before.len() + 1) * width];
    for i in (0..before.len()).rev() {
        for j in (0..after.len()).rev() {
            lengths[i * width + j] = match before[i] == after[j] {
                true => lengths[(i + 1) * width + j + 1] + 1,
                false => lengths[(i + 1) * width + j].max(lengths[i * width + j + 1]),
            };
        }
    }
    let mut changes: Vec<Change<T>> = head.iter().copied().map(Change::Kept).collect();
    let (mut i, mut j) = (0, 0);
    while i < before.len() || j < after.len() {
        if i < before.len() && j < after.len() && before[i] == after[j] {
            changes.push(Change::Kept(before[i]));
            i += 1;
            j += 1;
        } else if j == after.len()
            || (i < before.len() && lengths[(i + 1) * width + j] >= lengths[i * width + j + 1])
        {
            changes.push(Change::Removed(before[i]));
            i += 1;
        } else {
            changes.push(Change::Added(after[j]));
            j += 1;
        }
    }
    changes.extend(tail.iter().copied().map(Change::Kept));
    changes
}

/// Makes one change of a removal and an addition of the same thing with nothing kept between them.
fn pair_up<T: Copy>(changes: Vec<Change<T>>, same: impl Fn(T, T) -> bool) -> Vec<Change<T>> {
    let mut out: Vec<Change<T>> = Vec::with_capacity(changes.len());
    // Where the run of changes without anything kept starts.
    let mut run = 0;
    for change in changes {
        match change {
            Change::Kept(_) => {
                out.push(change);
                run = out.len();
            }
            Change::Added(new) => {
                let removed = out[run..]
                    .iter_mut()
                    .find(|old| matches!(old, Change::Removed(old) if same(*old, new)));
                match removed {
                    Some(slot) => {
                        if let Change::Removed(old) = *slot {
                            *slot = Change::Became(old, new);
                        }
                    }
                    None => out.push(Change::Added(new)),
                }
            }
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::Change::*;
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.add(name, value).unwrap();
        }
        map
    }

    fn shown(before: &[(&str, &str)], after: &[(&str, &str)]) -> Vec<String> {
        let text = |entry: Entry<'_>| {
            let text = String::from_utf8_lossy;
            format!("{}={}", text(entry.0), text(entry.1))
        };
        headers(&map(before), &map(after))
            .into_iter()
            .map(|change| match change {
                Kept(e) => format!("  {}", text(e)),
                Removed(e) => format!("- {}", text(e)),
                Added(e) => format!("+ {}", text(e)),
                Became(a, b) => format!("~ {} > {}", text(a), text(b)),
            })
            .collect()
    }

    #[test]
    fn additions_removals_and_changes() {
        assert_eq!(
            shown(&[("a", "1"), ("b", "2")], &[("a", "1"), ("b", "2"), ("c", "3")]),
            ["  a=1", "  b=2", "+ c=3"]
        );
        assert_eq!(
            shown(&[("a", "1"), ("b", "2"), ("c", "3")], &[("a", "1"), ("c", "3")]),
            ["  a=1", "- b=2", "  c=3"]
        );
        assert_eq!(
            shown(&[("a", "1"), ("b", "2")], &[("a", "9"), ("b", "2")]),
            ["~ a=1 > a=9", "  b=2"]
        );
        assert_eq!(shown(&[], &[("a", "1")]), ["+ a=1"]);
        assert_eq!(shown(&[("a", "1")], &[]), ["- a=1"]);
    }

    #[test]
    fn repeated_names_are_entries_of_their_own() {
        assert_eq!(
            shown(&[("a", "1"), ("a", "2")], &[("a", "1"), ("a", "2"), ("a", "1")]),
            ["  a=1", "  a=2", "+ a=1"]
        );
        assert_eq!(
            shown(&[("a", "1"), ("a", "2")], &[("a", "3")]),
            ["~ a=1 > a=3", "- a=2"]
        );
    }

    #[test]
    fn a_replaced_map_pairs_what_it_can() {
        assert_eq!(
            shown(&[("a", "1"), ("b", "2")], &[("b", "3"), ("c", "4")]),
            ["- a=1", "~ b=2 > b=3", "+ c=4"]
        );
    }

    #[test]
    fn the_steps_lead_from_before_to_after() {
        let lists: [&[u8]; 6] = [b"", b"a", b"abcabba", b"cbabac", b"xaxbxc", b"abc"];
        for before in lists {
            for after in lists {
                let steps = sequence(before, after);
                let old: Vec<u8> = steps
                    .iter()
                    .filter(|s| matches!(s, Kept(_) | Removed(_)))
                    .map(value)
                    .collect();
                let new: Vec<u8> = steps
                    .iter()
                    .filter(|s| matches!(s, Kept(_) | Added(_)))
                    .map(value)
                    .collect();
                assert_eq!((old.as_slice(), new.as_slice()), (before, after));
            }
        }
        fn value(step: &Change<u8>) -> u8 {
            match step {
                Kept(v) | Removed(v) | Added(v) | Became(_, v) => *v,
            }
        }
    }
}
