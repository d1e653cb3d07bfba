//! From the exposures of repositories to that of a scope.
//!
//! Any: the least. K2: the second least. Region loss: the worst of what is left
//! when each region in turn is gone.

use holdfast_types::RpoScope;

use crate::force::InForce;

/// Of one value for each place, smaller being better, the one that the scope is
/// about, and its place; `None` when there are too few places.
pub(crate) fn select<T: Ord>(scope: RpoScope, force: &InForce, values: &[T]) -> Option<usize> {
    match scope {
        RpoScope::Any => least(values, |_| true),
        RpoScope::K2 => {
            let first = least(values, |_| true)?;
            least(values, |place| place != first)
        }
        RpoScope::RegionLoss => {
            let mut worst: Option<usize> = None;
            for gone in 0..force.region_count {
                // Who says not where it is may be gone with any region.
                let left = |place: usize| {
                    let region = force.regions.get(place).copied().flatten();
                    region.is_some_and(|region| region != gone)
                };
                let best = least(values, left)?;
                let worse = |known| values[best] > values[known];
                if worst.is_none_or(worse) {
                    worst = Some(best);
                }
            }
            worst
        }
    }
}

fn least<T: Ord>(values: &[T], counts: impl Fn(usize) -> bool) -> Option<usize> {
    (0..values.len())
        .filter(|place| counts(*place))
        .min_by(|one, other| values[*one].cmp(&values[*other]))
}

#[cfg(test)]
mod tests {
    use holdfast_types::Span;
    use holdfast_types::resource::WalMode;
    use jiff::Timestamp;

    use super::*;
    use crate::promise::{Place, Promise};

    fn force(regions: &[Option<&str>]) -> InForce {
        let place = |(number, region): (usize, &Option<&str>)| Place {
            repository: format!("r{number}").parse().unwrap(),
            region: region.map(str::to_owned),
            within: None,
            locked: false,
            key_escrowed: false,
        };
        let promise = Promise {
            policy: "gold".parse().unwrap(),
            rpo: None,
            scope: RpoScope::Any,
            window: None,
            rto: None,
            drill_every: None,
            wal: WalMode::Streaming,
            flush_every: Span::from_secs(5),
            places: regions.iter().enumerate().map(place).collect(),
            delete_approvals: 0,
        };
        InForce::new(promise, Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn each_scope_counts_what_it_says() {
        let value = |scope, regions: &[Option<&str>], values: &[u32]| {
            let force = force(regions);
            select(scope, &force, values).map(|place| values[place])
        };
        let three = [Some("eu"), Some("eu"), Some("us")];
        assert_eq!(value(RpoScope::Any, &three, &[3, 5, 9]), Some(3));
        assert_eq!(value(RpoScope::K2, &three, &[3, 5, 9]), Some(5));
        // Without eu only us is left; without us, the better of eu.
        assert_eq!(value(RpoScope::RegionLoss, &three, &[3, 5, 9]), Some(9));
        assert_eq!(value(RpoScope::RegionLoss, &three, &[8, 5, 2]), Some(5));
    }

    #[test]
    fn too_few_places_promise_nothing() {
        let none = |scope, regions: &[Option<&str>]| {
            let force = force(regions);
            let values = vec![1; regions.len()];
            select(scope, &force, &values).is_none()
        };
        assert!(none(RpoScope::Any, &[]));
        assert!(none(RpoScope::K2, &[Some("eu")]));
        assert!(none(RpoScope::RegionLoss, &[Some("eu"), Some("eu")]));
        assert!(none(RpoScope::RegionLoss, &[Some("eu"), None]));
        assert!(none(RpoScope::RegionLoss, &[None, None]));
        assert!(!none(RpoScope::RegionLoss, &[Some("eu"), Some("us"), None]));
    }
}
