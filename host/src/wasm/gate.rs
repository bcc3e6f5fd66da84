//! A gate that lets so many through at once.

use parking_lot::Condvar;
use parking_lot::Mutex;

/// Whoever comes when all places are taken waits.
#[derive(Debug)]
pub(in crate::wasm) struct Gate {
    free: Mutex<u32>,
    left: Condvar,
}

/// A place behind the gate, until it is dropped.
#[derive(Debug)]
pub(in crate::wasm) struct Place<'a>(&'a Gate);

impl Gate {
    pub(in crate::wasm) fn new(places: u32) -> Self {
        Self { free: Mutex::new(places), left: Condvar::new() }
    }

    pub(in crate::wasm) fn enter(&self) -> Place<'_> {
        let mut free = self.free.lock();
        self.left.wait_while(&mut free, |free| *free == 0);
        *free -= 1;
        Place(self)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        *self.0.free.lock() += 1;
        self.0.left.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;
    use std::sync::atomic::Ordering;
    use std::time::Duration;

    use super::*;

    #[test]
    fn no_more_than_the_places_are_inside() {
        let gate = Gate::new(2);
        let (inside, most) = (AtomicU32::new(0), AtomicU32::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let _place = gate.enter();
                    most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    std::thread::sleep(Duration::from_millis(5));
                    inside.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        assert_eq!((inside.into_inner(), most.into_inner()), (0, 2));
    }
}
