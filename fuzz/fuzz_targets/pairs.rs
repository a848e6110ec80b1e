//! `enginebay_fuzz::pairs` under cargo-fuzz; built otherwise, it replays the files that it is given.
#![cfg_attr(fuzzing, no_main)]

enginebay_fuzz::target!(enginebay_fuzz::pairs::run);
