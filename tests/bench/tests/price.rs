//! What is on the price list does what it should, and has a line on the page.

use enginebay_bench::bare::ENGINES;
use enginebay_bench::price::{BARE, CALLBACKS, CallbackHost, Host, ROWS};
use xtask::bench::prices::LINES;

#[test]
fn every_function_returns_its_status_again_and_again() {
    for row in ROWS {
        for (_, make) in BARE {
            let mut guest = make(row);
            guest.run(3);
            guest.run(3);
        }
        for (runtime, _) in ENGINES {
            if *runtime == "null" && !row.native() {
                continue;
            }
            let mut host = Host::new(runtime, row);
            // More than there may be of anything.
            for _ in 0..600 {
                host.run(30);
            }
        }
    }
}

#[test]
fn every_callback_is_called() {
    for (_, make) in BARE {
        let mut guest = make(&ROWS[0]);
        for callback in CALLBACKS {
            guest.callback(callback.shape);
        }
    }
    for (runtime, _) in ENGINES {
        let mut host = CallbackHost::new(runtime);
        for callback in CALLBACKS {
            host.call(callback);
            host.call(callback);
        }
    }
}

#[test]
fn every_function_has_a_line() {
    let rows: Vec<&str> = ROWS.iter().map(enginebay_bench::price::Row::id).collect();
    let lines: Vec<&str> = LINES.iter().map(|line| line.id).collect();
    assert_eq!(rows, lines);
}
