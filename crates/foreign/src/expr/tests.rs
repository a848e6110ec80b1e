use std::time::Duration;

use enginebay_abi::values::{Value, decode_bool, decode_int, encode_list, encode_map};
use enginebay_abi::{LogLevel, Status, pairs};
use proptest::prelude::*;
use prost::Message;

use super::compile::compile;
use crate::Limits;
use crate::messages::DeclarePropertyArguments;
use crate::testing::Vm;

fn vm() -> Vm {
    let headers = [("x", "1"), ("accept", "text/html"), (":path", "/a?b=c")];
    Vm::default()
        .with(&["request", "path"], "/a?b=c")
        .with(&["request", "method"], "GET")
        .with(&["request", "headers"], pairs::encode(headers).unwrap())
        .with(&["request", "headers", "x"], "1")
        .with(&["request", "headers", "accept"], "text/html")
        .with(&["request", "size"], Value::Int(7).encode())
        .with(
            &["request", "time"],
            Value::Int(1_500_000_000_000_000_000).encode(),
        )
        .with(
            &["request", "duration"],
            Value::from(Duration::from_millis(1_500)).encode(),
        )
        .with(&["source", "port"], Value::Int(1234).encode())
        .with(&["connection", "id"], Value::Uint(5).encode())
        .with(&["connection", "mtls"], Value::Bool(true).encode())
        .with(&["plugin_name"], "p")
        .with(&["node", "id"], "n")
        .with(&["metadata", "filter_metadata", "a", "b"], "m")
        .with(&["filter_state", "k"], "state")
        .with(&["custom"], "own")
        .with(&["response", "code"], "no number")
}

impl Vm {
    fn create(&mut self, text: &str) -> Result<u32, Status> {
        let token = self.call("expr_create", text)?;
        Ok(u32::from_le_bytes(token.try_into().unwrap()))
    }

    fn eval(&mut self, text: &str) -> Result<Vec<u8>, Status> {
        let token = self.create(text)?.to_le_bytes();
        let value = self.call("expr_evaluate", token);
        assert_eq!(self.call("expr_delete", token), Ok(Vec::new()));
        value
    }

    /// Whether an expression is true; what else it is is shown.
    #[track_caller]
    fn holds(&mut self, text: &str) {
        let value = self.eval(text);
        let truth = value.as_deref().ok().and_then(decode_bool);
        assert_eq!(truth, Some(true), "{text}: {value:?} {:?}", self.logged());
    }

    /// Whether an expression's value is an error.
    #[track_caller]
    fn fails(&mut self, text: &str) {
        assert_eq!(self.eval(text), Err(Status::InternalFailure), "{text}");
    }
}

#[test]
fn attributes_have_their_types() {
    let mut vm = vm();
    for text in [
        "request.path == '/a?b=c' && request.method == 'GET'",
        "request.headers['x'] == '1' && request.headers.accept.startsWith('text/')",
        "'x' in request.headers && !('y' in request.headers)",
        "has(request.headers.x) && !has(request.headers.y) && has(request.headers) && !has(request.query)",
        "request.size == 7 && type(request.size) == int",
        "request.time == timestamp('2017-07-14T02:40:00Z') && request.time.getFullYear() == 2017",
        "request.duration > duration('1s') && request.duration.getMilliseconds() == 500",
        "source.port == 1234 && connection.id == 5u && connection.mtls",
        "type(connection.id) == uint",
        "plugin_name == 'p' && node.id == 'n'",
        "metadata.filter_metadata['a']['b'] == 'm' && metadata.filter_metadata.a.b == 'm'",
        "filter_state['k'] == b'state'",
        "custom == b'own' && string(custom) == 'own'",
        "size(request.headers) == 3 && request.headers.size() == 3",
        "request.headers.exists(name, name == 'accept')",
        "request.headers.all(name, name == ':path' || request.headers[name] != '')",
    ] {
        vm.holds(text);
    }
    for text in [
        "request.query == ''",
        "request.headers['none']",
        "request.headers[1] == ''",
        "nothing == 1",
        "nothing.at.all",
        "response.code == 200",
        "request.path.x",
        "request['pa\\u0000th'] == ''",
        "request.path + 1 == ''",
    ] {
        vm.fails(text);
    }
}

