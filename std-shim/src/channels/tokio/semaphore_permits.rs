//! Permits of a semaphore.

use std::fmt;
use std::sync::Arc;

use ::tokio::sync;

use super::Semaphore;

/// Checks after what was given back. It stands after what gives back.
pub(super) struct GiveBack<'semaphore>(pub(super) Option<&'semaphore Semaphore>);

impl Drop for GiveBack<'_> {
    fn drop(&mut self) {
        if let Some(semaphore) = self.0 {
            semaphore.check_deferred();
        }
    }
}

/// The same for a permit that keeps its semaphore.
struct GiveBackOwned(Arc<Semaphore>);

impl Drop for GiveBackOwned {
    fn drop(&mut self) {
        self.0.check_deferred();
    }
}

/// Permits of a [`Semaphore`], after [`tokio::sync::SemaphorePermit`]. Dropping it gives them back.
///
/// ```
/// use fillgauge_std::channels::tokio::Semaphore;
///
/// let uploads = Semaphore::new("uploads", 10);
/// let mut permit = uploads.try_acquire_many(3)?;
/// let one = permit.split(1).unwrap();
/// drop(permit);
/// assert_eq!((one.num_permits(), uploads.gauge().depth()), (1, 1));
/// # Ok::<(), fillgauge_std::channels::tokio::TryAcquireError>(())
/// ```
///
/// [`tokio::sync::SemaphorePermit`]: sync::SemaphorePermit
#[must_use = "dropping it gives the permits back"]
#[clippy::has_significant_drop]
pub struct SemaphorePermit<'a> {
    // Dropped in this order: they are given back before that is checked.
    inner: sync::SemaphorePermit<'a>,
    after: GiveBack<'a>,
    semaphore: &'a Semaphore,
}

impl<'a> SemaphorePermit<'a> {
    #[inline]
    pub(super) fn new(inner: sync::SemaphorePermit<'a>, semaphore: &'a Semaphore) -> Self {
        Self {
            inner,
            after: GiveBack(Some(semaphore)),
            semaphore,
        }
    }

    /// Takes the permits out of the semaphore for good: what is out and the capacity fall. This
    /// thread delivers.
    pub fn forget(self) {
        let Self {
            inner,
            mut after,
            semaphore,
        } = self;
        after.0 = None;
        semaphore.forgotten(inner.num_permits(), || inner.forget());
    }

    /// Adds the permits of `other`.
    ///
    /// # Panics
    ///
    /// If `other` is of another semaphore, as tokio's does.
    #[track_caller]
    pub fn merge(&mut self, other: Self) {
        let Self {
            inner, mut after, ..
        } = other;
        self.inner.merge(inner);
        after.0 = None;
    }

    /// Takes `n` permits into one of their own. `None` if there are fewer.
    pub fn split(&mut self, n: usize) -> Option<Self> {
        Some(Self::new(self.inner.split(n)?, self.semaphore))
    }

    /// The semaphore that they are of.
    pub fn semaphore(&self) -> &Semaphore {
        self.semaphore
    }

    /// How many permits it is.
    pub fn num_permits(&self) -> usize {
        self.inner.num_permits()
    }
}

impl fmt::Debug for SemaphorePermit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug(f, "SemaphorePermit", self.num_permits(), self.semaphore)
    }
}

/// Permits of a [`Semaphore`], which they keep, after [`tokio::sync::OwnedSemaphorePermit`].
/// Dropping it gives them back.
///
/// ```
/// use std::sync::Arc;
/// use std::thread;
/// use fillgauge_std::channels::tokio::Semaphore;
///
/// let uploads = Arc::new(Semaphore::new("uploads", 10));
/// let permit = Arc::clone(&uploads).try_acquire_owned()?;
/// thread::spawn(move || drop(permit)).join().unwrap();
/// assert_eq!(uploads.gauge().depth(), 0);
/// # Ok::<(), fillgauge_std::channels::tokio::TryAcquireError>(())
/// ```
///
/// [`tokio::sync::OwnedSemaphorePermit`]: sync::OwnedSemaphorePermit
#[must_use = "dropping it gives the permits back"]
#[clippy::has_significant_drop]
pub struct OwnedSemaphorePermit {
    // Dropped in this order: they are given back before that is checked.
    inner: sync::OwnedSemaphorePermit,
    after: GiveBackOwned,
}

impl OwnedSemaphorePermit {
    pub(super) fn new(inner: sync::OwnedSemaphorePermit, semaphore: Arc<Semaphore>) -> Self {
        Self {
            inner,
            after: GiveBackOwned(semaphore),
        }
    }

    /// Takes the permits out of the semaphore for good: what is out and the capacity fall. This
    /// thread delivers.
    pub fn forget(self) {
        let Self { inner, after } = self;
        after.0.forgotten(inner.num_permits(), || inner.forget());
    }

    /// Adds the permits of `other`.
    ///
    /// # Panics
    ///
    /// If `other` is of another semaphore, as tokio's does.
    #[track_caller]
    pub fn merge(&mut self, other: Self) {
        self.inner.merge(other.inner);
    }

    /// Takes `n` permits into one of their own. `None` if there are fewer.
    pub fn split(&mut self, n: usize) -> Option<Self> {
        let inner = self.inner.split(n)?;
        Some(Self::new(inner, Arc::clone(&self.after.0)))
    }

    /// The semaphore that they are of.
    pub fn semaphore(&self) -> &Arc<Semaphore> {
        &self.after.0
    }

    /// How many permits it is.
    pub fn num_permits(&self) -> usize {
        self.inner.num_permits()
    }
}

impl fmt::Debug for OwnedSemaphorePermit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug(
            f,
            "OwnedSemaphorePermit",
            self.num_permits(),
            self.semaphore(),
        )
    }
}

fn debug(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    permits: usize,
    semaphore: &Semaphore,
) -> fmt::Result {
    f.debug_struct(name)
        .field("permits", &permits)
        .field("gauge", semaphore.gauge())
        .finish_non_exhaustive()
}
