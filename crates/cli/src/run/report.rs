//! The outcome for people.

use std::fmt::Display;

use enginebay::HeaderMap;

use super::diff::{self, Change};
use super::exchange::Given;
use super::outcome::{Callout, CalloutKind, Came, Ending, Message, Outcome};
use crate::output::{Style, Tone, escape, escape_bytes};

/// Lines of a body that are shown.
const BODY_LINES: usize = 20;
/// Lines of a body that are compared; beyond that, comparing takes longer than anybody wants to read.
const COMPARED_LINES: usize = 500;
/// Characters of a line that are shown.
const LINE_LENGTH: usize = 400;
/// Log messages that are shown.
const LOG_LINES: usize = 200;
/// Calls that are shown.
const CALL_LINES: usize = 60;

/// Everything that happened: runtimes that did the same share one description.
pub(super) fn text(given: &Given, outcomes: &[Outcome], style: Style) -> String {
    let mut groups: Vec<Vec<&Outcome>> = Vec::new();
    for outcome in outcomes {
        match groups.iter_mut().find(|group| group[0].same_as(outcome)) {
            Some(group) => group.push(outcome),
            None => groups.push(vec![outcome]),
        }
    }
    let mut page = Page {
        out: String::new(),
        style,
    };
    for group in &groups {
        page.group(given, group);
    }
    match (groups.len(), outcomes.len()) {
        // What didn't start has its own line elsewhere.
        _ if page.out.is_empty() => {}
        (1, 0 | 1) => {}
        (1, n) => page.line(style.paint(Tone::Heading, format_args!("same result on {n} runtimes"))),
        (groups, n) => page.line(style.paint(
            Tone::Removed,
            format_args!("{groups} different results on {n} runtimes"),
        )),
    }
    page.out
}

struct Page {
    out: String,
    style: Style,
}

impl Page {
    fn line(&mut self, text: impl Display) {
        self.out += &format!("{text}\n");
    }

    fn heading(&mut self, text: impl Display) {
        let text = self.style.paint(Tone::Heading, text);
        self.line(text);
    }

    fn toned(&mut self, tone: Tone, sign: char, text: &str) {
        let cut = cut(text);
        let line = self.style.paint(tone, format!("  {sign} {cut}"));
        self.line(line);
    }

    fn plain(&mut self, text: &str) {
        self.out += &format!("    {}\n", cut(text));
    }

    fn group(&mut self, given: &Given, group: &[&Outcome]) {
        let first = group[0];
        if first.ending == Ending::NotStarted {
            let telling = !first.logs.is_empty() || group.iter().any(|o| error(o).lines().count() > 1);
            if !telling {
                return;
            }
        }
        let names: Vec<&str> = group.iter().map(|outcome| outcome.runtime).collect();
        self.heading(names.join(", "));
        self.line("");
        if first.ending != Ending::NotStarted {
            self.heading("request");
            self.message(&given.request, &first.request);
            if let Some(response) = &first.response {
                self.heading("response");
                self.message(&given.response, response);
            }
        }
        self.callouts(first);
        self.notes(first);
        self.log(first);
        self.failures(group);
        if first.ending != Ending::NotStarted {
            self.calls(group);
        }
    }

    fn message(&mut self, before: &Message, after: &Message) {
        self.headers(&before.headers, &after.headers);
        self.body(&before.body, &after.body);
        if !before.trailers.is_empty() || !after.trailers.is_empty() {
            self.line("    trailers");
            self.headers(&before.trailers, &after.trailers);
        }
        self.line("");
    }

    fn headers(&mut self, before: &HeaderMap, after: &HeaderMap) {
        let header = |(name, value): (&[u8], &[u8])| {
            format!("{}: {}", escape_bytes(name), escape_bytes(value))
                .trim_end()
                .to_owned()
        };
        for change in diff::headers(before, after) {
            match change {
                Change::Kept(entry) => self.plain(&header(entry)),
                Change::Removed(entry) => self.toned(Tone::Removed, '-', &header(entry)),
                Change::Added(entry) => self.toned(Tone::Added, '+', &header(entry)),
                Change::Became(old, new) => {
                    let text = format!("{} → {}", header(old), escape_bytes(new.1));
                    self.toned(Tone::Changed, '~', &text);
                }
            }
        }
    }

    fn body(&mut self, before: &[u8], after: &[u8]) {
        if before.is_empty() && after.is_empty() {
            return;
        }
        match before == after {
            true => self.line(format_args!("    body: {}", bytes(after.len()))),
            false => self.toned(
                Tone::Changed,
                '~',
                &format!("body: {} → {}", bytes(before.len()), bytes(after.len())),
            ),
        }
        let (Ok(before), Ok(after)) = (std::str::from_utf8(before), std::str::from_utf8(after)) else {
            return self.line("    (not text)");
        };
        let before: Vec<&str> = before.lines().collect();
        let after: Vec<&str> = after.lines().collect();
        if before.len().max(after.len()) > COMPARED_LINES {
            return self.line("    (too many lines to show)");
        }
        let changes = diff::sequence(&before, &after);
        for change in changes.iter().take(BODY_LINES) {
            match change {
                Change::Kept(line) => self.plain(&escape(line)),
                Change::Removed(line) => self.toned(Tone::Removed, '-', &escape(line)),
                Change::Added(line) | Change::Became(_, line) => self.toned(Tone::Added, '+', &escape(line)),
            }
        }
        self.more(changes.len(), BODY_LINES, "lines");
    }

    fn more(&mut self, there: usize, shown: usize, what: &str) {
        if there > shown {
            let text = self
                .style
                .paint(Tone::Dim, format!("    … {} more {what}", there - shown));
            self.line(text);
        }
    }