#[test]
fn nothing_is_computed_that_no_expression_asks_for() {
    let mut vm = vm();
    vm.holds("request.method == 'GET' || request.path == '/'");
    assert_eq!(vm.asked(), ["request.method"]);
    vm.holds("request.method == 'GET' ? source.port > 0 : request.path == '/'");
    assert_eq!(vm.asked(), ["request.method", "source.port"]);
    vm.holds("request.headers['x'] == '1'");
    assert_eq!(vm.asked(), ["request.headers.x"]);
    let token = vm.create("request.path").unwrap();
    assert_eq!(token, 3);
    assert!(vm.asked().is_empty());
}

#[test]
fn values_are_written_as_properties_are() {
    let mut vm = vm();
    for (text, expected) in [
        ("request.path", b"/a?b=c".to_vec()),
        ("b'\\xff\\x00'", b"\xff\0".to_vec()),
        ("request.size + 1", 8i64.to_le_bytes().to_vec()),
        ("18446744073709551615u", u64::MAX.to_le_bytes().to_vec()),
        ("1.5", 1.5f64.to_le_bytes().to_vec()),
        ("true", vec![1]),
        ("request.duration", 1_500_000_000i64.to_le_bytes().to_vec()),
        (
            "request.time",
            1_500_000_000_000_000_000i64.to_le_bytes().to_vec(),
        ),
        // Beyond what 64 bits of nanoseconds reach.
        (
            "timestamp('9999-01-01T00:00:00Z')",
            i64::MAX.to_le_bytes().to_vec(),
        ),
        (
            "timestamp('0001-01-01T00:00:00Z')",
            i64::MIN.to_le_bytes().to_vec(),
        ),
        ("['a', request.method]", encode_list(["a", "GET"]).unwrap()),
        ("{'a': 1, 'b': 2}", encode_map([("a", 1i64), ("b", 2)]).unwrap()),
        ("[]", vec![0; 4]),
        ("metadata.filter_metadata.a.b", b"m".to_vec()),
    ] {
        assert_eq!(vm.eval(text), Ok(expected), "{text}");
    }
    let headers = vm.eval("request.headers").unwrap();
    assert_eq!(pairs::decode(&headers).unwrap().count(), 3);
    for text in ["null", "int", "[null]", "{'a': type(1)}", "request"] {
        assert_eq!(vm.eval(text), Err(Status::SerializationFailure), "{text}");
    }
}

