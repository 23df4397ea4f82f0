//! The macro that declares many limits as an enum.

/// Declares a stable catalogue of limits as an enum: each variant has a name and a category. It may
/// have a [unit](crate::LimitUnit) and a line of help too, for pages and exporters.
///
/// The enum is `Copy`, comparable and hashable, and gets
///
/// - `ALL`, every variant in the order of declaration;
/// - `as_str()`, `category()` and `limit()`, the variant as a `&'static Limit`, which `From` gives
///   too;
/// - `from_limit(&Limit)`, the way back, to match on what an event or a snapshot names;
/// - `from_name(&str)`, the variant of that name, if any;
/// - [`IntoLimit`](crate::IntoLimit), for functions that take any kind of name;
/// - `==` with a [`Limit`](crate::Limit) and with a reference to one, and `Display`, which prints
///   the name; with the feature `defmt`, `Format` too.
///
/// ```
/// use fillgauge::{Limit, LimitCategory, LimitUnit, limit_catalog};
///
/// limit_catalog! {
///     /// The limits of the modem.
///     pub enum ModemLimit {
///         /// Frames from the radio.
///         RxFrames = "rx_frames": Queue,
///         /// Bytes of the retransmission buffer.
///         RetransmitBytes = "retransmit_bytes": Memory {
///             unit: Bytes,
///             help: "Bytes that may have to be sent again",
///         },
///     }
/// }
///
/// let limit: &'static Limit = ModemLimit::RxFrames.into();
/// assert_eq!(limit.as_str(), "rx_frames");
/// assert_eq!(limit, ModemLimit::RxFrames);
/// assert_eq!(ModemLimit::from_limit(limit), Some(ModemLimit::RxFrames));
/// assert_eq!(ModemLimit::from_name("rx_frames"), Some(ModemLimit::RxFrames));
/// assert_eq!(ModemLimit::RetransmitBytes.category(), LimitCategory::Memory);
/// assert_eq!(ModemLimit::RetransmitBytes.limit().unit(), LimitUnit::Bytes);
/// assert_eq!(ModemLimit::ALL.len(), 2);
/// ```
///
/// A name that comes twice does not compile:
///
/// ```compile_fail,E0080
/// fillgauge::limit_catalog! {
///     enum ModemLimit {
///         RxFrames = "frames": Queue,
///         TxFrames = "frames": Queue,
///     }
/// }
/// ```
#[macro_export]
macro_rules! limit_catalog {
    (
        $(#[$attribute:meta])*
        $visibility:vis enum $catalog:ident {
            $(
                $(#[$variant_attribute:meta])*
                $variant:ident = $name:literal: $category:ident
                    $({ $($setting:ident: $value:tt),* $(,)? })?
            ),+ $(,)?
        }
    ) => {
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $visibility enum $catalog {
            $($(#[$variant_attribute])* $variant,)+
        }

        // A large catalogue takes a while.
        #[allow(long_running_const_eval)]
        const _: () = $crate::__assert_unique(&[$($name),+]);

        // A catalogue may be larger than what its crate uses.
        #[allow(dead_code)]
        impl $catalog {
            /// Every limit of the catalogue, in the order of declaration.
            $visibility const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The limit itself.
            $visibility const fn limit(self) -> &'static $crate::Limit {
                match self {
                    $(Self::$variant => {
                        const {
                            let limit = $crate::Limit::new($name, $crate::LimitCategory::$category);
                            $($(let limit = $crate::__set_limit!(limit, $setting, $value);)*)?
                            &{ limit }
                        }
                    })+
                }
            }

            /// The stable name.
            $visibility const fn as_str(self) -> &'static str {
                self.limit().as_str()
            }

            /// The category.
            $visibility const fn category(self) -> $crate::LimitCategory {
                self.limit().category()
            }

            /// The entry of the catalogue that `limit` is, if any.
            $visibility fn from_limit(limit: &$crate::Limit) -> ::core::option::Option<Self> {
                // Most limits come from the catalogue itself.
                let mut entries = Self::ALL.iter().copied();
                let same = entries.find(|entry| ::core::ptr::eq(entry.limit(), limit));
                same.or_else(|| Self::ALL.iter().copied().find(|entry| *entry.limit() == *limit))
            }

            /// The entry of the catalogue of this name, if any.
            $visibility fn from_name(name: &str) -> ::core::option::Option<Self> {
                Self::ALL.iter().copied().find(|entry| entry.as_str() == name)
            }
        }

        impl $crate::IntoLimit for $catalog {
            fn into_limit(self, _: $crate::LimitCategory) -> $crate::LimitRef {
                $crate::LimitRef::Static(self.limit())
            }
        }

        impl ::core::convert::From<$catalog> for &'static $crate::Limit {
            fn from(entry: $catalog) -> Self {
                entry.limit()
            }
        }

        impl ::core::fmt::Display for $catalog {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                ::core::fmt::Display::fmt(self.limit(), f)
            }
        }

        $crate::__format_catalog!($catalog);

        impl ::core::cmp::PartialEq<$catalog> for $crate::Limit {
            fn eq(&self, entry: &$catalog) -> bool {
                *self == *entry.limit()
            }
        }

        impl ::core::cmp::PartialEq<$catalog> for &$crate::Limit {
            fn eq(&self, entry: &$catalog) -> bool {
                **self == *entry.limit()
            }
        }
    };
}

