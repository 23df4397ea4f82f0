//! The one folder that names where threads, channels, locks, atomics and the clock come from: std,
//! or shuttle under `cfg(fillgauge_shuttle)`.

mod clock;
mod list;
mod slot;

use std::io;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

pub(crate) use clock::{Clocks, elapsed, now, time_of_day};
pub(crate) use list::{List, resize, with_room};
pub(crate) use slot::Slot;

#[cfg(not(fillgauge_shuttle))]
pub(crate) use std::{
    sync::{Condvar, LazyLock as Lazy, Mutex, MutexGuard, atomic, mpsc},
    thread_local,
};

#[cfg(fillgauge_shuttle)]
pub(crate) use shuttle::{
    lazy_static::Lazy,
    sync::{Condvar, Mutex, MutexGuard, atomic, mpsc},
    thread_local,
};

/// Whether threads can be started at all. Where they cannot, every thread delivers what it causes.
pub(crate) const HAS_THREADS: bool = !cfg!(all(target_family = "wasm", target_os = "unknown"));

/// Locks `mutex`. What it guards is whole even if a thread panicked while it held the lock.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until `condvar` is notified, or at most until `deadline`. Returns whether there is time
/// left.
pub(crate) fn wait<'a, T>(
    condvar: &Condvar,
    guard: MutexGuard<'a, T>,
    deadline: Option<Instant>,
) -> (MutexGuard<'a, T>, bool) {
    let Some(deadline) = deadline else {
        let guard = condvar.wait(guard).unwrap_or_else(PoisonError::into_inner);
        return (guard, true);
    };
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return (guard, false);
    }
    let (guard, _) = condvar
        .wait_timeout(guard, left)
        .unwrap_or_else(PoisonError::into_inner);
    (guard, true)
}

/// Starts a thread that nobody joins.
pub(crate) fn start_thread(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    #[cfg(not(fillgauge_shuttle))]
    {
        if !HAS_THREADS {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let thread = std::thread::Builder::new().name(name.to_owned());
        thread.spawn(run).map(drop)
    }
    // A thread of shuttle has to end before the execution does; a task need not.
    #[cfg(fillgauge_shuttle)]
    {
        let _ = name;
        if refused::ARE_REFUSED.get() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        drop(shuttle::future::spawn(async move { run() }));
        Ok(())
    }
}

/// Threads that cannot be started, for a program under shuttle.
#[cfg(fillgauge_shuttle)]
mod refused {
    // Of the system's thread, on which all tasks of an execution run.
    std::thread_local! {
        pub(super) static ARE_REFUSED: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
    }

    /// Whether, from now on, no thread of the crate's own can be started.
    pub fn refuse_threads(refuse: bool) {
        ARE_REFUSED.set(refuse);
    }
}

#[cfg(fillgauge_shuttle)]
pub use refused::refuse_threads;

/// The value of `lazy`; under shuttle there is one for each execution.
pub(crate) fn force<T: Send + Sync>(lazy: &'static Lazy<T>) -> &'static T {
    #[cfg(not(fillgauge_shuttle))]
    return lazy;
    #[cfg(fillgauge_shuttle)]
    return lazy.get();
}

/// What `receiver` takes within `timeout`.
pub(crate) fn recv_timeout<T>(
    receiver: &mpsc::Receiver<T>,
    timeout: Duration,
) -> Result<T, mpsc::RecvTimeoutError> {
    #[cfg(not(fillgauge_shuttle))]
    return receiver.recv_timeout(timeout);
    #[cfg(fillgauge_shuttle)]
    {
        // Shuttle has no clock and its own method never times out: here its scheduler decides,
        // before the call, what comes in time.
        let _ = timeout;
        receiver.try_recv().map_err(|error| match error {
            mpsc::TryRecvError::Empty => mpsc::RecvTimeoutError::Timeout,
            mpsc::TryRecvError::Disconnected => mpsc::RecvTimeoutError::Disconnected,
        })
    }
}
