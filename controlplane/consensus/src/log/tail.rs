//! What the log is, as the node sees it, before and while it reaches the disk:
//! its bounds, the vote, and its newest entries.

use std::collections::VecDeque;
use std::ops::Range;

use crate::raft::{Entry, EntryPayload, LogId, Vote};

/// Newest entries are kept in memory up to this size, so that applying and
/// replicating them reads no file. Those not yet on disk are kept regardless.
const RECENT_BYTES_MAX: usize = 16 << 20;
/// What an entry costs in memory besides its command.
const ENTRY_BYTES: usize = 128;

/// Counts operations in the order in which they were made.
pub(super) type Sequence = u64;

#[derive(Debug, Default)]
pub(super) struct Tail {
    pub(super) vote: Option<Vote>,
    pub(super) committed: Option<LogId>,
    pub(super) purged: Option<LogId>,
    pub(super) last: Option<LogId>,
    /// The first index it holds, or will hold.
    start: u64,
    /// Contiguous, ends with `last`; each with the operation that appended it.
    recent: VecDeque<(Sequence, Entry)>,
    recent_bytes: usize,
    /// The last operation given out.
    made: Sequence,
    /// The last operation that is on disk.
    flushed: Sequence,
}

/// Where the entries of a range are.
#[derive(Debug)]
pub(super) struct Located {
    /// On disk only.
    pub(super) on_disk: Range<u64>,
    /// In memory, following those on disk.
    pub(super) in_memory: Vec<Entry>,
}

impl Tail {
    /// An empty log with these bounds.
    pub(super) fn new(vote: Option<Vote>, committed: Option<LogId>, purged: Option<LogId>) -> Self {
        Self {
            vote,
            committed,
            purged,
            last: purged,
            start: purged.as_ref().map_or(0, |purged| purged.index + 1),
            ..Self::default()
        }
    }

    /// The number of the next operation.
    pub(super) fn operation(&mut self) -> Sequence {
        self.made += 1;
        self.made
    }

    /// The number that the operation being made will have.
    pub(super) fn next_operation(&self) -> Sequence {
        self.made + 1
    }

    /// Where the log ends.
    pub(super) fn next_index(&self) -> Option<u64> {
        self.last.as_ref().map(|last| last.index + 1)
    }

    pub(super) fn append(&mut self, operation: Sequence, entry: Entry) {
        if self.last.is_none() {
            self.start = entry.log_id.index;
        }
        self.last = Some(entry.log_id);
        self.recent_bytes += cost(&entry);
        self.recent.push_back((operation, entry));
    }

    /// An operation reached the disk: what it appended may leave memory.
    pub(super) fn flushed(&mut self, operation: Sequence) {
        self.flushed = operation;
        while self.recent_bytes > RECENT_BYTES_MAX
            && let Some((appended_by, entry)) = self.recent.front()
            && *appended_by <= self.flushed
        {
            self.recent_bytes -= cost(entry);
            self.recent.pop_front();
        }
    }

    /// Whether the entry at this index is on disk, or was and is purged.
    pub(super) fn is_on_disk(&self, index: u64) -> bool {
        if index < self.start {
            return true;
        }
        if self.next_index().is_none_or(|next| index >= next) {
            return false;
        }
        let first = self.recent.front().map(|(_, entry)| entry.log_id.index);
        // Only what is on disk leaves memory.
        let Some(place) = first.and_then(|first| index.checked_sub(first)) else {
            return true;
        };
        let place = usize::try_from(place).unwrap_or(usize::MAX);
        let entry = self.recent.get(place);
        entry.is_none_or(|(appended_by, _)| *appended_by <= self.flushed)
    }

    pub(super) fn truncate_after(&mut self, last: Option<LogId>) {
        let end = last.as_ref().map_or(0, |last| last.index + 1);
        if self.next_index().is_none_or(|next| next <= end) {
            return;
        }
        while let Some((_, entry)) = self.recent.back()
            && entry.log_id.index >= end
        {
            self.recent_bytes -= cost(entry);
            self.recent.pop_back();
        }
        // `None` empties the log down to what was purged.
        self.last = last.or(self.purged);
    }

