//! `tokio::sync::Semaphore`, tracked.

use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;

use ::tokio::sync::{self, AcquireError, TryAcquireError};
use fillgauge::IntoLimit;

use super::semaphore_permits::{GiveBack, OwnedSemaphorePermit, SemaphorePermit};
use crate::backpressure::Backpressure;
use crate::channels::account::ChannelAccount;
use crate::registry::{Poll, QueueProbe};
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::track::track;

/// A [`tokio::sync::Semaphore`] whose permits are tracked. The depth of its gauge is what is out,
/// or handed to a task that waits. The capacity follows [`add_permits`](Self::add_permits), and
/// all that forgets permits.
///
/// Who takes delivers on its own thread. What is given back leaves what follows to the
/// [background thread](crate#who-delivers). A semaphore without permits has no events.
///
/// ```
/// use fillgauge_std::channels::tokio::Semaphore;
///
/// let uploads = Semaphore::new("uploads", 5);
/// let four = uploads.try_acquire_many(4)?;
/// assert!(uploads.gauge().has_warned(), "4 of 5 are 80 %");
/// four.forget();
/// assert_eq!((uploads.gauge().depth(), uploads.gauge().capacity()), (0, 1));
/// # Ok::<(), fillgauge_std::channels::tokio::TryAcquireError>(())
/// ```
///
/// [`tokio::sync::Semaphore`]: sync::Semaphore
pub struct Semaphore {
    state: Arc<State>,
    probe: Arc<QueueProbe>,
}

/// What says how much is out: all permits less those that are available.
///
/// A change of the number of all changes both. Each is counted when it begins and when it ends, and
/// a reader meanwhile goes by the last check. The thread that makes the change checks afterwards:
///
/// ```text
/// thread A                                  thread B
/// takes a permit: a read-modify-write       `ended` is raised: a read-modify-write
/// fence                                     fence, in `check_changed`
/// load of `ended`                           load of the permits that are available
/// ```
///
/// Either A sees that the change has ended, or B sees the permit.
pub(crate) struct State {
    inner: Arc<sync::Semaphore>,
    /// All permits.
    all: AtomicUsize,
    begun: AtomicUsize,
    ended: AtomicUsize,
    account: Arc<ChannelAccount>,
}

impl State {
    /// What is out. `None` while the number of all changes.
    fn out(&self) -> Option<usize> {
        // In this order: a change that is in progress at any time of this call has begun, and had
        // not ended.
        let ended = self.ended.load(Ordering::SeqCst);
        let all = self.all.load(Ordering::SeqCst);
        let available = self.inner.available_permits();
        let is_steady = self.begun.load(Ordering::SeqCst) == ended;
        is_steady.then(|| all.saturating_sub(available))
    }
}

/// A change of the number of all permits, in progress. The capacity of the gauge follows before it
/// ends: nobody checks by the one without the other. It ends also if tokio panics.
struct Changing<'semaphore>(&'semaphore Semaphore);

impl Changing<'_> {
    fn add(&self, n: usize) {
        self.0.state.all.fetch_add(n, Ordering::SeqCst);
    }

    fn subtract(&self, n: usize) {
        self.0.state.all.fetch_sub(n, Ordering::SeqCst);
    }
}

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        let Semaphore { state, probe } = self.0;
        loop {
            let all = state.all.load(Ordering::SeqCst);
            probe.store_capacity(all);
            // Another thread may have stored what it read before this one did.
            if state.all.load(Ordering::SeqCst) == all {
                break;
            }
        }
        state.ended.fetch_add(1, Ordering::SeqCst);
    }
}

/// Tracks a semaphore. `enlist` registers its probe, with a way to read it.
#[track_caller]
pub(crate) fn semaphore_on(
    permits: usize,
    account: Arc<ChannelAccount>,
    enlist: impl FnOnce(Arc<Poll>) -> Arc<QueueProbe>,
) -> Semaphore {
    let state = Arc::new(State {
        inner: Arc::new(sync::Semaphore::new(permits)),
        all: AtomicUsize::new(permits),
        begun: AtomicUsize::new(0),
        ended: AtomicUsize::new(0),
        account,
    });
    let read = Arc::downgrade(&state);
    let probe = enlist(Poll::new(move || read.upgrade()?.out()));
    Semaphore { state, probe }
}

