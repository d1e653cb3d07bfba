//! Reading and writing at once: nobody holds what others wait for.

use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::support::{bootstrap, config, context, secret};

const LASTS: Duration = Duration::from_secs(2);
/// A deadlock lasts longer than anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a reader has waited for must not stay locked while it reads on: with a
/// writer in between, both would wait for ever, and with them every thread.
#[test]
fn readers_and_writers_never_wait_for_each_other() {
    let (done, ended) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(contend());
        // Nobody is there when it came too late.
        let _ = done.send(());
    });
    let what = "readers and writers wait for each other";
    ended.recv_timeout(PATIENCE).expect(what);
}

async fn contend() {
    let dir = tempfile::tempdir().unwrap();
    let node = Arc::new(bootstrap(config(dir.path())).await);
    let until = Instant::now() + LASTS;
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..32 {
        let node = node.clone();
        all.spawn(async move {
            while Instant::now() < until {
                node.read().await.unwrap();
            }
        });
    }
    for writer in 0..8 {
        let node = node.clone();
        all.spawn(async move {
            let mut number = 0;
            while Instant::now() < until {
                number += 1;
                let command = secret(&format!("k{writer}-{number}"));
                node.propose(context(), command).await.unwrap().unwrap();
            }
        });
    }
    while let Some(ended) = all.join_next().await {
        ended.unwrap();
    }
    node.shutdown().await;
}
