//! What waits to be delivered by a thread that nobody waits for, and the background thread.

use std::collections::VecDeque;
use std::fmt;
use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fillgauge::Limit;

use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{
    Condvar, Lazy, List, Mutex, MutexGuard, force, lock, now, resize, start_thread, wait, with_room,
};

/// Things to deliver, of which an index tells one. Each is run or discarded once, without any lock.
pub(crate) trait Errand: Send + Sync {
    /// The gauge that it is for.
    fn gauge(&self, index: usize) -> GaugeName;

    fn run(self: Arc<Self>, index: usize);

    /// Whether there is nothing left to deliver. No foreign code runs, and nothing is freed.
    fn is_obsolete(&self, index: usize) -> bool {
        let _ = index;
        false
    }

    /// Ends an obsolete errand.
    fn discard(self: Arc<Self>, index: usize) {
        let _ = index;
    }
}

/// A gauge, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GaugeName {
    pub(crate) limit: &'static Limit,
    pub(crate) instance: usize,
}

impl fmt::Display for GaugeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} #{}", self.limit, self.instance)
    }
}

/// An errand that a thread runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Running {
    number: u64,
    gauge: GaugeName,
    since: Option<Instant>,
}

impl fmt::Display for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.gauge)?;
        match self.since {
            Some(since) => write!(f, " for {:.1?}", since.elapsed()),
            None => Ok(()),
        }
    }
}

static BACKGROUND: Lazy<Background> = Lazy::new(Background::default);

#[derive(Default)]
struct Background {
    state: Mutex<State>,
    /// Whether there is a thread.
    is_started: AtomicBool,
    /// Notified when there is an errand and the background thread sleeps.
    work: Condvar,
    /// Notified when an errand has ended and somebody waits for that.
    ended: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Posted>,
    /// Places for errands that may come: no more errands than these ever wait.
    reserved: usize,
    running: VecDeque<Running>,
    /// How many errands were posted, which numbers them.
    posted: u64,
    thread: Thread,
    /// Threads that wait for errands to end.
    flushing: usize,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Thread {
    /// It was not needed, or could not be started.
    #[default]
    None,
    /// It works, or is about to.
    Awake,
    /// It waits for work.
    Asleep,
}

/// An errand that waits.
struct Posted {
    number: u64,
    errand: Arc<dyn Errand>,
    index: usize,
}

impl List<State> for Posted {
    type Entry = Posted;

    fn entries(state: &mut State) -> &mut VecDeque<Self::Entry> {
        &mut state.waiting
    }

    fn taken(state: &mut State) -> usize {
        state.reserved
    }

    fn is_obsolete(posted: &Posted) -> bool {
        posted.errand.is_obsolete(posted.index)
    }

    fn discard(posted: Posted) {
        posted.errand.discard(posted.index);
    }
}

impl List<State> for Running {
    type Entry = Running;

    fn entries(state: &mut State) -> &mut VecDeque<Running> {
        &mut state.running
    }
}

/// A place for one errand at a time: who has one may [`post`] without allocating.
#[derive(Debug)]
pub(crate) struct Place(());

impl Place {
    pub(crate) fn reserve() -> Self {
        let background = force(&BACKGROUND);
        with_room::<Posted, _, _>(&background.state, |state| state.reserved += 1);
        Self(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let background = force(&BACKGROUND);
        let mut state = lock(&background.state);
        state.reserved -= 1;
        let is_roomy = state.waiting.capacity() > 8 * state.reserved + 64;
        drop(state);
        if is_roomy {
            resize::<Posted, _>(&background.state);
        }
    }
}

/// Leaves `errand` at `index`, which has a [`Place`], to the background thread. That is started if
/// there is none. If it cannot be started, the errand waits for the next attempt, or for a flush.
pub(crate) fn post(errand: Arc<dyn Errand>, index: usize) {
    let background = force(&BACKGROUND);
    let mut state = lock(&background.state);
    // Within its capacity: there is a place.
    state.posted += 1;
    let number = state.posted;
    state.waiting.push_back(Posted {
        number,
        errand,
        index,
    });
    background.wake(state);
}

/// The same for an errand that has no place.
pub(crate) fn post_once(errand: Arc<dyn Errand>, index: usize) {
    /// Gives the place up when the errand is done.
    struct Once {
        errand: Arc<dyn Errand>,
        _place: Place,
    }

    impl Errand for Once {
        fn gauge(&self, index: usize) -> GaugeName {
            self.errand.gauge(index)
        }

        fn run(self: Arc<Self>, index: usize) {
            Arc::clone(&self.errand).run(index);
        }
    }

    let once = Once {
        errand,
        _place: Place::reserve(),
    };
    post(Arc::new(once), index);
}

/// Starts the background thread, if there is none: what is about to need it may not allocate.
pub(crate) fn prepare() {
    let background = force(&BACKGROUND);
    if !background.is_started.load(Ordering::Relaxed) {
        background.wake(lock(&background.state));
    }
}

impl Background {
    /// Sees to it that the background thread finds what waits.
    fn wake(&'static self, mut state: MutexGuard<'_, State>) {
        // The first that finds it missing starts it.
        let before = mem::replace(&mut state.thread, Thread::Awake);
        drop(state);
        match before {
            Thread::Awake => {}
            Thread::Asleep => self.work.notify_one(),
            Thread::None => start(self),
        }
    }

