//! openraft's own suite, on the real log and the real state.

use std::sync::Arc;

use openraft::StorageError;
use openraft::testing::log::{StoreBuilder, Suite};
use tempfile::TempDir;

use crate::directory::DirectoryLock;
use crate::fault::FaultCell;
use crate::log::LogStore;
use crate::machine::Machine;
use crate::raft::{NodeId, TypeConfig};

struct Fresh;

impl StoreBuilder<TypeConfig, LogStore, Machine, TempDir> for Fresh {
    async fn build(&self) -> Result<(TempDir, LogStore, Machine), StorageError<TypeConfig>> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.db");
        let lock = Arc::new(DirectoryLock::take(dir.path()).unwrap());
        LogStore::create(&path, NodeId(0)).unwrap();
        Machine::create(dir.path()).await.unwrap();
        let fault = FaultCell::new();
        let log = LogStore::open(&path, fault.clone(), Arc::clone(&lock)).unwrap();
        let machine = Machine::open(dir.path(), fault, lock, None).await.unwrap();
        Ok((dir, log, machine))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_and_the_state_keep_openrafts_contract() {
    Suite::test_all(Fresh).await.unwrap();
}