/// What an entry of a catalogue may say of its limit.
#[doc(hidden)]
#[macro_export]
macro_rules! __set_limit {
    ($limit:ident, unit, $unit:ident) => {
        $limit.with_unit($crate::LimitUnit::$unit)
    };
    ($limit:ident, help, $help:literal) => {
        $limit.with_help($help)
    };
}

/// Fails to compile if a name comes twice.
#[doc(hidden)]
pub const fn __assert_unique(mut names: &[&str]) {
    while let [name, rest @ ..] = names {
        names = rest;
        let mut later = rest;
        while let [other, rest @ ..] = later {
            assert!(
                !are_equal(name.as_bytes(), other.as_bytes()),
                "limit_catalog!: two limits have the same name"
            );
            later = rest;
        }
    }
}

/// `==`, which is not `const` for slices.
const fn are_equal(mut one: &[u8], mut other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    while let ([first, rest @ ..], [other_first, other_rest @ ..]) = (one, other) {
        if *first != *other_first {
            return false;
        }
        (one, other) = (rest, other_rest);
    }
    one.is_empty() && other.is_empty()
}

/// Whether a catalogue has `Format` is decided by the features of this crate, not by those of the
/// crate that declares it: hence a macro of its own.
#[cfg(feature = "defmt")]
#[doc(hidden)]
#[macro_export]
macro_rules! __format_catalog {
    ($catalog:ident) => {
        impl $crate::__defmt::Format for $catalog {
            fn format(&self, f: $crate::__defmt::Formatter<'_>) {
                $crate::__defmt::Format::format(self.limit(), f);
            }
        }
    };
}
#[cfg(not(feature = "defmt"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __format_catalog {
    ($catalog:ident) => {};
}

#[cfg(test)]
mod tests {
    use crate::limit::Limit;

    limit_catalog! {
        enum Catalog {
            First = "first": Queue,
            Second = "second": Cpu,
            Third = "third": Memory { unit: Bytes, help: "The third" },
            Fourth = "fourth": Queue { help: "The fourth", },
        }
    }

    static SECOND_OF_ANOTHER_CATEGORY: Limit = Limit::memory("second");

    #[test]
    fn an_entry_is_found_again_from_its_limit() {
        for entry in Catalog::ALL {
            assert_eq!(Catalog::from_limit(entry.limit()), Some(*entry));
        }
        assert_eq!(Catalog::from_limit(&SECOND_OF_ANOTHER_CATEGORY), None);
    }

    #[test]
    fn an_entry_is_found_again_from_its_name() {
        for entry in Catalog::ALL {
            assert_eq!(Catalog::from_name(entry.as_str()), Some(*entry));
        }
        for no_name in ["", "firs", "first_", "First"] {
            assert_eq!(Catalog::from_name(no_name), None);
        }
    }

    #[test]
    fn an_entry_says_of_its_limit_what_is_known() {
        let known = Catalog::ALL
            .iter()
            .map(|entry| (entry.limit().unit().as_str(), entry.limit().help()));
        let expected = [
            ("items", ""),
            ("items", ""),
            ("bytes", "The third"),
            ("items", "The fourth"),
        ];
        assert!(known.eq(expected));
    }

    #[test]
    fn names_are_the_same_if_all_their_bytes_are() {
        let names = ["", "a", "b", "ab", "ba", "aa"];
        for (position, one) in names.iter().enumerate() {
            for (other_position, other) in names.iter().enumerate() {
                let same = super::are_equal(one.as_bytes(), other.as_bytes());
                assert_eq!(same, position == other_position, "{one} {other}");
            }
        }
        super::__assert_unique(&names);
        let twice = std::panic::catch_unwind(|| super::__assert_unique(&["a", "b", "a"]));
        assert!(twice.is_err());
    }

    #[test]
    fn an_entry_equals_its_limit_and_no_other() {
        let limit: &'static Limit = Catalog::Second.into();
        assert_eq!(*limit, Catalog::Second);
        assert_eq!(std::format!("{:>7}", Catalog::Second), " second");
        assert_eq!(limit, Catalog::Second);
        assert_ne!(limit, Catalog::First);
        assert_ne!(SECOND_OF_ANOTHER_CATEGORY, Catalog::Second);
    }
}
