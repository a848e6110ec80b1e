//! What is left out to make a script smaller, larger parts first.

use crate::script::{Action, Arg, Event, ScriptCase, Step};

/// Scripts a little smaller than this one.
pub(crate) fn smaller(case: &ScriptCase) -> Vec<ScriptCase> {
    let mut all: Vec<ScriptCase> = without_parts(&case.events)
        .into_iter()
        .map(|events| ScriptCase { events })
        .collect();
    for (number, event) in case.events.iter().enumerate() {
        for action in simpler_actions(&event.action, &case.events[..number]) {
            let mut new = case.clone();
            new.events[number].action = action;
            all.push(new);
        }
        let mut with = |scripts| {
            let mut new = case.clone();
            new.events[number].scripts = scripts;
            all.push(new);
        };
        if event.scripts.last().is_some_and(Vec::is_empty) {
            let mut scripts = event.scripts.clone();
            scripts.pop();
            with(scripts);
        }
        for (callback, script) in event.scripts.iter().enumerate() {
            let mut with = |script| {
                let mut scripts = event.scripts.clone();
                scripts[callback] = script;
                with(scripts);
            };
            without_parts(script).into_iter().for_each(&mut with);
            for (at, step) in script.iter().enumerate() {
                for simpler in simpler_steps(step) {
                    let mut script = script.clone();
                    script[at] = simpler;
                    with(script);
                }
            }
        }
    }
    all
}

/// A list without each half, quarter, … and single item of it.
pub(crate) fn without_parts<T: Clone>(list: &[T]) -> Vec<Vec<T>> {
    let mut all = Vec::new();
    let mut size = list.len();
    while size > 0 {
        for from in (0..list.len()).step_by(size) {
            let to = (from + size).min(list.len());
            all.push([&list[..from], &list[to..]].concat());
        }
        size /= 2;
    }
    all
}

/// What may do in place of this. Everything can become the log of a plugin, which needs nothing but the plugin; nothing
/// becomes what it was again.
fn simpler_actions(action: &Action, before: &[Event]) -> Vec<Action> {
    let root = before.iter().find_map(|event| match event.action {
        Action::StartPlugin { root, .. } => Some(root),
        _ => None,
    });
    let mut all = Vec::new();
    match action {
        Action::Log(_) | Action::NewVm { .. } | Action::StartPlugin { .. } | Action::DropVm(_) => {}
        _ => all.extend(root.map(Action::Log)),
    }
    match action {
        Action::Foreign {
            root,
            function,
            arguments,
        } if *function != 0 || !arguments.is_empty() => all.push(Action::Foreign {
            root: *root,
            function: 0,
            arguments: Vec::new(),
        }),
        Action::On {
            stream,
            on,
            size,
            end,
        } if *size != 0 || *end => all.push(Action::On {
            stream: *stream,
            on: *on,
            size: 0,
            end: false,
        }),
        _ => {}
    }
    all
}

fn simpler_steps(step: &Step) -> Vec<Step> {
    let mut all = Vec::new();
    for (at, arg) in step.args.iter().enumerate() {
        let simpler = match arg {
            Arg::Num(0) => Vec::new(),
            Arg::Num(_) | Arg::Len => vec![Arg::Num(0)],
            Arg::Out(slot) | Arg::Load(slot) if *slot > 0 => vec![Arg::Num(0), Arg::Out(0)],
            Arg::Out(_) | Arg::Load(_) => vec![Arg::Num(0)],
            Arg::Data(bytes) => {
                let half = bytes[..bytes.len() / 2].to_vec();
                let mut simpler = vec![Arg::Num(0)];
                if !bytes.is_empty() {
                    simpler.extend([Arg::Data(half), Arg::Data(bytes[1..].to_vec())]);
                }
                simpler
            }
            Arg::Pieces(pieces) => std::iter::once(Arg::Num(0))
                .chain(without_parts(pieces).into_iter().map(Arg::Pieces))
                .collect(),
        };
        for simpler in simpler {
            let mut step = step.clone();
            step.args[at] = simpler;
            all.push(step);
        }
    }
    all
}
