//! The one file that names where threads, channels, locks and atomics come from: std, or shuttle under
//! `cfg(fillgauge_shuttle)`.

#[cfg(not(fillgauge_shuttle))]
pub(crate) use std::{
    sync::{LazyLock as Lazy, Mutex, MutexGuard, atomic, mpsc},
    thread, thread_local,
};

#[cfg(fillgauge_shuttle)]
pub(crate) use shuttle::{
    lazy_static::Lazy,
    sync::{Mutex, MutexGuard, atomic, mpsc},
    thread, thread_local,
};

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
    timeout: std::time::Duration,
) -> Result<T, mpsc::RecvTimeoutError> {
    #[cfg(not(fillgauge_shuttle))]
    return receiver.recv_timeout(timeout);
    #[cfg(fillgauge_shuttle)]
    {
        // Shuttle has no clock and its own method never times out: here its scheduler decides, before the call, what comes
        // in time.
        let _ = timeout;
        receiver.try_recv().map_err(|error| match error {
            mpsc::TryRecvError::Empty => mpsc::RecvTimeoutError::Timeout,
            mpsc::TryRecvError::Disconnected => mpsc::RecvTimeoutError::Disconnected,
        })
    }
}
