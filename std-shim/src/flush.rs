//! Delivery on demand: at the end of a program, or of a test.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::delivery::background::{self, Left};
use crate::delivery::guard::Role;
use crate::delivery::per_limit;
use crate::registry;

/// Delivers every event that waits for the background thread, on this thread, and waits for those
/// that are being delivered for others. Then logs how many lines each gauge has suppressed.
///
/// Call it before the process exits, or before a test checks what was logged. It does not wait for
/// events that come meanwhile, nor for those that other threads deliver of their own operations.
///
/// The time is checked between events: an observer that never returns keeps this thread too.
///
/// # Errors
///
/// [`FlushTimeout`] if `timeout` was over before. Also at once, if the caller is a subscriber or a
/// handler that this crate called: it would wait for itself. A subscriber that writes a line of the
/// program's own is not recognised: do not call this there.
///
/// ```
/// use std::time::Duration;
/// use fillgauge_std::{flush_events, tracked_sync_channel};
///
/// let (sender, receiver) = tracked_sync_channel("jobs", 5);
/// for item in 0..4 {
///     sender.send(item)?; // the fourth warns
/// }
/// receiver.try_iter().take(2).count(); // recovers, which the background thread logs
/// flush_events(Duration::from_secs(1))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn flush_events(timeout: Duration) -> Result<(), FlushTimeout> {
    if Role::current() == Role::Observer {
        return Err(FlushTimeout {
            left: background::left(),
            is_observer: true,
        });
    }
    let drained = background::drain(timeout);
    registry::say_suppressed();
    per_limit::say_suppressed();
    drained.map_err(|left| FlushTimeout {
        left,
        is_observer: false,
    })
}

/// Not all events were delivered in time, from [`flush_events`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlushTimeout {
    left: Left,
    is_observer: bool,
}

impl FlushTimeout {
    /// How many events still wait.
    pub const fn waiting(&self) -> usize {
        self.left.waiting
    }
}

impl fmt::Display for FlushTimeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_observer {
            f.write_str("an observer cannot wait for events to be delivered: ")?;
        } else {
            f.write_str("events were not delivered in time: ")?;
        }
        write!(f, "{} waiting", self.left.waiting)?;
        match &self.left.running {
            Some(running) => write!(f, ", an observer of {running} has not returned"),
            None => Ok(()),
        }
    }
}

impl Error for FlushTimeout {}
