//! `enginebay_fuzz::foreign` under cargo-fuzz; built otherwise, it replays the files that it is given.
#![cfg_attr(fuzzing, no_main)]

enginebay_fuzz::target!(enginebay_fuzz::foreign::run);
