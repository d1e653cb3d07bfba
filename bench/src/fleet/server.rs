//! The PostgreSQL server that an agent pretends to look after.

use holdfast_proto::{LineageWal, ReportedFrontier, TimelineWal, WalReport};
use holdfast_types::{
    ArchiverFacts, Coverage, Frontier, InstanceFacts, InstanceRole, Lineage, Lsn, LsnRange, Name,
    Observation, ServerFacts, SlotFacts, Timeline,
};
use jiff::Timestamp;

/// Where its WAL begins.
const START: Lsn = Lsn::new(0x0100_0000);
/// WAL it writes between two looks at it.
const STEP: u64 = 128 << 10;

/// A server that writes a little all the time.
#[derive(Debug, Clone)]
pub(super) struct Server {
    identifier: u64,
    at: Lsn,
}

impl Server {
    pub(super) fn new(index: usize) -> Self {
        let number = u64::try_from(index).unwrap_or_default();
        Self {
            identifier: 7_300_000_000_000_000_000 + number,
            at: Lsn::new(START.get() + STEP),
        }
    }

    pub(super) fn advance(&mut self) {
        self.at = Lsn::new(self.at.get() + STEP);
    }

    pub(super) fn position(&self) -> Lsn {
        self.at
    }

    pub(super) fn lineage(&self) -> Lineage {
        Lineage {
            system_identifier: self.identifier,
            incarnation: 1,
        }
    }

    /// What an agent sees of it.
    pub(super) fn facts(&self, cluster: Name) -> InstanceFacts {
        let slot = SlotFacts {
            name: format!("holdfast_{}", cluster.as_str().replace('-', "_")),
            active: true,
            restart_lsn: Some(self.at),
            wal_status: Some("reserved".to_owned()),
            retained_bytes: STEP,
        };
        let server = ServerFacts {
            server_version: 150_018,
            system_identifier: self.identifier,
            role: InstanceRole::Primary,
            timeline: Timeline::FIRST,
            data_directory: "/var/lib/postgresql/15/main".to_owned(),
            database_bytes: 40 << 30 | self.at.get(),
            checksums: true,
            archiver: ArchiverFacts {
                mode: "off".to_owned(),
                last_archived: None,
                last_failed: None,
            },
            slots: vec![slot],
            disk: None,
        };
        InstanceFacts {
            cluster,
            observed_at: Timestamp::now(),
            observation: Observation::Reachable(Box::new(server)),
            patroni: None,
            slot_trouble: None,
        }
    }

    /// Its WAL, all of it in the repository.
    pub(super) fn wal(&self) -> LineageWal {
        let mut coverage = Coverage::default();
        if let Some(range) = LsnRange::new(START, self.at) {
            coverage.insert(range);
        }
        LineageWal {
            lineage: self.lineage(),
            timelines: vec![TimelineWal {
                timeline: Timeline::FIRST,
                coverage,
                gaps: Vec::new(),
            }],
        }
    }

    /// What the holder of its WAL duty reports.
    pub(super) fn report(&self, duty: holdfast_proto::Held) -> WalReport {
        WalReport {
            assignment: duty.assignment,
            generation: duty.generation,
            wal: Some(self.wal()),
            frontier: Some(ReportedFrontier {
                timeline: Timeline::FIRST,
                frontier: Frontier {
                    time: Timestamp::now(),
                    lsn: self.at,
                },
            }),
            trouble: None,
            repository: None,
            copies: Vec::new(),
        }
    }
}
