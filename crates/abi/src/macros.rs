//! The one place where a numbered enum of the ABI is spelled out.

/// Defines an enum whose variants are the numbers of the ABI.
///
/// Each variant is written once, with its number and its name in the specification.
macro_rules! wire_enum {
    (
        $(#[$meta:meta])*
        pub enum $name:ident {
            $($(#[$vmeta:meta])* $variant:ident = $value:literal, $text:literal;)+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u32)]
        pub enum $name {
            $($(#[$vmeta])* $variant = $value,)+
        }

        impl $name {
            /// Every value, in the order of their numbers.
            pub const ALL: &'static [$name] = &[$($name::$variant,)+];

            /// The value with this number, if there is one.
            #[inline]
            pub const fn from_u32(value: u32) -> Option<Self> {
                match value {
                    $($value => Some($name::$variant),)+
                    _ => None,
                }
            }

            /// The number that crosses the guest boundary.
            #[inline]
            pub const fn as_u32(self) -> u32 {
                self as u32
            }

            /// The name as the specification writes it.
            pub const fn name(self) -> &'static str {
                match self {
                    $($name::$variant => $text,)+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.name())
            }
        }

        impl From<$name> for u32 {
            #[inline]
            fn from(value: $name) -> u32 {
                value.as_u32()
            }
        }

        impl TryFrom<u32> for $name {
            type Error = $crate::enums::UnknownValue;

            #[inline]
            fn try_from(value: u32) -> Result<Self, $crate::enums::UnknownValue> {
                $name::from_u32(value).ok_or($crate::enums::UnknownValue {
                    kind: stringify!($name),
                    value,
                })
            }
        }
    };
}