impl Semaphore {
    /// The most permits of a semaphore.
    pub const MAX_PERMITS: usize = sync::Semaphore::MAX_PERMITS;

    /// A semaphore with `permits`, in the global registry. A `&'static str` names a limit of
    /// category [`Queue`](crate::LimitCategory::Queue). For a label, thresholds or a registry of
    /// your own see [`Track::semaphore`](crate::Track::semaphore).
    ///
    /// # Panics
    ///
    /// If that is more than [`MAX_PERMITS`](Self::MAX_PERMITS), as tokio's does.
    #[track_caller]
    pub fn new(limit: impl IntoLimit, permits: usize) -> Self {
        track(limit).capacity(permits).semaphore()
    }

    /// How many permits nobody has.
    pub fn available_permits(&self) -> usize {
        self.state.inner.available_permits()
    }

    /// Adds permits. The capacity of the gauge follows.
    ///
    /// # Panics
    ///
    /// If there are more than [`MAX_PERMITS`](Self::MAX_PERMITS) then, as tokio's does.
    pub fn add_permits(&self, n: usize) {
        // For a waker that panics.
        let mut unwinding = GiveBack(Some(self));
        let changing = self.change();
        changing.add(n);
        self.state.inner.add_permits(n);
        drop(changing);
        unwinding.0 = None;
        self.check_changed();
    }

    /// Takes up to `n` of the permits that nobody has away, and returns how many those are. The
    /// capacity of the gauge follows.
    pub fn forget_permits(&self, n: usize) -> usize {
        let changing = self.change();
        let forgotten = self.state.inner.forget_permits(n);
        changing.subtract(forgotten);
        drop(changing);
        self.check_changed();
        forgotten
    }

