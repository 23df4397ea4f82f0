//! A place for a shared value that is often read and seldom replaced.

use std::ops::Deref;
use std::sync::Arc;
#[cfg(not(fillgauge_shuttle))]
use std::sync::atomic::{AtomicBool, Ordering};

#[cfg(not(fillgauge_shuttle))]
use super::{Mutex, lock};

/// Holds a value, or none. Reading takes no lock.
#[cfg(not(fillgauge_shuttle))]
pub(crate) struct Slot<T> {
    value: arc_swap::ArcSwapOption<T>,
    is_set: AtomicBool,
    /// Held by who replaces the value, so that `is_set` follows it.
    writer: Mutex<()>,
}

#[cfg(not(fillgauge_shuttle))]
impl<T> Slot<T> {
    pub(crate) const fn new() -> Self {
        Self {
            value: arc_swap::ArcSwapOption::const_empty(),
            is_set: AtomicBool::new(false),
            writer: Mutex::new(()),
        }
    }

    /// Whether there is a value: cheaper than to load it.
    pub(crate) fn is_set(&self) -> bool {
        // Relaxed: who has to see the value has got to know of it in another way.
        self.is_set.load(Ordering::Relaxed)
    }

    /// The value. It stays while it is used, also if it is replaced meanwhile.
    pub(crate) fn load(&self) -> impl Deref<Target = Option<Arc<T>>> {
        self.value.load()
    }

    /// Puts `value` in, or nothing. Returns what was there.
    pub(crate) fn replace(&self, value: Option<Arc<T>>) -> Option<Arc<T>> {
        // The first use by a thread allocates: not under the lock.
        drop(self.value.load());
        let _writer = lock(&self.writer);
        self.is_set.store(value.is_some(), Ordering::Relaxed);
        self.value.swap(value)
    }
}

/// The same under shuttle, which has to see that it is shared.
#[cfg(fillgauge_shuttle)]
pub(crate) struct Slot<T: Send + Sync + 'static>(super::Lazy<super::Mutex<Option<Arc<T>>>>);

#[cfg(fillgauge_shuttle)]
impl<T: Send + Sync> Slot<T> {
    pub(crate) const fn new() -> Self {
        Self(super::Lazy::new(super::Mutex::default))
    }

    pub(crate) fn is_set(&'static self) -> bool {
        self.load().is_some()
    }

    pub(crate) fn load(&'static self) -> impl Deref<Target = Option<Arc<T>>> {
        Box::new(super::lock(super::force(&self.0)).clone())
    }

    pub(crate) fn replace(&'static self, value: Option<Arc<T>>) -> Option<Arc<T>> {
        std::mem::replace(&mut *super::lock(super::force(&self.0)), value)
    }
}

#[cfg(all(test, not(fillgauge_shuttle)))]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn a_value_is_whole_and_stays_while_another_thread_replaces_it() {
        const VALUES: usize = 12;
        let slot = Slot::new();
        thread::scope(|scope| {
            scope.spawn(|| {
                for value in 1..=VALUES {
                    let before = slot.replace(Some(Arc::new([value; 2])));
                    assert_eq!(before.map(|before| before[0]).unwrap_or(0), value - 1);
                }
            });
            let mut latest = 0;
            while latest < VALUES {
                let loaded = slot.load();
                let Some(value) = loaded.as_deref() else {
                    thread::yield_now();
                    continue;
                };
                assert!(value[0] == value[1] && value[0] >= latest, "{value:?}");
                latest = value[0];
            }
        });
        assert!(slot.is_set());
        assert_eq!(slot.replace(None).map(|value| value[0]), Some(VALUES));
        assert!(!slot.is_set() && slot.load().is_none());
    }
}
