//! The versions of the ABI and how a module announces the one it speaks.

use std::fmt;

/// A version of the Proxy-Wasm ABI.
///
/// Newer versions compare greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum AbiVersion {
    /// 0.1.0, announced by `proxy_abi_version_0_1_0`.
    V0_1_0,
    /// 0.2.0, announced by `proxy_abi_version_0_2_0`.
    V0_2_0,
    /// 0.2.1, announced by `proxy_abi_version_0_2_1`.
    V0_2_1,
}

impl AbiVersion {
    /// Every version, oldest first.
    pub const ALL: &'static [AbiVersion] = &[AbiVersion::V0_1_0, AbiVersion::V0_2_0, AbiVersion::V0_2_1];

    /// The newest version. Plugins of the null runtime, which export no marker, speak this one.
    pub const LATEST: AbiVersion = AbiVersion::V0_2_1;

    /// What every marker export starts with, whether its version is known here or not.
    pub const MARKER_PREFIX: &'static str = "proxy_abi_version_";

    /// The name of the export that announces this version (section "Integration").
    pub const fn marker(self) -> &'static str {
        match self {
            AbiVersion::V0_1_0 => "proxy_abi_version_0_1_0",
            AbiVersion::V0_2_0 => "proxy_abi_version_0_2_0",
            AbiVersion::V0_2_1 => "proxy_abi_version_0_2_1",
        }
    }

    /// The version that an export of this name announces, if any.
    pub fn from_marker(export: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|v| v.marker() == export)
    }

    /// The version in digits, such as `0.2.1`.
    pub const fn as_str(self) -> &'static str {
        match self {
            AbiVersion::V0_1_0 => "0.1.0",
            AbiVersion::V0_2_0 => "0.2.0",
            AbiVersion::V0_2_1 => "0.2.1",
        }
    }

    /// A dense number, 0 for the oldest version, for arrays by version.
    #[inline]
    pub const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for AbiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A set of ABI versions.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct VersionSet(u8);

impl VersionSet {
    /// Every version.
    pub const ALL: VersionSet = VersionSet::of(AbiVersion::ALL);
    /// Only 0.1.0.
    pub const V0_1: VersionSet = VersionSet::of(&[AbiVersion::V0_1_0]);
    /// 0.2.0 and 0.2.1.
    pub const V0_2: VersionSet = VersionSet::of(&[AbiVersion::V0_2_0, AbiVersion::V0_2_1]);
    /// Only 0.2.1.
    pub const V0_2_1: VersionSet = VersionSet::of(&[AbiVersion::V0_2_1]);

    /// The set of these versions.
    pub const fn of(versions: &[AbiVersion]) -> Self {
        let mut bits = 0;
        let mut i = 0;
        while i < versions.len() {
            bits |= 1 << versions[i].index();
            i += 1;
        }
        VersionSet(bits)
    }

    /// Whether the version is in the set.
    #[inline]
    pub const fn contains(self, version: AbiVersion) -> bool {
        self.0 & (1 << version.index()) != 0
    }

    /// The versions in the set, oldest first.
    pub fn iter(self) -> impl Iterator<Item = AbiVersion> {
        AbiVersion::ALL.iter().copied().filter(move |v| self.contains(*v))
    }
}

impl fmt::Debug for VersionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_and_digits_agree() {
        for &version in AbiVersion::ALL {
            let marker = format!(
                "{}{}",
                AbiVersion::MARKER_PREFIX,
                version.to_string().replace('.', "_")
            );
            assert_eq!(version.marker(), marker);
            assert_eq!(AbiVersion::from_marker(&marker), Some(version));
        }
        assert_eq!(AbiVersion::from_marker("proxy_abi_version_0_3_0"), None);
        assert_eq!(AbiVersion::from_marker("proxy_abi_version_"), None);
    }

    #[test]
    fn versions_are_ordered() {
        assert!(AbiVersion::V0_1_0 < AbiVersion::V0_2_0);
        assert!(AbiVersion::V0_2_0 < AbiVersion::LATEST);
    }

    #[test]
    fn sets_contain_what_they_say() {
        assert!(!VersionSet::V0_2.contains(AbiVersion::V0_1_0));
        assert!(VersionSet::V0_2.contains(AbiVersion::V0_2_0));
        assert_eq!(VersionSet::ALL.iter().count(), AbiVersion::ALL.len());
        assert_eq!(format!("{:?}", VersionSet::V0_2_1), "{V0_2_1}");
    }
}