    pub(super) fn purge(&mut self, upto: LogId) {
        while let Some((_, entry)) = self.recent.front()
            && entry.log_id.index <= upto.index
        {
            self.recent_bytes -= cost(entry);
            self.recent.pop_front();
        }
        self.purged = Some(upto);
        self.start = upto.index + 1;
        if self.last.is_none_or(|last| last.index < upto.index) {
            self.last = Some(upto);
        }
    }

    /// The part of `wanted` that the log holds, as an index range.
    pub(super) fn clamp(&self, wanted: &Range<u64>) -> Range<u64> {
        let end = wanted.end.min(self.next_index().unwrap_or(0));
        let start = wanted.start.max(self.start);
        start..end.max(start)
    }

    /// Where the entries of `wanted` that the log holds are found.
    pub(super) fn locate(&self, wanted: &Range<u64>) -> Located {
        let held = self.clamp(wanted);
        let memory_start = self
            .recent
            .front()
            .map_or(held.end, |(_, entry)| entry.log_id.index);
        let boundary = memory_start.clamp(held.start, held.end);
        let in_memory = self
            .recent
            .iter()
            .map(|(_, entry)| entry)
            .skip_while(|entry| entry.log_id.index < boundary)
            .take_while(|entry| entry.log_id.index < held.end)
            .cloned()
            .collect();
        Located {
            on_disk: held.start..boundary,
            in_memory,
        }
    }
}

fn cost(entry: &Entry) -> usize {
    let command = match &entry.payload {
        EntryPayload::Normal(payload) => payload.0.len(),
        EntryPayload::Blank | EntryPayload::Membership(_) => 0,
    };
    ENTRY_BYTES + command
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::raft::{LeaderId, NodeId, Payload};

    fn id(term: u64, index: u64) -> LogId {
        LogId::new(
            LeaderId {
                term,
                node_id: NodeId(1),
            },
            index,
        )
    }

    fn entry(term: u64, index: u64, bytes: usize) -> Entry {
        let payload = EntryPayload::Normal(Payload(Bytes::from(vec![0; bytes])));
        Entry {
            log_id: id(term, index),
            payload,
        }
    }

    fn terms(located: &Located) -> Vec<(u64, u64)> {
        let of = |entry: &Entry| (entry.log_id.leader_id.term, entry.log_id.index);
        located.in_memory.iter().map(of).collect()
    }

    /// A late report of an older operation must not let a newer entry of the
    /// same index leave memory before it is on disk.
    #[test]
    fn an_entry_stays_in_memory_until_its_own_operation_is_on_disk() {
        let mut tail = Tail::default();
        let first = tail.operation();
        for index in 0..3 {
            tail.append(first, entry(1, index, RECENT_BYTES_MAX));
        }
        let truncation = tail.operation();
        tail.truncate_after(Some(id(1, 1)));
        let second = tail.operation();
        tail.append(second, entry(2, 2, RECENT_BYTES_MAX));
        tail.flushed(first);
        tail.flushed(truncation);
        let located = tail.locate(&(0..9));
        assert_eq!(located.on_disk, 0..2);
        assert_eq!(terms(&located), [(2, 2)]);
        tail.flushed(second);
        assert_eq!(tail.locate(&(0..9)).on_disk, 0..3);
    }

    #[test]
    fn a_range_is_cut_to_what_the_log_holds() {
        let mut tail = Tail::default();
        let operation = tail.operation();
        for index in 0..10 {
            tail.append(operation, entry(1, index, 1));
        }
        tail.purge(id(1, 3));
        assert_eq!(tail.clamp(&(0..100)), 4..10);
        assert_eq!(tail.clamp(&(0..2)), 4..4);
        assert_eq!(terms(&tail.locate(&(5..7))), [(1, 5), (1, 6)]);
        tail.truncate_after(None);
        assert_eq!(tail.last, Some(id(1, 3)));
        tail.purge(id(2, 20));
        assert_eq!((tail.last, tail.next_index()), (Some(id(2, 20)), Some(21)));
    }
}
