//! The memory of a program: what each word holds, and which older values a thread may still read.
//!
//! A word is accessed in one of three ways, always the same:
//!
//! | discipline | accesses | what a load may return |
//! |---|---|---|
//! | [`SeqCst`](Discipline::SeqCst) | all of them SeqCst | the newest value |
//! | [`Stores`](Discipline::Stores) | relaxed loads and stores | any value that is not older than one the thread knows |
//! | [`Updates`](Discipline::Updates) | relaxed loads and read-modify-writes | the same |
//!
//! A thread *knows* a write if the write happens before its next access. Its view says so: for each
//! word the oldest write that it may still read. A SeqCst write carries the view of its thread; a
//! SeqCst read takes it over. A relaxed store goes after the writes that its thread knows; it may
//! go before others, as a store does that waits in a store buffer.
//!
//! Not modelled, and refused: other orderings, fences, words of two disciplines. Not modelled, and
//! not refused: a relaxed load that returns what is stored later (load buffering).

use fillgauge::searched::{Access, Ordering};

/// The most words of a gauge.
pub const WORDS: usize = 16;
/// The most threads of a program.
pub const THREADS: usize = 3;

/// How a word is accessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discipline {
    SeqCst,
    /// Relaxed. Nothing has written it yet.
    Loads,
    Stores,
    Updates,
}

impl Discipline {
    fn of(access: Access, order: Ordering) -> Self {
        match (order, access) {
            (Ordering::SeqCst, _) => Self::SeqCst,
            (Ordering::Relaxed, Access::Load) => Self::Loads,
            (Ordering::Relaxed, Access::Store(_)) => Self::Stores,
            (Ordering::Relaxed, _) => Self::Updates,
            _ => panic!("the ordering {order:?} is not modelled"),
        }
    }

    /// The discipline of a word that was under this one, after one more access.
    pub fn with(before: Option<Self>, access: Access, order: Ordering) -> Self {
        let new = Self::of(access, order);
        match before {
            None | Some(Self::Loads) if new != Self::SeqCst => new,
            None => new,
            Some(before) if before == new || new == Self::Loads && before != Self::SeqCst => before,
            Some(before) => panic!("a word under {before:?} and {new:?} is not modelled"),
        }
    }
}

/// For each word, the place in its history of the oldest write that may be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct View([u8; WORDS]);

impl View {
    fn join(&mut self, other: &Self) {
        for (own, other) in self.0.iter_mut().zip(other.0) {
            *own = other.max(*own);
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Word {
    /// Writes before the newest that some thread may still read, in modification order.
    older: Vec<usize>,
    newest: usize,
    /// What the newest write carries, if it is SeqCst.
    released: View,
}

impl Word {
    fn newest_place(&self) -> u8 {
        u8::try_from(self.older.len()).unwrap()
    }

    fn at(&self, place: u8) -> usize {
        self.older
            .get(usize::from(place))
            .copied()
            .unwrap_or(self.newest)
    }

    fn append(&mut self, value: usize) {
        self.older.push(self.newest);
        self.newest = value;
    }

    /// The places that a thread may read which knows `from`: of equal values the oldest, which
    /// leaves the most freedom.
    fn readable(&self, from: u8) -> impl Iterator<Item = u8> + '_ {
        (from..=self.newest_place()).filter(move |place| {
            let value = self.at(*place);
            (from..*place).all(|earlier| self.at(earlier) != value)
        })
    }
}

/// The words, and what each thread knows of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Memory {
    words: Vec<Word>,
    views: [View; THREADS],
}

impl Memory {
    /// Adds a word. Returns its number.
    pub fn create(&mut self, value: usize) -> usize {
        assert!(
            self.words.len() < WORDS,
            "{WORDS} words are not enough: raise `memory::WORDS`"
        );
        self.words.push(Word {
            older: Vec::new(),
            newest: value,
            released: View::default(),
        });
        self.words.len() - 1
    }

    /// The newest value of `word`.
    pub fn newest(&self, word: usize) -> usize {
        self.words[word].newest
    }

