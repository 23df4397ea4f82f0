//! Warnings of limits that have no gauge, and what gauges that are gone have left to say.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;

use fillgauge::{IntoLimit, Limit, LimitCategory};

use super::Lines;
use super::background::{self, Errand, GaugeName};
use super::log::{Log, can_say};
use super::observers::Observers;
use crate::event::{LimitEvent, Origin, RegistryName};
use crate::names::{keep, key};
use crate::sync::{Lazy, List, Mutex, force, lock, time_of_day, with_room};

/// Warns that a limit is used up which nobody samples on the way, such as a budget of processor
/// time: `observed` of `capacity`.
///
/// Every call reaches the handlers, on this thread. The log gets at most as many lines of a `limit`
/// as [`LogLimit`](crate::LogLimit) says. A `&'static str` names a limit of category
/// [`Cpu`](LimitCategory::Cpu).
///
/// ```
/// fillgauge_std::warn_limit_exhausted("boot_ms", 33_000, 30_000);
/// ```
pub fn warn_limit_exhausted(limit: impl IntoLimit, observed: usize, capacity: usize) {
    let limit = keep(limit, LimitCategory::Cpu);
    let event = LimitEvent::new(
        fillgauge::LimitEvent::exhausted(limit, observed, capacity),
        Origin {
            label: None,
            registry: RegistryName::GLOBAL,
        },
        time_of_day(),
    );
    Observers::PROCESS.notify(&event, &Log::LOCAL, || take_line(limit));
}

/// What is to be said of each limit.
static LIMITS: Lazy<Mutex<VecDeque<Account>>> = Lazy::new(Mutex::default);

struct Account {
    limit: &'static Limit,
    /// Those of [`warn_limit_exhausted`].
    lines: Lines,
    /// Lines that gauges had suppressed when they were dropped, and that nobody has said.
    gone: usize,
    /// The gauge that had, or 0 if there were several.
    instance: usize,
}

impl Account {
    fn take_gone(&mut self) -> (usize, usize) {
        (self.instance, mem::take(&mut self.gone))
    }
}

impl List<VecDeque<Account>> for Account {
    type Entry = Self;

    fn entries(state: &mut VecDeque<Self>) -> &mut VecDeque<Self> {
        state
    }
}

/// Runs `act` on the account of `limit`.
fn with_account<R>(limit: &'static Limit, act: impl FnOnce(&mut Account) -> R) -> Option<R> {
    with_room::<Account, _, _>(force(&LIMITS), |accounts| {
        let position = accounts.binary_search_by_key(&key(limit), |account| key(account.limit));
        let position = position.unwrap_or_else(|position| {
            let account = Account {
                limit,
                lines: Lines::default(),
                gone: 0,
                instance: 0,
            };
            accounts.insert(position, account);
            position
        });
        accounts.get_mut(position).map(act)
    })
}

fn take_line(limit: &'static Limit) -> Option<usize> {
    with_account(limit, |account| account.lines.take()).flatten()
}

/// Has the background thread say that `gauge` is gone and had suppressed so many lines.
pub(crate) fn add_suppressed(gauge: GaugeName, suppressed: usize) {
    let is_first = with_account(gauge.limit, |account| {
        let is_first = account.gone == 0;
        account.gone += suppressed;
        account.instance = if is_first { gauge.instance } else { 0 };
        is_first
    });
    if is_first == Some(true) {
        let errand = SayGone {
            gauge,
            log: Log::current(),
        };
        background::post_once(Arc::new(errand), 0);
    }
}

/// Says what the gauges of a limit had suppressed when they were dropped.
struct SayGone {
    /// The first of them.
    gauge: GaugeName,
    /// Where that one was dropped.
    log: Log,
}

impl Errand for SayGone {
    fn gauge(&self, _: usize) -> GaugeName {
        self.gauge
    }

    fn run(self: Arc<Self>, _: usize) {
        if !can_say() {
            return;
        }
        let limit = self.gauge.limit;
        if let Some((instance, suppressed)) = with_account(limit, Account::take_gone) {
            self.log.say_suppressed(limit, instance, None, suppressed);
        }
    }
}

/// Logs for each limit how many lines were suppressed: of [`warn_limit_exhausted`], and of gauges
/// that are gone.
pub(crate) fn say_suppressed() {
    if !can_say() {
        return;
    }
    let limits = force(&LIMITS);
    let mut latest = None;
    loop {
        // One at a time, since the lock is not held while it is said.
        let next = lock(limits).iter_mut().find_map(|account| {
            let has_some = account.lines.suppressed() > 0 || account.gone > 0;
            let is_next = latest < Some(key(account.limit)) && has_some;
            is_next.then(|| {
                let suppressed = account.lines.take_suppressed();
                (account.limit, suppressed, account.take_gone())
            })
        });
        let Some((limit, suppressed, (instance, gone))) = next else {
            return;
        };
        latest = Some(key(limit));
        Log::LOCAL.say_suppressed(limit, 0, None, suppressed);
        Log::LOCAL.say_suppressed(limit, instance, None, gone);
    }
}
