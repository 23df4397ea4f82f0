//! A place for a shared value that is often read and seldom replaced.

use std::ops::Deref;
use std::sync::Arc;
#[cfg(not(fillgauge_shuttle))]
use std::sync::atomic::{AtomicBool, Ordering};

/// Holds a value, or none at first. Reading takes no lock.
#[cfg(not(fillgauge_shuttle))]
pub(crate) struct Slot<T> {
    value: arc_swap::ArcSwapOption<T>,
    is_set: AtomicBool,
}

#[cfg(not(fillgauge_shuttle))]
impl<T> Slot<T> {
    pub(crate) const fn new() -> Self {
        Self {
            value: arc_swap::ArcSwapOption::const_empty(),
            is_set: AtomicBool::new(false),
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

    /// Puts `value` in, and returns what was there.
    pub(crate) fn replace(&self, value: Arc<T>) -> Option<Arc<T>> {
        let before = self.value.swap(Some(value));
        self.is_set.store(true, Ordering::Relaxed);
        before
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

    pub(crate) fn replace(&'static self, value: Arc<T>) -> Option<Arc<T>> {
        super::lock(super::force(&self.0)).replace(value)
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
                    let before = slot.replace(Arc::new([value; 2]));
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
    }
}