#[test]
fn operators_and_functions() {
    let mut vm = vm();
    for text in [
        "1 + 2 * 3 - 4 / 2 == 5 && 7 % 4 == 3 && -1 < 0 && - -1 == 1",
        "1 == 1u && 1 == 1.0 && 1 != 1.5 && 2 > 1.5 && 18446744073709551615u > -1 && 1.5 < 2u",
        "'1' != 1 && null == null && [1, 2] == [1, 2u] && {'a': 1} == {'a': 1.0} && [1] != [1, 1]",
        "'a' + 'b' == 'ab' && b'a' + b'b' == b'ab' && [1] + [2] == [1, 2] && 'a' < 'b'",
        "[1, 2][1] == 2 && {'a': 1}['a'] == 1 && {1: 'x'}[1u] == 'x' && {'a': 1}.a == 1",
        "1 in [1, 2] && !(3 in [1, 2]) && 'a' in {'a': 1} && has({'a': 1}.a) && !has({'a': 1}.b)",
        "size('héllo') == 5 && 'abc'.size() == 3 && size(b'abc') == 3 && size([1]) == 1 && size({}) == 0",
        "'abc'.contains('b') && 'abc'.contains('') && 'abc'.endsWith('bc') && !'abc'.startsWith('b')",
        "'abc'.matches('^a.c$') && matches('xabcx', 'b') && !'abc'.matches('d')",
        "int('7') == 7 && int(7.9) == 7 && int(7u) == 7 && int(timestamp('1970-01-01T00:01:00Z')) == 60",
        "uint(7) == 7u && uint('7') == 7u && double(1) == 1.0 && double('1.5') == 1.5",
        "string(1) == '1' && string(true) == 'true' && string(b'a') == 'a' && bytes('a') == b'a'",
        "string(timestamp('1970-01-01T00:00:00.5Z')) == '1970-01-01T00:00:00.500Z'",
        "string(1.0) == '1' && string(100000.0) == '100000' && string(1e6) == '1e+06' && string(0.0001) == '0.0001'",
        "string(1e-5) == '1e-05' && string(1234567.5) == '1.2345675e+06' && string(-0.0) == '-0'",
        "string(double('NaN')) == 'nan' && string(1.0 / 3.0) == '0.3333333333333333'",
        "[1, 2][1.0] == 2 && !(1 in request.headers) && int(' 7') == 7 && int(-7.9) == -7",
        "string(duration('90m')) == '5400s' && duration('90m').getHours() == 1",
        "timestamp(60) - timestamp(0) == duration('1m') && timestamp(0) + duration('1s') == timestamp(1)",
        "timestamp(0).getHours('+01:30') == 1 && timestamp(0).getMinutes('+01:30') == 30",
        "timestamp(0).getDayOfWeek() == 4 && timestamp(0).getMonth() == 0 && timestamp(0).getDate() == 1",
        "type(1) == int && type('') == string && type([]) == list && type(type(1)) == type && dyn(1) == 1",
        "type(duration('1s')) == google.protobuf.Duration && type(request) == map",
        "[1, 2, 3].all(x, x > 0) && [1, 2].exists(x, x == 2) && [1, 2].exists_one(x, x == 2)",
        "[1, 2, 3].filter(x, x > 1) == [2, 3] && [1, 2].map(x, x * 2) == [2, 4]",
        "[1, 2, 3].map(x, x > 1, [x]) == [[2], [3]] && {'a': 1}.all(k, k == 'a')",
        "[1, 2].map(x, [1, 2].filter(y, y != x)) == [[2], [1]] && [[1]].all(x, x.all(x, x == 1))",
        // Errors that do not matter.
        "true || 1 / 0 == 1",
        "1 / 0 == 1 || true",
        "!(1 / 0 == 1 && false)",
        "[0, 1].exists(x, 1 / x == 1) && !([0, 2].all(x, 1 / x == 1))",
        "double('NaN') != double('NaN') && !(double('NaN') < 1.0) && !(double('NaN') > 1.0)",
    ] {
        vm.holds(text);
    }
    for text in [
        "9223372036854775807 + 1",
        "-(-9223372036854775807 - 1)",
        "0u - 1u",
        "1 / 0",
        "1 % 0",
        "(-9223372036854775807 - 1) / -1",
        "1 + 1u",
        "1 + ''",
        "1 < ''",
        "!1",
        "-''",
        "1 && true",
        "1 ? 2 : 3",
        "[1][1]",
        "[1][-1]",
        "[1]['a']",
        "{'a': 1}['b']",
        "{'a': 1, 'a': 2}",
        "{[1]: 1}",
        "1 in 1",
        "size(1)",
        "'a'.matches('(')",
        "'a'.matches('\\\\pL{100000}')",
        "int('x')",
        "int(1e30)",
        "int(double('NaN'))",
        "uint(-1)",
        "uint(-0.5)",
        "[1, 2][1.5]",
        "string([1])",
        "string(b'\\xff')",
        "timestamp('x')",
        "timestamp(300000000000)",
        "duration('1')",
        "timestamp(0).getHours('Europe/Paris')",
        "duration('1s').getFullYear()",
        "1.5.getHours()",
        "[1, 2].all(x, x)",
        "1.map(x, x)",
        "[0, 0].exists(x, 1 / x == 1)",
    ] {
        vm.fails(text);
    }
}

#[test]
fn what_is_no_expression_is_a_bad_argument() {
    let mut vm = vm();
    for text in [
        "",
        "1 +",
        "(",
        "'",
        "nothing(1)",
        "size(1, 2)",
        "'a'.size(1)",
        "startsWith('a', 'b')",
        "Message{}",
        "has(1)",
        "a.b.c()",
        "[1].all(1, true)",
    ] {
        assert_eq!(vm.create(text), Err(Status::BadArgument), "{text}");
        assert_eq!(vm.logged()[0].0, LogLevel::Info, "{text}");
    }
    assert_eq!(vm.call("expr_create", b"'\xff'"), Err(Status::BadArgument));
}