    /// How many outcomes an access has.
    pub fn outcomes(
        &self,
        thread: usize,
        word: usize,
        access: Access,
        discipline: Discipline,
    ) -> usize {
        let (known, word) = (self.views[thread].0[word], &self.words[word]);
        match (discipline, access) {
            (Discipline::SeqCst, _) => 1,
            (_, Access::Load) => word.readable(known).count(),
            (_, Access::Store(_)) => usize::from(word.newest_place() - known) + 1,
            _ => 1,
        }
    }

    /// Executes an access with one of its outcomes. Returns the value before.
    pub fn execute(
        &mut self,
        thread: usize,
        word: usize,
        access: Access,
        discipline: Discipline,
        outcome: usize,
    ) -> usize {
        if discipline == Discipline::SeqCst {
            return self.execute_seq_cst(thread, word, access);
        }
        let known = self.views[thread].0[word];
        let newest = self.words[word].newest_place();
        match access {
            Access::Load => {
                let place = self.words[word].readable(known).nth(outcome).unwrap();
                self.views[thread].0[word] = place;
                self.words[word].at(place)
            }
            Access::Store(value) => {
                let before = newest - u8::try_from(outcome).unwrap();
                self.insert_after(word, before, value);
                self.views[thread].0[word] = before + 1;
                value
            }
            _ => {
                let word_now = &mut self.words[word];
                let before = word_now.newest;
                // Nobody can tell apart an update that changes nothing.
                if let Some(value) = access.written(before).filter(|value| *value != before) {
                    word_now.append(value);
                }
                self.views[thread].0[word] = word_now.newest_place();
                before
            }
        }
    }

    fn execute_seq_cst(&mut self, thread: usize, word: usize, access: Access) -> usize {
        let (view, word) = (&mut self.views[thread], &mut self.words[word]);
        if !matches!(access, Access::Store(_)) {
            view.join(&word.released);
        }
        let before = word.newest;
        if let Some(value) = access.written(before) {
            word.newest = value;
            word.released = *view;
        }
        before
    }

    /// Inserts a store after the write at `place`, in modification order.
    fn insert_after(&mut self, word: usize, place: u8, value: usize) {
        let history = &mut self.words[word];
        if place == history.newest_place() {
            history.append(value);
            return;
        }
        history.older.insert(usize::from(place) + 1, value);
        for known in self.known_places(word) {
            if *known > place {
                *known += 1;
            }
        }
    }

    fn known_places(&mut self, word: usize) -> impl Iterator<Item = &mut u8> {
        let released = self.words.iter_mut().map(|word| &mut word.released);
        (self.views.iter_mut().chain(released)).map(move |view| &mut view.0[word])
    }

    /// Executes an access of the only thread there is.
    pub fn execute_alone(&mut self, word: usize, access: Access) -> usize {
        let before = self.newest(word);
        if let Some(value) = access.written(before) {
            self.words[word].newest = value;
        }
        before
    }

    /// Forgets what makes no difference any more. `by` says which threads may still read a word,
    /// and which may write it.
    pub fn merge(&mut self, by: impl Fn(usize) -> ([bool; THREADS], [bool; THREADS])) {
        for word in 0..self.words.len() {
            if self.words[word].older.is_empty() {
                continue;
            }
            let (readers, writers) = by(word);
            let known_to_all = |memory: &Self, threads: [bool; THREADS]| {
                (threads.into_iter().zip(&memory.views))
                    .filter(|(may, _)| *may)
                    .map(|(_, view)| view.0[word])
                    .min()
                    .unwrap_or(memory.words[word].newest_place())
            };
            // Nothing is stored any more before the writes that all writers know.
            for place in (0..known_to_all(self, writers)).rev() {
                if self.words[word].at(place) == self.words[word].at(place + 1) {
                    self.remove(word, place);
                }
            }
            if !readers.contains(&true) {
                // All that matters is which threads may still store before the newest write.
                while self.words[word].older.len() > 1 {
                    self.remove(word, 0);
                }
                self.words[word].older.fill(0);
            }
            let both = [known_to_all(self, readers), known_to_all(self, writers)];
            for _ in 0..both[0].min(both[1]) {
                self.remove(word, 0);
            }
        }
    }

