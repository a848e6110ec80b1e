//! What engines add to a module that has to look at its deadline.

use crate::ModuleInfo;

/// Names of what a prepared module exports besides its own exports, for engines that change modules before they compile them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddedExports {
    /// The start function, if there is one, so that it is called when all else is in place.
    pub start: String,
    /// Where the deadline is, if there is one: see [`Deadline`](crate::Deadline).
    pub deadline: String,
}

impl AddedExports {
    /// Names that the module doesn't use: always the same ones for the same module.
    pub fn to(info: &ModuleInfo) -> AddedExports {
        let free = |name: &str| {
            let mut name = format!("enginebay {name}");
            while info.export(&name).is_some() {
                name.push('\'');
            }
            name
        };
        AddedExports {
            start: free("start"),
            deadline: free("deadline"),
        }
    }
}
