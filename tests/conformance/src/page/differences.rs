//! Where cases are not what the specification, or Envoy, says.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::totals::cell;
use crate::group::Group;

/// Each reason once, with the cases that have it.
pub(super) fn write(page: &mut String, groups: &[Group]) {
    let mut names: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for case in groups.iter().flat_map(Group::cases) {
        if let Some(why) = case.differs {
            let names = names.entry(why).or_default();
            if !names.contains(&case.name.as_str()) {
                names.push(&case.name);
            }
        }
    }
    page.push_str(
        "\n## Where documents and Envoy disagree\nThen a case is for what plugins on Envoy rely on, or says why not. The \
         server's own differences are in [envoy-differences.md](envoy-differences.md).\n\n| what | cases |\n| --- | --- |\n",
    );
    for (why, names) in names {
        let more = match names.len() {
            ..=3 => String::new(),
            count => format!(" and {} more", count - 3),
        };
        let names: Vec<String> = names.iter().take(3).map(|name| format!("`{name}`")).collect();
        writeln!(page, "| {} | {}{more} |", cell(why), names.join(", ")).ok();
    }
}