    /// Removes a write. Who knew it now knows the one before, or the first.
    fn remove(&mut self, word: usize, place: u8) {
        self.words[word].older.remove(place.into());
        for known in self.known_places(word).filter(|known| **known > place) {
            *known -= 1;
        }
    }

    /// Forgets what a thread knew that has ended.
    pub fn end_thread(&mut self, thread: usize) {
        self.views[thread] = View::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Access::*;
    use Discipline::*;

    fn loads(memory: &Memory, thread: usize, word: usize) -> Vec<usize> {
        (0..memory.outcomes(thread, word, Load, Loads))
            .map(|outcome| memory.clone().execute(thread, word, Load, Loads, outcome))
            .collect()
    }

    fn memory_of(words: usize) -> Memory {
        let mut memory = Memory::default();
        for _ in 0..words {
            memory.create(0);
        }
        memory
    }

    #[test]
    fn a_relaxed_store_may_be_missed_until_it_is_known() {
        let mut memory = memory_of(2);
        memory.execute(0, 0, Store(7), Stores, 0);
        assert_eq!(loads(&memory, 0, 0), [7]);
        assert_eq!(loads(&memory, 1, 0), [0, 7]);
        memory.execute(0, 1, Add(1), SeqCst, 0);
        assert_eq!(loads(&memory, 1, 0), [0, 7]);
        memory.execute(1, 1, Load, SeqCst, 0);
        assert_eq!(loads(&memory, 1, 0), [7]);
    }

    #[test]
    fn a_thread_does_not_read_backwards() {
        let mut memory = memory_of(1);
        memory.execute(0, 0, Max(3), Updates, 0);
        memory.execute(0, 0, Max(5), Updates, 0);
        assert_eq!(loads(&memory, 1, 0), [0, 3, 5]);
        memory.execute(1, 0, Load, Updates, 1);
        assert_eq!(loads(&memory, 1, 0), [3, 5]);
    }

    #[test]
    fn a_store_that_waits_in_a_buffer_comes_before_one_it_did_not_know() {
        let mut memory = memory_of(1);
        memory.execute(0, 0, Store(7), Stores, 0);
        assert_eq!(memory.outcomes(1, 0, Store(9), Stores), 2);
        memory.execute(1, 0, Store(9), Stores, 1);
        assert_eq!(memory.newest(0), 7);
        assert_eq!(loads(&memory, 1, 0), [9, 7]);
        assert_eq!(loads(&memory, 0, 0), [7]);
        assert_eq!(loads(&memory, 2, 0), [0, 9, 7]);
    }

    #[test]
    fn what_nobody_may_read_is_forgotten() {
        let mut memory = memory_of(2);
        memory.execute(0, 0, Store(7), Stores, 0);
        memory.execute(0, 0, Store(8), Stores, 0);
        memory.execute(1, 0, Load, Stores, 1);
        memory.merge(|_| ([true, true, false], [true, true, false]));
        assert_eq!(loads(&memory, 1, 0), [7, 8]);
        assert_eq!(loads(&memory, 0, 0), [8]);
        memory.end_thread(1);
        memory.merge(|_| ([true, false, false], [true, false, false]));
        assert_eq!(memory.words[0].older, []);
    }

    #[test]
    fn equal_values_are_one_where_no_store_comes_between() {
        let mut memory = memory_of(1);
        memory.execute(0, 0, Store(0), Stores, 0);
        let mut stored_by_both = memory.clone();
        stored_by_both.merge(|_| ([true, true, false], [true, true, false]));
        assert_eq!(stored_by_both.outcomes(1, 0, Store(9), Stores), 2);
        memory.merge(|_| ([true, true, false], [true, false, false]));
        assert_eq!(memory, memory_of(1));
    }
}