    /// Allocates what waiting takes, which some systems do in the first wait: not under the lock.
    fn allocate(&self) {
        self.work.notify_all();
        self.ended.notify_all();
    }

    /// Runs the errand that waits longest. Returns whether there was one.
    fn run_next(&self) -> bool {
        let next = with_room::<Running, _, _>(&self.state, |state| {
            let Posted {
                number,
                errand,
                index,
            } = state.waiting.pop_front()?;
            state.running.push_back(Running {
                number,
                gauge: errand.gauge(index),
                since: now(),
            });
            Some((errand, index, number))
        });
        let Some((errand, index, number)) = next else {
            return false;
        };
        errand.run(index);
        let mut state = lock(&self.state);
        state.running.retain(|running| running.number != number);
        let is_awaited = state.flushing > 0;
        drop(state);
        if is_awaited {
            self.ended.notify_all();
        }
        true
    }

    /// Runs what waits now, and waits for what runs now.
    fn pass(&self, deadline: Option<Instant>) -> Result<(), Left> {
        let has_time = || deadline.is_none_or(|deadline| Instant::now() < deadline);
        let last = lock(&self.state).posted;
        while lock(&self.state).is_waiting(last) && has_time() && self.run_next() {}

        let mut state = lock(&self.state);
        state.flushing += 1;
        while state.is_running_until(last) {
            let has_time;
            (state, has_time) = wait(&self.ended, state, deadline);
            if !has_time {
                break;
            }
        }
        state.flushing -= 1;
        let left = state.left(last);
        drop(state);
        if left.waiting > 0 || left.running.is_some() {
            return Err(left);
        }
        Ok(())
    }
}

#[cold]
fn start(background: &'static Background) {
    if start_thread("fillgauge", move || work(background)).is_ok() {
        background.is_started.store(true, Ordering::Relaxed);
    } else {
        lock(&background.state).thread = Thread::None;
    }
}

/// The background thread.
fn work(background: &'static Background) {
    background.allocate();
    loop {
        background.run_next();
        let mut state = lock(&background.state);
        while state.waiting.is_empty() {
            state.thread = Thread::Asleep;
            (state, _) = wait(&background.work, state, None);
        }
        state.thread = Thread::Awake;
    }
}

/// What has been running longest.
pub(crate) fn running() -> Option<Running> {
    lock(&force(&BACKGROUND).state).running.front().copied()
}

/// What was not delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Left {
    pub(crate) waiting: usize,
    /// What has been running longest.
    pub(crate) running: Option<Running>,
}

/// Runs on this thread what waits, and waits for what other threads run, until `timeout` is over.
/// What comes later is not waited for.
pub(crate) fn drain(timeout: Duration) -> Result<(), Left> {
    let background = force(&BACKGROUND);
    let deadline = now().and_then(|now| now.checked_add(timeout));
    background.allocate();
    // An errand may leave the last edges of its gauge to another errand, which leaves none, if
    // nothing changes any more.
    background.pass(deadline)?;
    background.pass(deadline)
}

/// What there is to deliver, for a thread that must not wait for it.
pub(crate) fn left() -> Left {
    lock(&force(&BACKGROUND).state).left(u64::MAX)
}

impl State {
    /// Whether one of the first `last` errands is running.
    fn is_running_until(&self, last: u64) -> bool {
        let mut running = self.running.iter();
        running.any(|running| running.number <= last)
    }

    /// Whether one of the first `last` errands waits.
    fn is_waiting(&self, last: u64) -> bool {
        let first = self.waiting.front();
        first.is_some_and(|posted| posted.number <= last)
    }

    /// What is left of the first `last` errands.
    fn left(&self, last: u64) -> Left {
        let waiting = self.waiting.iter();
        let running = self.running.iter().find(|running| running.number <= last);
        Left {
            waiting: waiting.take_while(|posted| posted.number <= last).count(),
            running: running.copied(),
        }
    }
}
