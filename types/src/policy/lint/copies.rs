//! Copies against what they are for.

use super::{Findings, LintCode, Measured, Severity};
use crate::resource::Policy;

pub(super) fn check(policy: &Policy, measured: &Measured, found: &mut Findings) {
    let home = measured.regions.get(&policy.repository);
    for (index, copy) in policy.copies.iter().enumerate() {
        let field = format!("spec.copies[{index}]");
        let region = measured.regions.get(&copy.repository);
        if let (Some(home), Some(region)) = (home, region)
            && home == region
        {
            let message = format!(
                "{} is in the region {region}, as {} is: what takes the region takes both",
                copy.repository, policy.repository
            );
            let hint = "copy to a repository in another region";
            let code = (LintCode::CopyInSameRegion, Severity::Warning);
            found.add(code, format!("{field}.repository"), message, hint);
        }
        let Some(within) = copy.within else {
            let message = format!(
                "nothing says how far {} may lag behind, so that nobody is told when it does",
                copy.repository
            );
            let hint = "say it, such as within: 15m";
            let code = (LintCode::CopyWithoutLimit, Severity::Note);
            found.add(code, field, message, hint);
            continue;
        };
        let flush = policy.flush_every();
        if policy.wal_mode().streams() && within <= flush {
            let message = format!(
                "WAL waits up to {flush} before it is stored at all, so that {} cannot be less \
                 than {within} behind",
                copy.repository
            );
            let hint = "set within to several times wal.flushEvery";
            let code = (LintCode::CopyBelowFlush, Severity::Infeasible);
            found.add(code, format!("{field}.within"), message, hint);
        }
    }
}
