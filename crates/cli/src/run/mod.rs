//! `enginebay run`.

mod args;
mod callouts;
mod diff;
mod exchange;
mod given_properties;
mod json;
mod load;
mod local_reply;
mod outcome;
mod platform;
mod properties;
mod report;
mod stream;
mod upstreams;
pub(crate) mod values;

use std::process::ExitCode;

use bytes::Bytes;
use enginebay::HeaderMap;

pub(crate) use args::RunArgs;
use exchange::Given;
use given_properties::GivenProperties;
use outcome::{Ending, Message, Outcome};
use values::Header;

use crate::error::Error;
use crate::output::{self, Style};

/// Runs the exchange on every runtime that was asked for, and writes what happened.
pub(crate) fn run(args: &RunArgs) -> Result<ExitCode, Error> {
    let registry = enginebay::registry().map_err(|error| Error::new(error.to_string()))?;
    let runtimes = load::choose(args, &registry)?;
    let given = given(args)?;
    let setup = load::Setup::new(args)?;
    let mut outcomes = Vec::new();
    for runtime in runtimes {
        let outcome = setup.run(runtime, &given)?;
        if args.json {
            output::write_json(&json::Line::new(&outcome))?;
        }
        outcomes.push(outcome);
    }
    if !args.json {
        output::write(&report::text(&given, &outcomes, Style::of_stdout()))?;
        not_started(args, &outcomes);
    }
    Ok(match outcomes.iter().any(|outcome| outcome.failure.is_some()) {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    })
}

/// One line for each reason why the plugin didn't start.
fn not_started(args: &RunArgs, outcomes: &[Outcome]) {
    let mut said: Vec<String> = Vec::new();
    for outcome in outcomes.iter().filter(|o| o.ending == Ending::NotStarted) {
        let Some(failure) = &outcome.failure else { continue };
        let error = Error::about(&args.plugin, failure).to_string();
        if !said.contains(&error) {
            said.push(error);
        }
    }
    for message in said {
        output::error(&Error::new(message));
    }
}

/// The exchange that the flags describe.
fn given(args: &RunArgs) -> Result<Given, Error> {
    let body = match &args.request.body {
        Some(text) => text.read("--body")?,
        None => Bytes::new(),
    };
    let response_body = match &args.response.response_body {
        Some(text) => text.read("--response-body")?,
        None => Bytes::new(),
    };
    let method = match (&args.request.method, body.is_empty()) {
        (Some(method), _) => method,
        (None, true) => "GET",
        (None, false) => "POST",
    };
    let status = args.response.status.to_string();
    let request_pseudo = [
        (":authority", args.request.authority.as_str()),
        (":path", &args.request.path),
        (":method", method),
        (":scheme", &args.request.scheme),
    ];
    Ok(Given {
        request: message(
            "--header",
            &request_pseudo,
            &args.request.headers,
            body,
            trailers("--trailer", &args.request.trailers)?,
        )?,
        response: message(
            "--response-header",
            &[(":status", &status)],
            &args.response.response_headers,
            response_body,
            trailers("--response-trailer", &args.response.response_trailers)?,
        )?,
        chunk_size: args
            .request
            .chunk_size
            .and_then(|size| usize::try_from(size).ok())
            .unwrap_or(usize::MAX),
        properties: GivenProperties::new(&args.request.properties)?,
    })
}

fn message(
    flag: &str,
    pseudo: &[(&str, &str)],
    given: &[Header],
    body: Bytes,
    trailers: HeaderMap,
) -> Result<Message, Error> {
    let mut headers = HeaderMap::new();
    for (name, value) in pseudo {
        headers
            .add(name, value)
            .map_err(|error| Error::about(name, error))?;
    }
    for header in given {
        let Header { name, value } = header;
        // There is one of each pseudo-header, so one that is given replaces the flag's.
        let result = match name.starts_with(':') {
            true => headers.set(name, value),
            false => headers.add(name, value),
        };
        result.map_err(|error| Error::about(format_args!("{flag} {name}"), error))?;
    }
    let framed = headers.get("content-length").is_some() || headers.get("transfer-encoding").is_some();
    if !body.is_empty() && trailers.is_empty() && !framed {
        headers
            .add("content-length", body.len().to_string())
            .map_err(|error| Error::about("content-length", error))?;
    }
    Ok(Message {
        headers,
        body,
        trailers,
    })
}

fn trailers(flag: &str, given: &[Header]) -> Result<HeaderMap, Error> {
    let mut map = HeaderMap::new();
    for Header { name, value } in given {
        if name.starts_with(':') {
            return Err(Error::about(
                format_args!("{flag} {name}"),
                "there are no pseudo-headers in trailers",
            ));
        }
        map.add(name, value)
            .map_err(|error| Error::about(format_args!("{flag} {name}"), error))?;
    }
    Ok(map)
}
