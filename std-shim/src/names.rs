//! Limits that are given by value: each is kept once a process, for ever.

use std::collections::VecDeque;

use fillgauge::{IntoLimit, Limit, LimitCategory, LimitRef, LimitUnit};

use crate::sync::{Lazy, List, Mutex, force, with_room};

/// The limit that `name` names. It is of `category` if nothing else is known.
#[inline]
pub(crate) fn keep(name: impl IntoLimit, category: LimitCategory) -> &'static Limit {
    match name.into_limit(category) {
        LimitRef::Static(limit) => limit,
        LimitRef::Value(limit) => keep_value(limit),
    }
}

/// What was kept, in the order of `known`.
static KEPT: Lazy<Mutex<Limits>> = Lazy::new(Mutex::default);

struct Kept;

type Limits = VecDeque<&'static Limit>;

impl List<Limits> for Kept {
    type Entry = &'static Limit;

    fn entries(state: &mut Limits) -> &mut Limits {
        state
    }
}

fn keep_value(limit: Limit) -> &'static Limit {
    let mut new = None;
    loop {
        let kept = with_room::<Kept, _, _>(force(&KEPT), |kept| {
            match kept.binary_search_by_key(&known(&limit), |kept| known(kept)) {
                Ok(position) => kept.get(position).copied(),
                // Its memory was taken while the lock was free, see `sync::list`.
                Err(position) => new.take().map(|new| {
                    let new = Box::leak(new);
                    kept.insert(position, new);
                    &*new
                }),
            }
        });
        match kept {
            Some(limit) => return limit,
            None => new = Some(Box::new(limit)),
        }
    }
}

/// Limits are the same if these are.
pub(crate) fn key(limit: &Limit) -> (&'static str, LimitCategory) {
    (limit.as_str(), limit.category())
}

/// All that is known of a limit. One that is the same, but for its unit or its help, is kept too:
/// whichever comes first, no gauge loses them.
fn known(limit: &Limit) -> ((&'static str, LimitCategory), LimitUnit, &'static str) {
    (key(limit), limit.unit(), limit.help())
}

#[cfg(all(test, not(fillgauge_shuttle)))]
mod tests {
    use std::ptr;
    use std::thread;

    use super::*;

    #[test]
    fn a_name_is_kept_once_whatever_names_it() {
        let queue = keep("names_a", LimitCategory::Queue);
        assert_eq!(*queue, Limit::queue("names_a"));
        let again = [
            keep(&Limit::queue("names_a"), LimitCategory::Cpu),
            keep(
                String::from("names_a").leak() as &'static str,
                LimitCategory::Queue,
            ),
        ];
        assert!(again.iter().all(|limit| ptr::eq(*limit, queue)));
        let memory = keep("names_a", LimitCategory::Memory);
        assert_eq!(*memory, Limit::memory("names_a"));
        let described = Limit::memory("names_a")
            .with_unit(LimitUnit::Bytes)
            .with_help("A heap");
        let kept = keep(&described, LimitCategory::Queue);
        assert_eq!((kept.unit(), kept.help()), (LimitUnit::Bytes, "A heap"));
        assert!(ptr::eq(keep(&described, LimitCategory::Queue), kept));
        static STATIC: Limit = Limit::cpu("names_static");
        let kept = keep(LimitRef::Static(&STATIC), LimitCategory::Queue);
        assert!(ptr::eq(kept, &STATIC));
    }

    #[test]
    fn threads_that_name_the_same_limits_keep_each_once() {
        const NAMES: [&str; 5] = ["names_1", "names_2", "names_3", "names_4", "names_5"];
        let keep_all = || NAMES.map(|name| ptr::from_ref(keep(name, LimitCategory::Queue)).addr());
        let kept = thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(keep_all)).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect::<Vec<_>>()
        });
        assert!(kept.windows(2).all(|kept| kept[0] == kept[1]), "{kept:?}");
    }
}