    /// What the messages alone don't tell.
    fn notes(&mut self, outcome: &Outcome) {
        let before = self.out.len();
        if let Some(reply) = &outcome.local_reply {
            let details = match reply.details.is_empty() {
                true => String::new(),
                false => format!(" ({})", cut(&escape(&reply.details))),
            };
            self.line(format_args!("local reply from {}{details}", reply.from));
        }
        match outcome.ending {
            Ending::Done | Ending::NotStarted => {}
            Ending::RequestPaused(at) => self.line(format_args!(
                "the request is paused in {at} and would wait: nothing here resumes it"
            )),
            Ending::ResponsePaused(at) => self.line(format_args!(
                "the response is paused in {at} and would wait: nothing here resumes it"
            )),
            Ending::Closed(at) => self.line(format_args!("the plugin closed the stream in {at}")),
            Ending::Cut(at) => self.line(format_args!(
                "the response is cut off in {at}: its headers had left already"
            )),
        }
        if self.out.len() != before {
            self.line("");
        }
    }

    fn callouts(&mut self, outcome: &Outcome) {
        let refused = outcome.callouts_refused;
        if outcome.callouts.is_empty() && refused == 0 {
            return;
        }
        self.heading("callouts");
        for callout in outcome.callouts.iter().take(CALL_LINES) {
            self.plain(&shown(callout));
        }
        self.more(outcome.callouts.len(), CALL_LINES, "callouts");
        if refused > 0 {
            self.line(format_args!(
                "    {refused} more were refused: that is too many for a run"
            ));
        }
        let unknown = outcome
            .callouts
            .iter()
            .find(|callout| callout.came == Came::Unknown);
        if let Some(callout) = unknown {
            let name = escape(&callout.upstream);
            self.plain(&format!(
                "give an upstream its answer with --upstream '{name}=200'"
            ));
        }
        self.line("");
    }

    fn log(&mut self, outcome: &Outcome) {
        if outcome.logs.is_empty() {
            return;
        }
        self.heading("log");
        for log in outcome.logs.iter().take(LOG_LINES) {
            let level = log.level.name().to_ascii_lowercase();
            for (number, line) in log.message.trim_end().lines().enumerate() {
                let level = if number == 0 { &*level } else { "" };
                self.plain(&format!("{level:<8} {}", escape(line)));
            }
        }
        self.more(outcome.logs.len(), LOG_LINES, "messages");
        self.line("");
    }

    fn failures(&mut self, group: &[&Outcome]) {
        let Some(state) = group[0].failure.as_ref().map(|failure| failure.state()) else {
            return;
        };
        let alike = group.iter().all(|outcome| error(outcome) == error(group[0]));
        let each = if alike { &group[..1] } else { group };
        for outcome in each {
            let on = match alike {
                true => String::new(),
                false => format!(" on {}", outcome.runtime),
            };
            let heading = self.style.paint(Tone::Removed, format!("failed: {state}{on}"));
            self.line(heading);
            for line in error(outcome).lines() {
                self.plain(&escape(line));
            }
            self.line("");
        }
    }

    /// A row for each call, a column for each runtime.
    fn calls(&mut self, group: &[&Outcome]) {
        let mut rows = vec![(
            "load".to_owned(),
            group.iter().map(|outcome| outcome.load).collect::<Vec<_>>(),
        )];
        for (number, call) in group[0].calls.iter().enumerate().take(CALL_LINES) {
            let label = match call.action {
                Some(action) => format!("{:<16} {action}", call.name),
                None => call.name.to_owned(),
            };
            // Outcomes of one group have the same calls.
            let times = group
                .iter()
                .filter_map(|outcome| outcome.calls.get(number))
                .map(|call| call.took);
            rows.push((label, times.collect()));
        }
        let width = rows.iter().map(|(label, _)| label.len()).max().unwrap_or(0);
        let mut heading = format!("{:<1$}", "calls", width + 4);
        for outcome in group {
            let short = outcome.runtime.rsplit('.').next().unwrap_or(outcome.runtime);
            let short = if group.len() == 1 { "time" } else { short };
            heading += &format!("  {short:>12}");
        }
        self.heading(heading);
        for (label, times) in rows {
            let mut line = format!("    {label:<width$}");
            for time in times {
                line += &format!("  {:>9.1} µs", time.as_secs_f64() * 1e6);
            }
            self.line(line);
        }
        self.more(group[0].calls.len(), CALL_LINES, "calls");
        self.line("");
    }
}

fn shown(callout: &Callout) -> String {
    let what = match callout.came {
        Came::Answer(status, size) => match callout.kind {
            CalloutKind::Http => format!("{status}, body: {}", bytes(size)),
            CalloutKind::GrpcCall | CalloutKind::GrpcStream => {
                format!("status {status}, message: {}", bytes(size))
            }
        },
        Came::Timeout => "timeout".to_owned(),
        Came::Error => "no response".to_owned(),
        Came::Cancelled => "cancelled".to_owned(),
        Came::Unknown => "there is no such upstream".to_owned(),
    };
    let (method, path) = (escape(&callout.method), escape(&callout.path));
    format!(
        "{} {method} {path} to {}: {what}",
        callout.kind.name(),
        escape(&callout.upstream)
    )
}

fn error(outcome: &Outcome) -> String {
    outcome
        .failure
        .as_ref()
        .map(ToString::to_string)
        .unwrap_or_default()
}

fn bytes(len: usize) -> String {
    match len {
        0 => "none".to_owned(),
        1 => "1 byte".to_owned(),
        n => format!("{n} bytes"),
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(LINE_LENGTH) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}