    /// Waits for a permit. See [`sync::Semaphore::acquire`].
    ///
    /// # Errors
    ///
    /// If the semaphore is [closed](Self::close).
    pub async fn acquire(&self) -> Result<SemaphorePermit<'_>, AcquireError> {
        let permit = self.taking(1, self.state.inner.acquire()).await?;
        Ok(SemaphorePermit::new(permit, self))
    }

    /// Waits for `n` permits. While it waits it holds what there is, and that is out. See
    /// [`sync::Semaphore::acquire_many`].
    ///
    /// # Errors
    ///
    /// If the semaphore is [closed](Self::close).
    pub async fn acquire_many(&self, n: u32) -> Result<SemaphorePermit<'_>, AcquireError> {
        let permit = self.taking(n, self.state.inner.acquire_many(n)).await?;
        Ok(SemaphorePermit::new(permit, self))
    }

    /// Takes a permit if there is one. See [`sync::Semaphore::try_acquire`].
    ///
    /// # Errors
    ///
    /// If there is none, which counts as refused, or if the semaphore is [closed](Self::close).
    #[inline]
    pub fn try_acquire(&self) -> Result<SemaphorePermit<'_>, TryAcquireError> {
        let permit = self.after_try(self.state.inner.try_acquire())?;
        Ok(SemaphorePermit::new(permit, self))
    }

    /// Takes `n` permits if there are so many. See [`sync::Semaphore::try_acquire_many`].
    ///
    /// # Errors
    ///
    /// If there are fewer, which counts as one refusal, or if the semaphore is
    /// [closed](Self::close).
    pub fn try_acquire_many(&self, n: u32) -> Result<SemaphorePermit<'_>, TryAcquireError> {
        let permit = self.after_try(self.state.inner.try_acquire_many(n))?;
        Ok(SemaphorePermit::new(permit, self))
    }

    /// Waits for a permit on a thread that is not of a runtime. The wait counts if there is no
    /// permit when this is called. See [`sync::Semaphore::blocking_acquire`].
    ///
    /// # Errors
    ///
    /// If the semaphore is [closed](Self::close).
    ///
    /// # Panics
    ///
    /// In an asynchronous context, as tokio's does.
    #[track_caller]
    pub fn blocking_acquire(&self) -> Result<SemaphorePermit<'_>, AcquireError> {
        let waiting = self.wait_if_below(1);
        let acquired = self.state.inner.blocking_acquire();
        drop(waiting);
        Ok(SemaphorePermit::new(self.after_wait(acquired)?, self))
    }

    /// Waits for `n` permits on a thread that is not of a runtime. See
    /// [`sync::Semaphore::blocking_acquire_many`].
    ///
    /// # Errors
    ///
    /// If the semaphore is [closed](Self::close).
    ///
    /// # Panics
    ///
    /// In an asynchronous context, as tokio's does.
    #[track_caller]
    pub fn blocking_acquire_many(&self, n: u32) -> Result<SemaphorePermit<'_>, AcquireError> {
        let waiting = self.wait_if_below(n);
        let acquired = self.state.inner.blocking_acquire_many(n);
        drop(waiting);
        Ok(SemaphorePermit::new(self.after_wait(acquired)?, self))
    }

    /// Waits for a permit that keeps the semaphore. See [`sync::Semaphore::acquire_owned`].
    ///
    /// # Errors
    ///
    /// If the semaphore is [closed](Self::close).
    pub async fn acquire_owned(self: Arc<Self>) -> Result<OwnedSemaphorePermit, AcquireError> {
        let inner = Arc::clone(&self.state.inner);
        let permit = self.taking(1, inner.acquire_owned()).await?;
        Ok(OwnedSemaphorePermit::new(permit, self))
    }

    /// Waits for `n` permits that keep the semaphore. See
    /// [`sync::Semaphore::acquire_many_owned`].
    ///
    /// # Errors
    ///
    /// If the semaphore is [closed](Self::close).
    pub async fn acquire_many_owned(
        self: Arc<Self>,
        n: u32,
    ) -> Result<OwnedSemaphorePermit, AcquireError> {
        let inner = Arc::clone(&self.state.inner);
        let permit = self.taking(n, inner.acquire_many_owned(n)).await?;
        Ok(OwnedSemaphorePermit::new(permit, self))
    }

    /// Takes a permit that keeps the semaphore, if there is one. See
    /// [`sync::Semaphore::try_acquire_owned`].
    ///
    /// # Errors
    ///
    /// If there is none, which counts as refused, or if the semaphore is [closed](Self::close).
    pub fn try_acquire_owned(self: Arc<Self>) -> Result<OwnedSemaphorePermit, TryAcquireError> {
        let inner = Arc::clone(&self.state.inner);
        let permit = self.after_try(inner.try_acquire_owned())?;
        Ok(OwnedSemaphorePermit::new(permit, self))
    }

    /// Takes `n` permits that keep the semaphore, if there are so many. See
    /// [`sync::Semaphore::try_acquire_many_owned`].
    ///
    /// # Errors
    ///
    /// If there are fewer, which counts as one refusal, or if the semaphore is
    /// [closed](Self::close).
    pub fn try_acquire_many_owned(
        self: Arc<Self>,
        n: u32,
    ) -> Result<OwnedSemaphorePermit, TryAcquireError> {
        let inner = Arc::clone(&self.state.inner);
        let permit = self.after_try(inner.try_acquire_many_owned(n))?;
        Ok(OwnedSemaphorePermit::new(permit, self))
    }

    /// [`blocking_acquire`](Self::blocking_acquire) of a permit that keeps the semaphore.
    ///
    /// # Errors
    ///
    /// If the semaphore is [closed](Self::close).
    ///
    /// # Panics
    ///
    /// In an asynchronous context, as tokio's does.
    #[track_caller]
    pub fn blocking_acquire_owned(self: Arc<Self>) -> Result<OwnedSemaphorePermit, AcquireError> {
        let waiting = self.wait_if_below(1);
        let acquired = Arc::clone(&self.state.inner).blocking_acquire_owned();
        drop(waiting);
        let permit = self.after_wait(acquired)?;
        Ok(OwnedSemaphorePermit::new(permit, self))
    }

    /// [`blocking_acquire_many`](Self::blocking_acquire_many) of permits that keep the semaphore.
    ///
    /// # Errors
    ///
    /// If the semaphore is [closed](Self::close).
    ///
    /// # Panics
    ///
    /// In an asynchronous context, as tokio's does.
    #[track_caller]
    pub fn blocking_acquire_many_owned(
        self: Arc<Self>,
        n: u32,
    ) -> Result<OwnedSemaphorePermit, AcquireError> {
        let waiting = self.wait_if_below(n);
        let acquired = Arc::clone(&self.state.inner).blocking_acquire_many_owned(n);
        drop(waiting);
        let permit = self.after_wait(acquired)?;
        Ok(OwnedSemaphorePermit::new(permit, self))
    }

    /// Closes the semaphore: nothing is admitted any more, and who waits gets an error. What is out
    /// stays out until it is given back.
    pub fn close(&self) {
        self.state.inner.close();
    }

    /// Whether it is closed.
    pub fn is_closed(&self) -> bool {
        self.state.inner.is_closed()
    }

    /// The gauge of the semaphore.
    pub fn gauge(&self) -> &Arc<QueueProbe> {
        &self.probe
    }

    /// How the semaphore held back who asked, so far.
    pub fn backpressure(&self) -> Backpressure {
        self.probe.backpressure()
    }

    /// What is out, or was at the last check while the number of all permits changes.
    #[inline]
    fn out(&self) -> usize {
        self.state.out().unwrap_or_else(|| self.probe.depth())
    }

    /// Checks after this thread took permits. Every change of what is available is a
    /// read-modify-write, see the module.
    #[inline]
    fn check(&self) {
        self.probe.check_after_rmw(|| self.out());
    }

    /// Checks after this thread gave permits back.
    #[inline]
    pub(super) fn check_deferred(&self) {
        self.probe.check_deferred_after_rmw(|| self.out());
    }

    /// Begins to change the number of all permits.
    fn change(&self) -> Changing<'_> {
        self.state.begun.fetch_add(1, Ordering::SeqCst);
        Changing(self)
    }

    /// Checks after this thread has changed the number of all permits.
    fn check_changed(&self) {
        self.probe.check(|| self.out());
    }

    /// Permits that are out are there no more.
    pub(super) fn forgotten(&self, n: usize, forget: impl FnOnce()) {
        let changing = self.change();
        forget();
        changing.subtract(n);
        drop(changing);
        self.check_changed();
    }

    fn wait_if_below(&self, n: u32) -> Option<impl Drop + use<'_>> {
        let waits = self.available_permits() < n as usize && !self.is_closed();
        waits.then(|| self.state.account.wait())
    }

    #[inline]
    fn after_try<P>(&self, tried: Result<P, TryAcquireError>) -> Result<P, TryAcquireError> {
        match &tried {
            Ok(_) => self.check(),
            Err(TryAcquireError::NoPermits) => self.probe.record_refused(1),
            Err(TryAcquireError::Closed) => self.state.account.count_disconnected(),
        }
        tried
    }

    fn after_wait<P>(&self, acquired: Result<P, AcquireError>) -> Result<P, AcquireError> {
        if acquired.is_err() {
            self.state.account.count_disconnected();
        }
        self.check();
        acquired
    }

    /// Runs a future that takes `n` permits, and checks: with what it has when it waits, when it
    /// ends, and when it is dropped.
    async fn taking<P>(
        &self,
        n: u32,
        future: impl Future<Output = Result<P, AcquireError>>,
    ) -> Result<P, AcquireError> {
        // Dropped after the future, which then has given back what it held.
        let mut cancelled = GiveBack(Some(self));
        let account = &self.state.account;
        let is_short = || self.available_permits() < n as usize;
        let acquired = if n > 1 {
            let mut future = pin!(future);
            let checked = poll_fn(|context| {
                let polled = future.as_mut().poll(context);
                if polled.is_pending() {
                    // It may have got a part.
                    self.check();
                }
                polled
            });
            account.wait_in(is_short, checked).await
        } else {
            account.wait_in(is_short, future).await
        };
        cancelled.0 = None;
        self.after_wait(acquired)
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore")
            .field("gauge", &self.probe)
            .finish_non_exhaustive()
    }
}
