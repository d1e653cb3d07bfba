//! A bounded queue between the thread that knows what is to be copied and
//! those that copy: the largest piece that is known goes first, and memory does
//! not grow with the number of files.

use std::collections::BinaryHeap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Pieces of work by size.
pub(super) struct Queue<T> {
    capacity: usize,
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    waiting: BinaryHeap<T>,
    ended: bool,
    stopped: bool,
}

impl<T: Ord> Queue<T> {
    pub(super) fn new(capacity: usize) -> Self {
        let state = State {
            waiting: BinaryHeap::new(),
            ended: false,
            stopped: false,
        };
        Self {
            capacity,
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }

    /// Adds a piece once there is room; `false` when nobody wants it any more.
    pub(super) fn push(&self, piece: T) -> bool {
        let mut state = self.state();
        while state.waiting.len() >= self.capacity && !state.stopped {
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        if state.stopped {
            return false;
        }
        state.waiting.push(piece);
        self.changed.notify_all();
        true
    }

    /// The largest piece; `None` when there will be no more.
    pub(super) fn pop(&self) -> Option<T> {
        let mut state = self.state();
        loop {
            if state.stopped {
                return None;
            }
            if let Some(piece) = state.waiting.pop() {
                self.changed.notify_all();
                return Some(piece);
            }
            if state.ended {
                return None;
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Says that nothing more is added.
    pub(super) fn end(&self) {
        self.state().ended = true;
        self.changed.notify_all();
    }

    /// Throws away what waits and wakes everybody up to leave.
    pub(super) fn stop(&self) {
        let mut state = self.state();
        state.stopped = true;
        state.waiting.clear();
        self.changed.notify_all();
    }

    /// Whether [`Self::stop`] was called.
    pub(super) fn is_stopped(&self) -> bool {
        self.state().stopped
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn the_largest_goes_first_and_the_bound_holds() {
        let queue = Arc::new(Queue::new(2));
        assert!(queue.push(1) && queue.push(3));
        let pusher = Arc::clone(&queue);
        // Blocks until there is room, so it must be a thread of its own.
        let pushing = std::thread::spawn(move || {
            let pushed = pusher.push(2);
            pusher.end();
            pushed
        });
        assert_eq!(queue.pop(), Some(3));
        assert!(pushing.join().unwrap());
        assert_eq!(
            (queue.pop(), queue.pop(), queue.pop()),
            (Some(2), Some(1), None)
        );
    }

    #[test]
    fn stopping_frees_those_who_wait() {
        let queue = Arc::new(Queue::new(1));
        assert!(queue.push(1));
        let pusher = Arc::clone(&queue);
        let pushing = std::thread::spawn(move || pusher.push(2));
        queue.stop();
        assert!(!pushing.join().unwrap());
        assert_eq!(queue.pop(), None);
    }
}
