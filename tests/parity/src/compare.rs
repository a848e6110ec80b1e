//! Whether two servers did the same, but for what the case lists.

use crate::answer::Answer;
use crate::case::Case;

/// What is not as it should be, as text of several lines each. Nothing if all is well.
pub fn compare(case: &Case, envoy: &Answer, enginebay: &Answer) -> Vec<String> {
    let mut problems = Vec::new();
    for aspect in envoy.aspects(enginebay) {
        let mut theirs = envoy.lines(aspect).to_vec();
        let mut ours = enginebay.lines(aspect).to_vec();
        for difference in case
            .differs
            .iter()
            .filter(|difference| difference.aspect == aspect)
        {
            // Taken away on one side each, so that what both have is missing on the other side.
            let missing = take(&mut theirs, &difference.envoy)
                .map(|line| format!("Envoy: {line}"))
                .or_else(|| take(&mut ours, &difference.enginebay).map(|line| format!("enginebay: {line}")));
            if let Some(line) = missing {
                problems.push(format!(
                    "{aspect}: a difference that is listed, and is not there ({})\n    {line}",
                    difference.row
                ));
            }
        }
        if theirs != ours {
            problems.push(format!("{aspect}:\n{}", diff(&theirs, &ours)));
        }
    }
    for difference in &case.differs {
        if !envoy.aspects(enginebay).contains(&difference.aspect.as_str()) {
            problems.push(format!("{}: there is no such aspect", difference.aspect));
        }
    }
    problems
}

/// Whether Envoy answers as it did when its answer was written down.
pub(crate) fn compare_with_record(recorded: &Answer, answer: &Answer) -> Vec<String> {
    let aspects = recorded.aspects(answer).into_iter();
    aspects
        .filter(|aspect| recorded.lines(aspect) != answer.lines(aspect))
        .map(|aspect| {
            let diff = diff(recorded.lines(aspect), answer.lines(aspect));
            format!("{aspect}: Envoy answered otherwise when it was written down\n{diff}")
        })
        .collect()
}

/// Takes the lines away, each as often as it is there. The first that is not there is given back.
fn take<'a>(from: &mut Vec<String>, lines: &'a [String]) -> Option<&'a String> {
    for line in lines {
        let before = from.len();
        from.retain(|other| other != line);
        if from.len() == before {
            return Some(line);
        }
    }
    None
}

/// Lines that only Envoy has with a minus, lines that only enginebay has with a plus, the others as they are.
fn diff(theirs: &[String], ours: &[String]) -> String {
    // Lengths of the longest common sequences of all ends.
    let mut common = vec![vec![0_usize; ours.len() + 1]; theirs.len() + 1];
    for (i, one) in theirs.iter().enumerate().rev() {
        for (j, other) in ours.iter().enumerate().rev() {
            common[i][j] = match one == other {
                true => common[i + 1][j + 1] + 1,
                false => common[i + 1][j].max(common[i][j + 1]),
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut lines = Vec::new();
    while i < theirs.len() || j < ours.len() {
        if i < theirs.len() && j < ours.len() && theirs[i] == ours[j] {
            lines.push(format!("      {}", theirs[i]));
            i += 1;
            j += 1;
        } else if j == ours.len() || (i < theirs.len() && common[i + 1][j] >= common[i][j + 1]) {
            lines.push(format!("    - {}", theirs[i]));
            i += 1;
        } else {
            lines.push(format!("    + {}", ours[j]));
            j += 1;
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::Difference;

    fn case(differs: &[(&str, &[&str], &[&str])]) -> Case {
        let strings = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect();
        Case {
            differs: differs
                .iter()
                .map(|(aspect, envoy, enginebay)| Difference {
                    row: "row".to_owned(),
                    aspect: (*aspect).to_owned(),
                    envoy: strings(envoy),
                    enginebay: strings(enginebay),
                })
                .collect(),
            ..toml::from_str("about = 'a test'").unwrap()
        }
    }

    fn answer(text: &str) -> Answer {
        Answer::parse(text).unwrap()
    }

    #[test]
    fn the_same_is_no_problem_and_another_line_is() {
        let one = answer("# log\na\nb");
        assert!(compare(&case(&[]), &one, &one).is_empty());
        let problems = compare(&case(&[]), &one, &answer("# log\na\nc"));
        assert_eq!(problems, ["log:\n      a\n    - b\n    + c"]);
        let problems = compare(&case(&[]), &one, &answer("# metrics\nm: 1"));
        assert_eq!(problems.len(), 2);
    }

    #[test]
    fn listed_differences_must_be_there() {
        let (one, other) = (answer("# log\na\nb"), answer("# log\na\nc"));
        let listed = case(&[("log", &["b"], &["c"])]);
        assert!(compare(&listed, &one, &other).is_empty());
        assert_eq!(compare(&listed, &one, &one).len(), 2);
        assert_eq!(compare(&listed, &other, &other).len(), 1);
        let nowhere = case(&[("metrics", &["b"], &[])]);
        assert_eq!(
            compare(&nowhere, &one, &one),
            ["metrics: there is no such aspect"]
        );
        // A line that both have is no difference.
        assert_eq!(compare(&case(&[("log", &["a"], &[])]), &one, &one).len(), 1);
    }
}
