//! Opening the repository's side of a duty, once the server said who it is.

use std::collections::BTreeSet;

use holdfast_pg::replication::{Client, SystemIdentity};
use holdfast_repo::{Codec, LineageFacts, WalRepository};
use holdfast_types::resource::{self, Compression};
use holdfast_types::{Failure, Lineage, SegmentSize, Timeline};

use super::Position;
use super::attempt::Receiver;
use super::store::Store;
use super::stored::Stored;
use super::trouble::Trouble;

/// Segments that may wait to be stored, beside the one being received.
const WAITING_SEGMENTS: u64 = 2;

/// The lineage in the repository, open.
pub(super) struct Opened {
    pub(super) lineage: Lineage,
    pub(super) size: SegmentSize,
    pub(super) wal: WalRepository,
    pub(super) store: Store,
    pub(super) stored: Stored,
    /// Timelines whose history file is stored.
    pub(super) histories: BTreeSet<Timeline>,
}

impl Opened {
    /// Up to where the stream's WAL is in the repository.
    pub(super) fn tip(&self) -> Option<Position> {
        self.store.durable().or_else(|| self.stored.tip(self.size))
    }
}

impl Receiver {
    pub(super) async fn identify(&self, client: &mut Client) -> Result<SystemIdentity, Trouble> {
        let known = self
            .opened
            .as_ref()
            .map(|opened| opened.lineage.system_identifier);
        Ok(match known.or(self.work.instance.system_identifier) {
            Some(expected) => client.require_system(expected).await?,
            None => client.identify_system().await?,
        })
    }

    /// Opens the lineage and lists it, once in the life of the duty.
    pub(super) async fn open(
        &mut self,
        client: &mut Client,
        identity: SystemIdentity,
    ) -> Result<(), Trouble> {
        if self.opened.is_some() {
            return Ok(());
        }
        let lineage = Lineage {
            system_identifier: identity.system_identifier,
            incarnation: self.work.incarnation,
        };
        let size = client.segment_size().await?;
        let block_size = client.show("block_size").await?.parse().ok();
        let version = client.server_version_num();
        let (Some(block_size), Some(postgres_version)) = (block_size, version) else {
            return Err(Trouble::Waiting(Failure::transient(
                "pg_protocol_error",
                "PostgreSQL did not say its version and block size in a way we understand",
                "look at the server's log",
            )));
        };
        let facts = LineageFacts {
            postgres_version,
            segment_size: size,
            block_size,
        };
        let repository = self.host.repository(&self.work.repository).await?;
        let cluster = &self.work.cluster;
        let repository = repository
            .create_or_open_lineage(cluster, lineage, facts)
            .await?;
        let wal = repository.wal(codec(self.work.compression));
        let shipping = self.host.wal().shipping();
        let wal = shipping.on(wal, cluster, &self.work.repository.name);
        let stored = Stored::load(&wal, size).await?;
        let id = repository.repository().id();
        self.status.listed(id, lineage, &stored.timelines);
        self.host
            .wal()
            .update(self.id, |source| source.lineage = Some(lineage));
        let room = WAITING_SEGMENTS * size.bytes();
        let store = Store::start(wal.clone(), self.status.clone(), self.host.clone(), room);
        store.clean(stored.superfluous.iter().copied());
        let histories = BTreeSet::new();
        self.opened = Some(Opened {
            lineage,
            size,
            wal,
            store,
            stored,
            histories,
        });
        Ok(())
    }

    /// The open lineage, which is there once an attempt has come so far.
    pub(super) fn opened(&self) -> Result<&Opened, Trouble> {
        self.opened.as_ref().ok_or_else(|| {
            Trouble::Waiting(Failure::transient(
                "repository_not_open",
                "the repository is not open yet",
                "it is tried again",
            ))
        })
    }
}

pub(super) fn codec(compression: Compression) -> Codec {
    match compression.codec {
        resource::Codec::Zstd => Codec::Zstd {
            level: compression.level(),
        },
        resource::Codec::Lz4 => Codec::Lz4,
        resource::Codec::None => Codec::None,
    }
}
