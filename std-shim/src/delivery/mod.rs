//! How events reach their observers: what runs foreign code, where, and how often.
//!
//! | file | |
//! |---|---|
//! | `guard` | the one place where foreign code is called |
//! | `observers` | who observes the events of a gauge, in which order |
//! | `log` | the lines of the log |
//! | `log_limit` | how often a gauge logs |
//! | `handlers` | the handlers of the process |
//! | `per_limit` | warnings of limits without a gauge, and what gauges that are gone have suppressed |
//! | `background` | what waits for the background thread, and the thread |
//!
//! Nothing here knows gauges or registries. The gauge's side of delivery is `registry::outlet`.

pub(crate) mod background;
pub(crate) mod guard;
pub(crate) mod handlers;
pub(crate) mod log;
mod log_limit;
pub(crate) mod observers;
pub(crate) mod per_limit;

pub use handlers::{
    remove_limit_event_handler, remove_limit_warning_handler, set_limit_event_handler,
    set_limit_warning_handler,
};
pub(crate) use log_limit::Lines;
pub use log_limit::{LogLimit, set_log_limit};
pub use per_limit::warn_limit_exhausted;
