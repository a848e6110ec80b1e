//! Cases that share guests.

use std::cell::OnceCell;
use std::rc::Rc;

use enginebay::abi::{AbiVersion, HostFunction};

use crate::case::{Area, Case};
use crate::compare;
use crate::guest::{self, Flavor, VM_CONFIGURATION};
use crate::host::{Exchange, Host, Plugin};

/// Cases of one area, version and name of WASI: they share guests.
pub struct Group {
    flavor: Flavor,
    area: Area,
    cases: Vec<Case>,
}

/// The guest of a group, once it was needed.
pub(crate) type Guest = OnceCell<Result<Rc<dyn Plugin>, String>>;

impl Group {
    pub(crate) fn new(area: Area, flavor: Flavor, cases: &[Case]) -> Self {
        let of_group = |case: &&Case| case.area == area && case.versions.contains(flavor.version);
        Group {
            flavor,
            area,
            cases: cases.iter().filter(of_group).cloned().collect(),
        }
    }

    /// The start of the names of all its cases, such as `abi/0.2.1`.
    pub fn name(&self) -> String {
        match self.area {
            Area::Abi => format!("abi/{}", self.flavor.version),
            Area::Wasi => format!("wasi/{}", self.flavor.wasi),
            Area::Start => format!("start/{}", self.flavor.version),
        }
    }

    /// The version of the ABI that the guests speak.
    pub fn version(&self) -> AbiVersion {
        self.flavor.version
    }

    /// The cases.
    pub fn cases(&self) -> &[Case] {
        &self.cases
    }

    /// Runs the case with this number.
    pub(crate) fn run(&self, host: &dyn Host, guest: &Guest, number: usize) -> Result<(), String> {
        let case = &self.cases[number];
        let (plugin, number) = match self.area {
            // What a module does while it starts is all it does.
            Area::Start => (self.load(host, &[case])?, 0),
            Area::Abi | Area::Wasi => {
                let all: Vec<&Case> = self.cases.iter().collect();
                (guest.get_or_init(|| self.load(host, &all)).clone()?, number)
            }
        };
        let outcome = plugin.run(&Exchange {
            vm_configuration: format!("{VM_CONFIGURATION}{}", ".".repeat(number)).as_bytes(),
            given: &case.given,
        });
        compare::check(case, self.flavor.version, &outcome)
    }

    fn load(&self, host: &dyn Host, cases: &[&Case]) -> Result<Rc<dyn Plugin>, String> {
        let wat = guest::module(self.flavor, cases, self.area == Area::Start);
        let wasm = wat::parse_str(wat).map_err(|error| error.to_string())?;
        Ok(host.load(&wasm)?.into())
    }
}

/// What a function returned in a case, for the check that all of the table is produced.
pub(crate) fn produced(group: &Group) -> impl Iterator<Item = (HostFunction, u32)> {
    let calls = group.cases.iter().flat_map(|case| case.calls());
    calls.filter_map(|(function, returns)| Some((function, returns?)))
}
