//! Keys, certificates, passwords and tokens of the control plane.
//!
//! Nothing here keeps a secret in clear anywhere but in memory and in the
//! sealing key's own file (I-10), and no error or `Debug` shows one.

mod jwt;
mod password;
mod pki;
mod seal;
mod tls;
mod token;

pub use jwt::{Claims, Signer, SigningKey};
pub use password::{Passwords, generate_password};
pub use pki::{Authority, Issued, PkiError, PrivateCa, admit_node, fingerprint};
pub use seal::{Purpose, SealError, Sealer};
pub use tls::{
    NodeIdentity, agent_acceptor, install_provider, peer_configs, read_identity, rest_acceptor,
};
pub use token::{
    InvalidToken, OpaqueToken, TokenSecret, join_token, parse_join_token, parse_node_token,
};
