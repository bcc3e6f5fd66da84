//! Files are hashed, sent and fetched a few at a time.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::thread;

use crate::state::checkpoint::CheckpointError;

/// Threads of one checkpoint or restore. They wait for disks and networks most of the time.
const THREADS_MAX: usize = 4;

/// Does something with every item. After the first failure, which is returned, no other item is begun.
pub(super) fn each<T: Sync>(
    items: &[T],
    work: impl Fn(&T) -> Result<(), CheckpointError> + Sync,
) -> Result<(), CheckpointError> {
    let next = AtomicUsize::new(0);
    let failure = Mutex::new(None);
    let run = || {
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Err(error) = work(item) {
                next.store(items.len(), Ordering::Relaxed);
                failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 1..THREADS_MAX.min(items.len()) {
            scope.spawn(run);
        }
        run();
    });
    failure.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_worked_on_once_and_a_failure_ends_it() {
        let items: Vec<AtomicUsize> = (0..100).map(|_| AtomicUsize::new(0)).collect();
        each(&items, |item| {
            item.fetch_add(1, Ordering::Relaxed);
            Ok(())
        })
        .expect("done");
        assert!(items.iter().all(|item| item.load(Ordering::Relaxed) == 1));
        let begun = AtomicUsize::new(0);
        let failed = each(&items, |_| {
            begun.fetch_add(1, Ordering::Relaxed);
            Err(CheckpointError::Damaged("this".to_owned()))
        });
        assert!(matches!(failed, Err(CheckpointError::Damaged(_))));
        assert!(begun.load(Ordering::Relaxed) <= THREADS_MAX);
        each(&[], |()| Err(CheckpointError::Cancelled)).expect("nothing to do");
    }
}