#[test]
fn expressions_have_numbers_and_go() {
    let mut vm = vm();
    assert_eq!((vm.create("1"), vm.create("2")), (Ok(0), Ok(1)));
    assert_eq!(
        vm.call("expr_evaluate", 1u32.to_le_bytes()).unwrap(),
        2i64.to_le_bytes()
    );
    assert_eq!(vm.call("expr_delete", 1u32.to_le_bytes()), Ok(Vec::new()));
    assert_eq!(
        vm.call("expr_evaluate", 1u32.to_le_bytes()),
        Err(Status::NotFound)
    );
    // As on Envoy, no mistake.
    assert_eq!(vm.call("expr_delete", 1u32.to_le_bytes()), Ok(Vec::new()));
    assert_eq!(vm.create("3"), Ok(2));
    for name in ["expr_evaluate", "expr_delete"] {
        for token in [&b""[..], b"\0", &[0; 8]] {
            assert_eq!(vm.call(name, token), Err(Status::BadArgument));
        }
    }
}

#[test]
fn what_is_declared_as_text_is_text() {
    let mut vm = vm();
    vm.holds("custom == b'own'");
    let args = DeclarePropertyArguments {
        name: "custom".to_owned(),
        r#type: 1,
        ..DeclarePropertyArguments::default()
    };
    vm.call("declare_property", args.encode_to_vec()).unwrap();
    vm.holds("custom == 'own'");
}

#[test]
fn expressions_are_bounded_in_number_size_and_depth() {
    let mut vm = vm();
    vm.limits.expressions = 2;
    vm.limits.expression_bytes = 300;
    assert_eq!((vm.create("1"), vm.create("1")), (Ok(0), Ok(1)));
    assert_eq!(vm.create("1"), Err(Status::InternalFailure));
    vm.call("expr_delete", 0u32.to_le_bytes()).unwrap();
    assert_eq!(vm.create("1"), Ok(2));
    vm.call("expr_delete", 1u32.to_le_bytes()).unwrap();
    let fits = format!("'{}'", "x".repeat(298));
    assert_eq!(vm.create(&fits), Ok(3));
    vm.call("expr_delete", 3u32.to_le_bytes()).unwrap();
    assert_eq!(vm.create(&(fits + " ")), Err(Status::BadArgument));

    vm.limits = Limits::default();
    for (open, close) in [
        ("(", ")"),
        ("[", "]"),
        ("-", ""),
        ("!", ""),
        ("1+", ""),
        ("a.", ""),
        ("size(", ")"),
    ] {
        let nested = |n: usize| format!("{}a{}", open.repeat(n), close.repeat(n));
        assert!(compile(nested(40).as_bytes()).is_ok(), "{open}");
        let deep = compile(nested(2_000).as_bytes());
        // Signs that cancel each other out are not nested, and parentheses alone are nothing.
        assert!(deep.is_err() || ["!", "-", "("].contains(&open), "{open}");
        assert!(compile(open.repeat(4_000).as_bytes()).is_err(), "{open}");
    }
    let chain = vec!["request.method == 'GET'"; 100].join(" && ");
    vm.holds(&chain);
}

/// Host functions run on the stack of a thread, which often has 2 MiB, and of which other code has taken some.
#[test]
fn no_text_takes_more_stack_than_there_is() {
    let parts = [
        "(",
        "((",
        "[",
        "{1:",
        "-",
        "!",
        "-!",
        "!-",
        "-(",
        "!(",
        "(-",
        "(!",
        "1?",
        "1?1:",
        "1?1?",
        "1:",
        "1+",
        "1+(",
        "1*2+",
        "1&&",
        "1||",
        "1&&1||",
        "1&&(",
        "a.",
        "a.b(",
        "a[",
        "a.b[0].",
        "a(",
        "[1,",
        "{1:[",
        "1 in ",
        "size(",
        "a.all(x,",
        "[1].map(x,",
        "has(a.",
        "'a'+",
        "a{b:",
        "1<",
        "1==",
        "-1-",
        "!a||",
        "a?-",
        "[-",
        "a.b.c(1).",
        "1 in [",
    ];
    let run = move || {
        let mut vm = vm();
        let size = vm.limits.expression_bytes;
        for part in parts {
            for (middle, end) in [
                ("", ""),
                ("a", ""),
                ("a", ")"),
                ("a", "]"),
                ("1", "}"),
                ("true", ":1"),
                ("1", ")}"),
            ] {
                for size in [size, 3_000, 2_000, 1_000, 500, 180] {
                    let n = (size - middle.len()) / (part.len() + end.len());
                    let text = format!("{}{middle}{}", part.repeat(n), end.repeat(n));
                    if let Ok(token) = vm.create(&text) {
                        let _ = vm.call("expr_evaluate", token.to_le_bytes());
                    }
                }
            }
        }
    };
    let thread = std::thread::Builder::new().stack_size(1 << 20).spawn(run);
    thread.unwrap().join().unwrap();
}

