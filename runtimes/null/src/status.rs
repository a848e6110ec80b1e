//! The status codes that this crate itself needs.

pub(crate) const OK: u32 = 0;
pub(crate) const INTERNAL_FAILURE: u32 = 10;
pub(crate) const UNIMPLEMENTED: u32 = 12;

/// A set of status codes.
#[derive(Clone, Copy)]
pub(crate) struct Known(u32);

impl Known {
    pub(crate) const ALL: Known = Known(u32::MAX);

    /// Those of the SDK's `enum Status`: in Rust, a function must not return any other value of an enum than its own.
    pub(crate) const SDK: Known = Known::of(&[0, 1, 2, 3, 4, 7, 8, 10]);

    const fn of(statuses: &[u32]) -> Known {
        let mut bits = 0;
        let mut i = 0;
        while i < statuses.len() {
            bits |= 1 << statuses[i];
            i += 1;
        }
        Known(bits)
    }

    /// The status, or "internal failure" where it isn't known.
    #[inline]
    pub(crate) fn restrict(self, status: u32) -> u32 {
        if status < 32 && self.0 & (1 << status) != 0 {
            status
        } else {
            INTERNAL_FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_statuses_pass() {
        assert_eq!(Known::SDK.restrict(OK), OK);
        assert_eq!(Known::SDK.restrict(8), 8);
        assert_eq!(Known::SDK.restrict(UNIMPLEMENTED), INTERNAL_FAILURE);
        assert_eq!(Known::SDK.restrict(1000), INTERNAL_FAILURE);
        assert_eq!(Known::ALL.restrict(UNIMPLEMENTED), UNIMPLEMENTED);
    }
}
