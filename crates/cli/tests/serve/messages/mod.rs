//! Messages.

mod answers;
mod guest;
mod logs;
mod starts;
mod traps;
