//! What happened to a cluster, told in order.

use std::sync::Arc;
use std::time::Duration;

use holdfast_compliance::{
    Backup, Claim, ControlResult, Drill, Exemption, Fact, History, Judgement, KeptStretch, Place,
    Promise, Recorded, Stretch, Violation,
};
use holdfast_types::resource::WalMode;
use holdfast_types::{
    BackupId, BackupKind, DrillId, ExemptionId, Lineage, Lsn, LsnRange, Name, RpoScope, Span,
};
use jiff::Timestamp;
use uuid::Uuid;

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

pub(crate) fn second(at: Timestamp) -> i64 {
    assert_eq!(at.subsec_nanosecond(), 0);
    at.as_second() - 1_700_000_000
}

pub(crate) fn seconds(seconds: u64) -> Option<Duration> {
    Some(Duration::from_secs(seconds))
}

pub(crate) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

pub(crate) fn lineage(incarnation: u32) -> Lineage {
    Lineage {
        system_identifier: 7,
        incarnation,
    }
}

pub(crate) fn promise() -> Promise {
    let place = |repository: &str| Place {
        repository: name(repository),
        region: Some(repository.to_owned()),
        within: None,
        locked: false,
        key_escrowed: false,
    };
    Promise {
        policy: name("gold"),
        rpo: Some(Span::from_secs(30)),
        scope: RpoScope::Any,
        window: None,
        rto: None,
        drill_every: None,
        wal: WalMode::Streaming,
        flush_every: Span::from_secs(5),
        places: vec![place("eu"), place("us")],
        delete_approvals: 0,
    }
}

#[derive(Default, Clone)]
pub(crate) struct Story(pub(crate) History);

impl Story {
    /// Promised at 0, by this promise.
    pub(crate) fn of(promise: Promise) -> Self {
        Self::default().fact(0, Fact::Promised(Box::new(promise)))
    }

    /// Promised at 0, with a backup in `eu` from 10 to 20 that is consistent at
    /// 100 and available at 101.
    pub(crate) fn protected(promise: Promise) -> Self {
        Self::of(promise).backup(101, "eu", 1, (10, 20), 100)
    }

    pub(crate) fn fact(self, second: i64, fact: Fact) -> Self {
        self.late_fact(second, second, fact)
    }

    pub(crate) fn late_fact(mut self, second: i64, known: i64, fact: Fact) -> Self {
        let (at, known) = (at(second), at(known));
        self.0.add(Recorded { at, known, fact });
        self
    }

    pub(crate) fn promised(self, second: i64, promise: Promise) -> Self {
        self.fact(second, Fact::Promised(Box::new(promise)))
    }

    pub(crate) fn backup(
        self,
        second: i64,
        repository: &str,
        number: u128,
        (start, stop): (u64, u64),
        consistent: i64,
    ) -> Self {
        let backup = Backup {
            id: BackupId::from_uuid(Uuid::from_u128(number)),
            kind: BackupKind::Full,
            lineage: lineage(1),
            start_lsn: Lsn::new(start),
            stop_lsn: Lsn::new(stop),
            consistent_at: at(consistent),
        };
        let repository = name(repository);
        self.fact(second, Fact::BackupAvailable { repository, backup })
    }

    pub(crate) fn dump(self, second: i64, number: u128, snapshot: i64) -> Self {
        let backup = Backup {
            id: BackupId::from_uuid(Uuid::from_u128(number)),
            kind: BackupKind::Logical,
            lineage: lineage(1),
            start_lsn: Lsn::new(1),
            stop_lsn: Lsn::new(1),
            consistent_at: at(snapshot),
        };
        let repository = name("eu");
        self.fact(second, Fact::BackupAvailable { repository, backup })
    }

    pub(crate) fn gone(self, second: i64, repository: &str, number: u128) -> Self {
        let backup = BackupId::from_uuid(Uuid::from_u128(number));
        let repository = name(repository);
        self.fact(second, Fact::BackupGone { repository, backup })
    }

    /// A claim said then: everything up to `time` and `lsn` is there.
    pub(crate) fn claim(self, second: i64, repository: &str, time: i64, lsn: u64) -> Self {
        let stretch = Stretch::begin(claim(second, time, lsn));
        self.stretch((second, second), repository, stretch)
    }

    pub(crate) fn stretch(
        mut self,
        (from, to): (i64, i64),
        repository: &str,
        stretch: Stretch,
    ) -> Self {
        self.0.add_stretch(KeptStretch {
            repository: name(repository),
            known_from: at(from),
            known_to: at(to),
            stretch: Arc::new(stretch),
        });
        self
    }

    pub(crate) fn hole(self, second: i64, range: (u64, u64)) -> Self {
        let (repository, lineage) = (name("eu"), lineage(1));
        let range = LsnRange::new(Lsn::new(range.0), Lsn::new(range.1)).unwrap();
        self.fact(
            second,
            Fact::HoleOpened {
                repository,
                lineage,
                range,
            },
        )
    }

    pub(crate) fn filled(self, second: i64, range: (u64, u64)) -> Self {
        let (repository, lineage) = (name("eu"), lineage(1));
        let range = LsnRange::new(Lsn::new(range.0), Lsn::new(range.1)).unwrap();
        self.fact(
            second,
            Fact::HoleClosed {
                repository,
                lineage,
                range,
            },
        )
    }

    pub(crate) fn trouble(self, second: i64, repository: &str, code: &str) -> Self {
        let (repository, code) = (name(repository), code.to_owned());
        self.fact(second, Fact::TroubleBegan { repository, code })
    }

    pub(crate) fn exempt(self, second: i64, until: i64) -> Self {
        let exemption = Exemption {
            id: ExemptionId::from_uuid(Uuid::from_u128(second.unsigned_abs().into())),
            until: at(until),
            reason: "the data centre moves".to_owned(),
            approved_by: "anna".to_owned(),
        };
        self.fact(second, Fact::Exempted(exemption))
    }

    pub(crate) fn drill(self, second: i64, passed: bool, rto: u64) -> Self {
        let drill = Drill {
            id: DrillId::from_uuid(Uuid::from_u128(second.unsigned_abs().into())),
            repository: name("eu"),
            passed,
            rto: Some(Span::from_secs(rto)),
            rpo: Some(Span::from_secs(1)),
            reached: Some(at(second - 100)),
        };
        self.fact(second, Fact::Drilled(drill))
    }

    pub(crate) fn judge(&self, second: i64) -> Judgement {
        self.0.judge(Timestamp::MAX, at(second)).unwrap()
    }

    pub(crate) fn controls(&self, second: i64) -> Vec<ControlResult> {
        self.0.controls(Timestamp::MAX, at(second))
    }

    pub(crate) fn violations(&self, until: i64) -> Vec<Violation> {
        self.0.violations(Timestamp::MAX, at(until))
    }

    /// Violations as from, to and cause.
    pub(crate) fn told(&self, until: i64) -> Vec<(i64, Option<i64>, String)> {
        let told = |one: Violation| {
            let ended = one.ended_at.map(second);
            (second(one.started_at), ended, one.cause.to_string())
        };
        self.violations(until).into_iter().map(told).collect()
    }
}

pub(crate) fn claim(second: i64, time: i64, lsn: u64) -> Claim {
    Claim {
        at: at(second),
        time: at(time),
        lineage: lineage(1),
        lsn: Lsn::new(lsn),
    }
}
