//! A list behind a lock under which nothing is allocated or freed.
//!
//! An allocator may record on a gauge, which may run observers. So memory is taken and given back
//! while the lock is free.

use std::collections::VecDeque;
use std::mem;

use super::{Mutex, lock};

/// A list that is part of a locked state.
pub(crate) trait List<State> {
    /// An entry.
    type Entry;

    /// The entries.
    fn entries(state: &mut State) -> &mut VecDeque<Self::Entry>;

    /// How many places are taken: by entries, or kept free for some that may come.
    fn taken(state: &mut State) -> usize {
        Self::entries(state).len()
    }

    /// Whether nobody needs `entry` any more. Such entries go when the list has to grow.
    fn is_obsolete(entry: &Self::Entry) -> bool {
        let _ = entry;
        false
    }

    /// Disposes of an obsolete entry, while the lock is free.
    fn discard(entry: Self::Entry) {
        drop(entry);
    }
}

/// Runs `act` on the locked state when its list `L` has a place that is not taken.
#[inline]
pub(crate) fn with_room<L: List<State>, State, R>(
    mutex: &Mutex<State>,
    act: impl FnOnce(&mut State) -> R,
) -> R {
    loop {
        let mut state = lock(mutex);
        if L::taken(&mut state) < L::entries(&mut state).capacity() {
            return act(&mut state);
        }
        drop(state);
        resize::<L, _>(mutex);
    }
}

/// Moves the list to new memory, with room for as much again.
#[cold]
pub(crate) fn resize<L: List<State>, State>(mutex: &Mutex<State>) {
    let mut state = lock(mutex);
    let obsolete = L::entries(&mut state)
        .iter()
        .filter(|entry| L::is_obsolete(entry));
    let obsolete = obsolete.count();
    let taken = L::taken(&mut state);
    drop(state);

    // What is taken by obsolete entries is free soon, but not yet.
    let capacity = taken.max(2 * taken.saturating_sub(obsolete) + 4);
    let mut spare = VecDeque::with_capacity(capacity);
    let mut state = lock(mutex);
    if spare.capacity() < L::taken(&mut state) {
        // Other threads were quicker. The lock is released before `spare` is freed.
        return;
    }
    let entries = L::entries(&mut state);
    for _ in 0..entries.len() {
        match entries.pop_front() {
            // It stays in the old memory.
            Some(entry) if L::is_obsolete(&entry) => entries.push_back(entry),
            Some(entry) => spare.push_back(entry),
            None => {}
        }
    }
    mem::swap(entries, &mut spare);
    drop(state);
    spare.into_iter().for_each(L::discard);
}

#[cfg(all(test, not(fillgauge_shuttle)))]
mod tests {
    use std::thread;

    use super::*;

    struct Odd;

    impl List<VecDeque<u32>> for Odd {
        type Entry = u32;

        fn entries(state: &mut VecDeque<u32>) -> &mut VecDeque<u32> {
            state
        }

        fn is_obsolete(entry: &u32) -> bool {
            entry % 2 == 0
        }
    }

    #[test]
    fn a_list_keeps_its_order_and_forgets_what_is_obsolete_when_it_grows() {
        let list = Mutex::new(VecDeque::new());
        for entry in 0..10_000 {
            with_room::<Odd, _, _>(&list, |entries| {
                assert!(entries.len() < entries.capacity());
                entries.push_back(entry);
            });
        }
        let entries = list.into_inner().unwrap();
        let odd: Vec<u32> = entries
            .iter()
            .copied()
            .filter(|entry| entry % 2 == 1)
            .collect();
        assert!(
            odd.iter()
                .copied()
                .eq((0..10_000).filter(|entry| entry % 2 == 1))
        );
        assert!(entries.iter().is_sorted());
        assert!(entries.len() < 10_000);
    }

    #[test]
    fn threads_that_grow_a_list_together_lose_no_entry() {
        const ENTRIES: u32 = 20;
        let list = Mutex::new(VecDeque::new());
        thread::scope(|scope| {
            for thread in 0..3 {
                let list = &list;
                scope.spawn(move || {
                    for entry in 0..ENTRIES {
                        let entry = 100 * thread + entry;
                        with_room::<Odd, _, _>(list, |entries| entries.push_back(entry));
                    }
                });
            }
        });
        let entries = list.into_inner().unwrap();
        for thread in 0..3 {
            let own = |entry: &u32| entry / 100 == thread && entry % 2 == 1;
            let expected = (100 * thread..100 * thread + ENTRIES).filter(own);
            assert!(entries.iter().copied().filter(own).eq(expected));
        }
    }

    #[test]
    fn a_list_of_few_entries_that_come_and_go_takes_no_more_room() {
        let list = Mutex::new(VecDeque::new());
        for entry in 0..10_000 {
            with_room::<Odd, _, _>(&list, |entries| entries.push_back(2 * entry));
        }
        assert!(lock(&list).capacity() <= 8);
    }
}
