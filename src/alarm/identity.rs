//! The instance number of an alarm, and the [`PointRules`] of its settings. They share a word where
//! memory is dear and a word has room for both.

use crate::sync::{Ordering, SettingUsize, const_fn};
use crate::thresholds::PointRules;

/// An instance number, which is 0 in a free slot, and rules.
#[derive(Debug)]
pub(super) struct Identity {
    instance: SettingUsize,
    rules: RulesWord,
}

#[cfg(any(feature = "std", target_pointer_width = "16"))]
use apart::{INSTANCE_SHIFT, RulesWord};
#[cfg(not(any(feature = "std", target_pointer_width = "16")))]
use together::{INSTANCE_SHIFT, RulesWord};

/// Rules in the lowest bits of the word of the instance number.
#[cfg(not(any(feature = "std", target_pointer_width = "16")))]
mod together {
    use super::{PointRules, SettingUsize, const_fn};

    pub(super) const INSTANCE_SHIFT: u32 = 16;
    const _: () = assert!(PointRules::MASK >> INSTANCE_SHIFT == 0);

    #[derive(Debug)]
    pub(super) struct RulesWord;

    impl RulesWord {
        const_fn! {
            pub(super) const fn new(_rules: PointRules) -> Self {
                Self
            }
        }

        #[inline]
        pub(super) const fn of<'a>(&'a self, instance: &'a SettingUsize) -> &'a SettingUsize {
            instance
        }

        pub(super) fn reset(&self, _rules: PointRules) {}
    }
}

/// Rules in a word of their own.
#[cfg(any(feature = "std", target_pointer_width = "16"))]
mod apart {
    use super::{PointRules, SettingUsize, const_fn};

    pub(super) const INSTANCE_SHIFT: u32 = 0;

    #[derive(Debug)]
    pub(super) struct RulesWord(SettingUsize);

    impl RulesWord {
        const_fn! {
            pub(super) const fn new(rules: PointRules) -> Self {
                Self(SettingUsize::new(rules.to_word()))
            }
        }

        #[inline]
        pub(super) const fn of<'a>(&'a self, _instance: &'a SettingUsize) -> &'a SettingUsize {
            &self.0
        }

        pub(super) fn reset(&self, rules: PointRules) {
            self.0.reset(rules.to_word());
        }
    }
}

/// The greatest instance number.
pub(crate) const MAX_INSTANCE: usize = usize::MAX >> INSTANCE_SHIFT;

/// What the word of the instance number holds.
const fn word_of(instance: usize, rules: PointRules) -> usize {
    match INSTANCE_SHIFT {
        0 => instance,
        _ => instance << INSTANCE_SHIFT | rules.to_word(),
    }
}

impl Identity {
    const_fn! {
        /// That of an alarm without a number.
        pub(super) const fn new(rules: PointRules) -> Self {
            Self {
                instance: SettingUsize::new(word_of(0, rules)),
                rules: RulesWord::new(rules),
            }
        }
    }

    const fn rules_word(&self) -> &SettingUsize {
        self.rules.of(&self.instance)
    }

    #[inline]
    pub(super) fn instance(&self) -> usize {
        self.instance.get() >> INSTANCE_SHIFT
    }

    #[inline]
    pub(super) fn rules(&self) -> PointRules {
        PointRules::from_word(self.rules_word().get())
    }

    #[cfg(fillgauge_search)]
    pub(super) fn rules_now(&self) -> usize {
        self.rules_word().now()
    }

    /// The rules, for a thread that changes another setting.
    pub(super) fn rules_after_change(&self) -> PointRules {
        PointRules::from_word(self.rules_word().get_after_change())
    }

    /// Stores what `change` makes of the rules.
    pub(super) fn change_rules(&self, change: impl Fn(PointRules) -> PointRules) {
        let word = self.rules_word();
        let mut before = word.get();
        loop {
            let rules = PointRules::from_word(before);
            // The bits that differ.
            let difference = rules.to_word() ^ change(rules).to_word();
            match word.compare_exchange(before, before ^ difference) {
                Ok(()) => return,
                Err(now) => before = now,
            }
        }
    }

    /// Stores both, and shows what was written before to those that load the number.
    #[inline]
    pub(super) fn publish(&self, instance: usize, rules: PointRules) {
        self.rules.reset(rules);
        self.instance
            .store(word_of(instance, rules), Ordering::Release);
    }

    /// Takes the number away.
    pub(super) fn withdraw(&self) {
        self.instance.store(0, Ordering::Relaxed);
    }
}