#[test]
fn evaluations_are_bounded_in_time_and_memory() {
    let mut vm = vm();
    let list = format!("[{}]", ["1"; 100].join(","));
    let loops =
        |depth: usize| (0..depth).fold("true".to_owned(), |body, n| format!("{list}.all(x{n}, {body})"));
    vm.holds(&loops(2));
    assert_eq!(vm.eval(&loops(8)), Err(Status::InternalFailure));
    let (level, message) = vm.logged().pop().unwrap();
    assert!(
        level == LogLevel::Warn && message.contains("too much"),
        "{message}"
    );

    // Twice as long with each step.
    let doubled = |what: &str, steps: usize| format!("['{}']{}", "x".repeat(100), what.repeat(steps));
    vm.holds(&(doubled(".map(x, x + x)", 10) + "[0].size() == 102400"));
    let long = doubled(".map(x, x + x)", 10);
    vm.holds(&format!(
        "!{long}.exists(t, t.contains(t + 'x') || t.matches('a[ab]{{10}}c'))"
    ));
    for text in [
        doubled(".map(x, x + x)", 60) + "[0].size() > 0",
        doubled(".map(x, [x, x])", 60),
        doubled(".map(x, [x, x])", 60) + " == " + &doubled(".map(x, [x, x])", 60),
        doubled(".map(x, {'a': x, 'b': x})", 60),
        format!("[[]]{}", ".map(x, [x, x])".repeat(60)),
        format!("[[1]]{}.size() > 0", ".map(x, x + x)".repeat(60)),
        format!("{list}.map(a, {list}.map(b, {list}.map(c, {list})))"),
        "[1].all(x, true || true) && ".to_owned() + &loops(8),
        // What looks at all of a long text.
        format!("{long}.all(t, t.matches('a[ab]{{4000}}c'))"),
        format!("{long}.all(t, {list}.all(a, {list}.all(b, bool(t) || true)))"),
        format!("{long}.all(t, {list}.all(a, {list}.all(b, timestamp(0).getHours(t) == 0 || true)))"),
    ] {
        vm.fails(&text);
        assert_eq!(vm.logged()[0].0, LogLevel::Warn, "{text}");
    }
    // No error that something else can make good.
    vm.fails(&format!("{} || true", loops(8)));

    vm.limits.expression_memory = 1_000;
    vm.holds("request.path + 'x' != ''");
    vm.fails(&format!("'{}' + 'x'", "x".repeat(1_000)));
    vm.limits = Limits::default();
    vm.limits.expression_steps = 10;
    vm.holds("1 == 1");
    vm.fails("1 + 1 + 1 + 1 + 1 + 1 + 1 == 7");
}

#[test]
fn the_value_of_an_expression_is_a_number_again() {
    let mut vm = vm();
    let value = vm.eval("request.size * 6").unwrap();
    assert_eq!(decode_int(&value), Some(42));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn any_text_is_an_expression_or_none(
        text in "(request|headers|\\.|\\[|\\]|\\(|\\)|'x'|b'\\\\xff'|1|1u|1\\.5|true| \\+ | == | && | \\|\\| |!|-|\\?|:|,|x|\\{|\\}|\\.map\\(x,|\\.all\\(x,|size\\(|has\\(| in |path|timestamp\\(|\\.getHours\\(\\)){0,14}"
    ) {
        let mut vm = vm();
        if vm.create(&text).is_ok() {
            let _ = vm.call("expr_evaluate", 0u32.to_le_bytes());
        }
    }

    #[test]
    fn any_bytes_are_an_expression_or_none(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let mut vm = vm();
        for name in ["expr_create", "expr_evaluate", "expr_delete"] {
            let _ = vm.call(name, &bytes);
        }
    }

    #[test]
    fn any_ascii_is_an_expression_or_none(text in "[ -~]{0,60}") {
        let _ = compile(text.as_bytes());
    }
}
