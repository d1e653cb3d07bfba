//! The power cut: what no `fsync` covered is gone, or some of it.

use std::fs;
use std::io;

use fastrand::Rng;
use fuser::FileType;

use super::image::{Change, Image, ROOT, apply};

/// A disk writes a sector wholly or not at all.
const SECTOR: u64 = 512;

/// What a power cut spares of what no `fsync` covered.
#[derive(Debug, Clone)]
pub enum Keep {
    /// Nothing.
    Nothing,
    /// Something, by chance: of the names the first few changes, of each file
    /// nothing, the first few writes or any of them, the last one torn.
    Some(Rng),
}

/// What a cut did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cut {
    /// Changes of files that were lost.
    pub writes_lost: usize,
    /// Changes of names that were lost.
    pub names_lost: usize,
    /// Writes of which only the first sectors remain.
    pub torn: usize,
}

impl Image {
    /// Leaves what a power cut leaves. Nothing may be open.
    pub(super) fn cut(&mut self, keep: &mut Keep) -> io::Result<Cut> {
        let mut cut = Cut::default();
        if let Keep::Some(rng) = keep {
            let kept = rng.usize(0..=self.journal.len());
            let rest = self.journal.split_off(kept);
            self.commit_names(|_| true);
            self.journal = rest;
        }
        cut.names_lost = self.journal.len();
        self.journal.clear();
        let numbers: Vec<u64> = self.inodes.keys().copied().collect();
        for ino in &numbers {
            self.cut_file(*ino, keep, &mut cut)?;
        }
        for inode in self.inodes.values_mut() {
            inode.names = inode.safe_names.clone();
            inode.links = inode.safe_links;
            inode.open = 0;
        }
        self.forget_unreachable();
        self.used = self.inodes.values().map(|inode| inode.size).sum();
        Ok(cut)
    }

    fn cut_file(&mut self, ino: u64, keep: &mut Keep, cut: &mut Cut) -> io::Result<()> {
        let (now, safe) = (self.now(ino), self.safe(ino));
        let Some(inode) = self.inodes.get_mut(&ino) else {
            return Ok(());
        };
        if inode.kind != FileType::RegularFile {
            return Ok(());
        }
        let pending = std::mem::take(&mut inode.pending);
        let all = pending.len();
        let spared = spare(pending, keep, cut);
        cut.writes_lost += all - spared.len();
        for change in &spared {
            apply(&safe, change)?;
        }
        // Never synced: the name may have lasted, the content has not.
        if !safe.exists() {
            fs::write(&safe, b"")?;
        }
        inode.size = fs::copy(&safe, &now)?;
        Ok(())
    }

    fn forget_unreachable(&mut self) {
        let mut reached = std::collections::BTreeSet::new();
        let mut todo = vec![ROOT];
        while let Some(ino) = todo.pop() {
            if reached.insert(ino) {
                let inode = self.inodes.get(&ino);
                todo.extend(inode.iter().flat_map(|inode| inode.names.values()));
            }
        }
        let gone: Vec<u64> = self
            .inodes
            .keys()
            .copied()
            .filter(|ino| !reached.contains(ino))
            .collect();
        for ino in gone {
            self.inodes.remove(&ino);
            drop(fs::remove_file(self.now(ino)));
            drop(fs::remove_file(self.safe(ino)));
        }
    }
}

/// Of the changes of one file those that reached the disk by chance.
fn spare(pending: Vec<Change>, keep: &mut Keep, cut: &mut Cut) -> Vec<Change> {
    let Keep::Some(rng) = keep else {
        return Vec::new();
    };
    let mut spared: Vec<Change> = match rng.u8(0..3) {
        0 => Vec::new(),
        1 => {
            let first = rng.usize(0..=pending.len());
            pending.into_iter().take(first).collect()
        }
        _ => pending.into_iter().filter(|_| rng.bool()).collect(),
    };
    if let Some(Change::Write { offset, data }) = spared.last_mut()
        && rng.bool()
    {
        // The boundary is one of the disk's, not one of the write's.
        let end = *offset + rng.u64(0..=data.len() as u64);
        let end = end - end % SECTOR;
        let length = usize::try_from(end.saturating_sub(*offset)).unwrap_or(0);
        if length < data.len() {
            data.truncate(length);
            cut.torn += 1;
        }
    }
    spared
}
