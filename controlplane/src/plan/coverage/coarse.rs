//! A long history in fewer stretches: what is drawn closer together than can be seen is
//! drawn as one, and says how much of it cannot be restored.

use jiff::{SignedDuration, Timestamp};

use super::{Hole, Stretch};

/// One or more stretches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Coarse {
    /// The first of them, up to the end of the last.
    pub(crate) whole: Stretch,
    /// How many there are.
    pub(crate) stretches: u64,
    /// For how long nothing can be restored between its ends.
    pub(crate) missing: SignedDuration,
}

/// At most `most` stretches, the holes between them, and the length below which a hole was
/// not kept apart; none when nothing had to be joined.
pub(crate) fn coarsen(
    stretches: Vec<Stretch>,
    holes: Vec<Hole>,
    most: usize,
) -> (Vec<Coarse>, Vec<Hole>, Option<SignedDuration>) {
    let fine: Vec<Coarse> = stretches
        .into_iter()
        .map(|whole| Coarse {
            whole,
            stretches: 1,
            missing: SignedDuration::ZERO,
        })
        .collect();
    if fine.len() <= most {
        return (fine, holes, None);
    }
    let begins = fine.first().map(|one| one.whole.from);
    let ends = fine.iter().map(|one| one.whole.to).max();
    let span = match (begins, ends) {
        (Some(begins), Some(ends)) => ends.duration_since(begins),
        _ => SignedDuration::ZERO,
    };
    let parts = i32::try_from(most.max(1)).unwrap_or(i32::MAX);
    let mut apart = (span / parts).max(SignedDuration::from_secs(1));
    loop {
        let joined = join(&fine, apart);
        // One that spans it all is always few enough.
        if joined.len() <= most || apart > span {
            let kept = holes.into_iter().filter(|hole| {
                let lasts = hole.to.map(|to| to.duration_since(hole.from));
                lasts.is_none_or(|lasts| lasts >= apart)
            });
            return (joined, kept.collect(), Some(apart));
        }
        apart = apart.saturating_add(apart);
    }
}

fn join(fine: &[Coarse], apart: SignedDuration) -> Vec<Coarse> {
    let mut joined: Vec<Coarse> = Vec::new();
    for one in fine {
        let from: Timestamp = one.whole.from;
        match joined.last_mut() {
            Some(last) if from.duration_since(last.whole.to) < apart => {
                let gap = from.duration_since(last.whole.to).max(SignedDuration::ZERO);
                last.missing = last.missing.saturating_add(gap);
                last.stretches += 1;
                if one.whole.to >= last.whole.to {
                    last.whole.to = one.whole.to;
                    last.whole.to_lsn = one.whole.to_lsn;
                    last.whole.timeline = one.whole.timeline;
                    last.whole.lineage = one.whole.lineage;
                    last.whole.cut = one.whole.cut;
                }
            }
            _ => joined.push(one.clone()),
        }
    }
    joined
}
