//! The warnings of one execution, and what its handler does about them.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Once;

use fillgauge_std::{LimitWarning, set_limit_warning_handler};
use shuttle::thread::{self, ThreadId};

type Reaction = Rc<dyn Fn()>;

// The handler is one for the process. All tasks of an execution run on one thread of the system, and no other execution
// at that time.
thread_local! {
    static WARNINGS: RefCell<Vec<(LimitWarning, ThreadId)>> = const { RefCell::new(Vec::new()) };
    static REACTION: RefCell<Option<Reaction>> = const { RefCell::new(None) };
}

/// From now on the handler does `reaction` to each warning of this execution, and then keeps it.
pub(crate) fn on_warning(reaction: impl Fn() + 'static) {
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| {
        set_limit_warning_handler(Box::new(|warning| {
            let reaction = REACTION.with_borrow(Clone::clone);
            if let Some(reaction) = reaction {
                reaction();
            }
            let handled = (*warning, thread::current().id());
            WARNINGS.with_borrow_mut(|warnings| warnings.push(handled));
        }));
    });
    WARNINGS.take();
    REACTION.set(Some(Rc::new(reaction)));
}

/// The warnings whose handler is done, and the thread that it ran on.
pub(crate) fn warnings() -> Vec<(LimitWarning, ThreadId)> {
    WARNINGS.with_borrow(Clone::clone)
}

/// Drops the reaction with what it owns.
pub(crate) fn forget_reaction() {
    drop(REACTION.take());
}
