//! Founding a control plane in an empty directory.
//!
//! Files come first and the replicated state last, so that a bootstrap that
//! ended in the middle acknowledged nothing and can be run again.

use holdfast_consensus::{Node, ProposeContext};
use holdfast_state::command::{Bootstrap, RaiseLevel};
use holdfast_state::{Cause, Principal};
use holdfast_types::{RequestId, UserId};
use jiff::Timestamp;
use uuid::Uuid;

use super::identity::{NodeFile, Paths, pki};
use super::run::StartError;
use crate::config::Config;
use crate::secure::{
    Authority, Passwords, PrivateCa, Purpose, Sealer, SigningKey, generate_password,
};

/// The CA and the sealing key of a control plane that is being founded.
pub(super) struct Foundation {
    ca: PrivateCa,
    pub(super) sealer: Sealer,
    pub(super) node: NodeFile,
}

/// Makes the files of the first node.
pub(super) fn prepare(paths: &Paths, config: &Config) -> Result<Foundation, StartError> {
    let foundation = prepare_identity(paths, config)?;
    paths.write_node(&foundation.node)?;
    Ok(foundation)
}

/// The same but `node.toml`, without which nothing starts here.
pub(super) fn prepare_identity(paths: &Paths, config: &Config) -> Result<Foundation, StartError> {
    let name = config.node.name.clone();
    let node = NodeFile {
        id: 1,
        name: name.unwrap_or_else(|| "node-1".to_owned()),
        peers: Vec::new(),
        group: None,
    };
    let key = paths.sealing_key();
    // One that an unfinished attempt left behind has sealed nothing yet.
    let sealer = if key.exists() {
        Sealer::open(&key)?
    } else {
        Sealer::create(&key)?
    };
    let ca = PrivateCa::generate(Timestamp::now()).map_err(pki)?;
    let authority = Authority::new(ca.certificate_pem.clone(), &ca.key).map_err(pki)?;
    paths.renew_certificate(&authority, &node, config)?;
    Ok(Foundation { ca, sealer, node })
}

/// Writes the administrator's password down and founds the control plane.
pub(super) async fn found(
    node: &Node,
    paths: &Paths,
    config: &Config,
    foundation: &Foundation,
) -> Result<(), StartError> {
    let Foundation {
        ca,
        sealer,
        node: file,
    } = foundation;
    let password = generate_password().map_err(|_| StartError::Randomness)?;
    let hash = Passwords::default().hash(password.clone()).await;
    let admin_password = hash.ok_or(StartError::Randomness)?;
    let line = zeroize::Zeroizing::new(format!("admin:{}\n", password.expose()));
    paths.write(&paths.admin(), line.as_bytes(), 0o600)?;
    let id = Uuid::now_v7();
    let signing = SigningKey::generate(format!("k{}", id.simple()));
    let signing = signing.map_err(|_| StartError::Randomness)?;
    let command = Bootstrap {
        ca_certificate: ca.certificate_pem.clone(),
        ca_key: sealer.seal(&Purpose::CaKey, &ca.key)?,
        signing_key: sealer.seal(&Purpose::SigningKey(&signing.id), &signing.pkcs8)?,
        signing_key_id: signing.id,
        admin: UserId::from_uuid(id),
        admin_name: "admin".parse().expect("\"admin\" is a name"),
        admin_password,
        node: file.name.clone(),
    };
    let cause = Cause {
        principal: Principal::node(&file.name),
        request: RequestId::from_uuid(Uuid::now_v7()),
        remote: None,
    };
    let proposed = node
        .propose(ProposeContext::caused_by(cause), command)
        .await;
    let verdict = proposed.map_err(|error| StartError::Other(error.into()))?;
    verdict.map_err(|refusal| StartError::Other(refusal.into()))?;
    // Alone it need not wait for others to know the newest level.
    let level = config.node.newest_level();
    let raised = node.propose(ProposeContext::internal(), RaiseLevel { level });
    let raised = raised
        .await
        .map_err(|error| StartError::Other(error.into()))?;
    raised
        .map(|_| ())
        .map_err(|refusal| StartError::Other(refusal.into()))
}
