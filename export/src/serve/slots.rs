//! Who gives way when there are too many.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// A bounded number of slots. The connection that has had one for the longest time gives way.
pub(super) struct Slots {
    free: Arc<Semaphore>,
    /// From the oldest on. Those that were given back are removed now and then.
    taken: Mutex<VecDeque<Weak<Slot>>>,
}

/// A slot that is taken until this is dropped.
pub(super) struct Slot {
    /// Ends the connection.
    cut: Arc<Notify>,
    _permit: OwnedSemaphorePermit,
}

impl Slots {
    pub(super) fn new(number: usize) -> Self {
        Self {
            free: Arc::new(Semaphore::new(number)),
            taken: Mutex::default(),
        }
    }

    /// Takes a slot for the connection that `cut` ends. If none is free, cuts the oldest. `None`
    /// would mean that the semaphore is closed, which nobody does.
    pub(super) async fn take(&self, cut: &Arc<Notify>) -> Option<Arc<Slot>> {
        let mut free = pin!(Arc::clone(&self.free).acquire_owned());
        let permit = match poll_once(free.as_mut()).await {
            Some(permit) => permit,
            None => {
                self.cut_oldest();
                free.await
            }
        };
        Some(self.add(cut, permit.ok()?))
    }

    /// The same, but waits for a free one before it cuts the oldest.
    pub(super) async fn take_in_turn(
        &self,
        cut: &Arc<Notify>,
        patience: Duration,
    ) -> Option<Arc<Slot>> {
        let mut free = pin!(Arc::clone(&self.free).acquire_owned());
        let permit = loop {
            match timeout(patience, free.as_mut()).await {
                Ok(permit) => break permit,
                // A slot goes to those that waited before: this may have to cut more than one.
                Err(_) => self.cut_oldest(),
            }
        };
        Some(self.add(cut, permit.ok()?))
    }

    fn add(&self, cut: &Arc<Notify>, permit: OwnedSemaphorePermit) -> Arc<Slot> {
        let slot = Arc::new(Slot {
            cut: Arc::clone(cut),
            _permit: permit,
        });
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.retain(|slot| slot.strong_count() > 0);
        taken.push_back(Arc::downgrade(&slot));
        slot
    }

    fn cut_oldest(&self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(slot) = taken.pop_front() {
            if let Some(slot) = slot.upgrade() {
                slot.cut.notify_one();
                return;
            }
        }
    }
}

/// What is there at once.
async fn poll_once<T>(mut work: Pin<&mut impl Future<Output = T>>) -> Option<T> {
    poll_fn(|context| {
        Poll::Ready(match work.as_mut().poll(context) {
            Poll::Ready(done) => Some(done),
            Poll::Pending => None,
        })
    })
    .await
}

/// Works until it is done or stopped.
pub(super) async fn until(stop: &Notify, work: impl Future) {
    let (mut stop, mut work) = (pin!(stop.notified()), pin!(work));
    poll_fn(|context| {
        let is_stopped = stop.as_mut().poll(context).is_ready();
        if is_stopped || work.as_mut().poll(context).is_ready() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_millis(20);

    /// Also if all of them began to wait, and to cut, at the same time.
    #[test]
    fn all_that_wait_get_a_slot_from_those_that_do_not_give_it_back() {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().build().unwrap();
        runtime.block_on(async {
            let slots = Arc::new(Slots::new(2));
            for _ in 0..6 {
                let slots = Arc::clone(&slots);
                tokio::spawn(async move {
                    let cut = Arc::default();
                    let _slot = slots.take_in_turn(&cut, PATIENCE).await;
                    cut.notified().await;
                });
            }
            tokio::task::yield_now().await;
            let cut = Arc::default();
            let last = slots.take_in_turn(&cut, PATIENCE);
            let last = timeout(Duration::from_secs(10), last).await;
            assert!(last.unwrap().is_some());
        });
    }
}
