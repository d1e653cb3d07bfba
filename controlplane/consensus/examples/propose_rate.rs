//! How many commands a single node commits per second: each fsynced in the
//! log, applied with its audit row, and answered. An absolute number says
//! little on another machine; compare two runs on one.
//!
//! `cargo run -p holdfast-consensus --example propose_rate [-- DIR]`

use std::time::{Duration, Instant};

use holdfast_consensus::{Member, Node, NodeConfig, NodeId, ProposeContext};
use holdfast_state::command::SetSecret;
use holdfast_state::{Cause, Principal, Sealed};
use holdfast_types::RequestId;
use uuid::Uuid;

const RUN: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let scratch = tempfile::tempdir()?;
    let dir = std::env::args_os()
        .nth(1)
        .map_or_else(|| scratch.path().to_owned(), Into::into);
    let config = NodeConfig::new(dir.join("raft"), NodeId(1));
    let node = Node::bootstrap(config, Member::default()).await?;
    for clients in [1, 64] {
        let mut latencies = measure(&node, clients).await?;
        latencies.sort();
        let at = |share: f64| {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss,
                reason = "an index into a few thousand measurements"
            )]
            let index = ((latencies.len() - 1) as f64 * share) as usize;
            latencies.get(index).copied().unwrap_or_default()
        };
        println!(
            "{clients:>3} clients: {:>6.0} proposals/s, p50 {:?}, p99 {:?}",
            f64::from(u32::try_from(latencies.len())?) / RUN.as_secs_f64(),
            at(0.5),
            at(0.99),
        );
    }
    node.shutdown().await;
    Ok(())
}

async fn measure(node: &Node, clients: usize) -> Result<Vec<Duration>, Box<dyn std::error::Error>> {
    let end = Instant::now() + RUN;
    let running: Vec<_> = (0..clients)
        .map(|client| {
            let node = node.clone();
            tokio::spawn(async move { propose_until(&node, client, end).await })
        })
        .collect();
    let mut latencies = Vec::new();
    for client in running {
        latencies.extend(client.await??);
    }
    Ok(latencies)
}

async fn propose_until(
    node: &Node,
    client: usize,
    end: Instant,
) -> Result<Vec<Duration>, holdfast_consensus::ProposeError> {
    let mut latencies = Vec::new();
    let name = format!("client-{client}");
    while Instant::now() < end {
        let started = Instant::now();
        let context = ProposeContext::caused_by(Cause {
            principal: Principal::user("bench"),
            request: RequestId::from_uuid(Uuid::now_v7()),
            remote: None,
        });
        let command = SetSecret {
            name: name.parse().expect("it is a name"),
            sealed: Sealed::new(vec![7; 200]),
        };
        node.propose(context, command)
            .await?
            .expect("setting a secret is never refused");
        latencies.push(started.elapsed());
    }
    Ok(latencies)
}
