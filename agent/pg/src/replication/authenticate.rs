//! The start-up of a replication session: TLS, start-up packet, password.

use std::collections::HashMap;

use bytes::{Buf, Bytes};
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{
    ChannelBinding, SCRAM_SHA_256, SCRAM_SHA_256_PLUS, ScramSha256,
};
use postgres_protocol::message::frontend;

use super::wire::{Message, Wire};
use crate::error::Doing;
use crate::socket::{self, Opened};
use crate::{ConnectionInfo, Error, ServerMessage};

/// An authenticated session and what the server said of itself.
pub(crate) struct Session {
    pub(crate) wire: Wire,
    pub(crate) parameters: HashMap<String, String>,
}

/// Connects, authenticates and waits until the server takes commands.
pub(crate) async fn open(info: &ConnectionInfo) -> Result<Session, Error> {
    let target = info.target("replication");
    let Opened {
        stream,
        encrypted: _,
        channel_binding,
    } = socket::open(info, &target).await?;
    let mut wire = Wire::new(stream, target);
    let mut parameters = vec![
        ("user", info.user()),
        ("replication", "true"),
        ("application_name", info.application_name()),
        ("client_encoding", "UTF8"),
    ];
    parameters.extend(
        info.config()
            .get_options()
            .map(|options| ("options", options)),
    );
    frontend::startup_message(parameters, &mut wire.outgoing)
        .map_err(|error| wire.broken(error.to_string()))?;
    wire.flush().await?;
    let mut session = Session {
        wire,
        parameters: HashMap::new(),
    };
    session.authenticate(info, channel_binding).await?;
    session.settle().await?;
    Ok(session)
}

impl Session {
    /// A message of the start-up, or the server's refusal as an error.
    async fn expect(&mut self) -> Result<Message, Error> {
        let message = self.wire.read().await?;
        if message.tag == b'E' {
            let refusal = ServerMessage::parse(&message.body);
            return Err(Error::from_server(
                &self.wire.target,
                Doing::Connecting,
                refusal,
            ));
        }
        Ok(message)
    }

    /// The next step of authentication: its kind and its data.
    async fn expect_step(&mut self) -> Result<(i32, Bytes), Error> {
        let mut message = self.expect().await?;
        let kind = message
            .body
            .try_get_i32()
            .ok()
            .filter(|_| message.tag == b'R');
        let kind = kind.ok_or_else(|| self.wire.broken("authentication was expected"))?;
        Ok((kind, message.body))
    }

    async fn authenticate(
        &mut self,
        info: &ConnectionInfo,
        binding: Option<Vec<u8>>,
    ) -> Result<(), Error> {
        let (kind, data) = self.expect_step().await?;
        if info.requires_channel_binding() && kind != 10 {
            return Err(self.unsupported("a method without channel binding"));
        }
        let answer = match kind {
            0 => return Ok(()),
            3 => self.password(info)?.to_vec(),
            5 => {
                let salt = data.first_chunk::<4>().copied();
                let salt = salt.ok_or_else(|| self.wire.broken("an md5 request without salt"))?;
                md5_hash(info.user().as_bytes(), self.password(info)?, salt).into_bytes()
            }
            10 => return self.scram(info, binding, &data).await,
            2 | 7..=9 => return Err(self.unsupported("Kerberos, GSSAPI or SSPI")),
            other => return Err(self.unsupported(&format!("method {other}"))),
        };
        frontend::password_message(&answer, &mut self.wire.outgoing)
            .map_err(|error| self.wire.broken(error.to_string()))?;
        self.wire.flush().await?;
        match self.expect_step().await? {
            (0, _) => Ok(()),
            (other, _) => Err(self.unsupported(&format!("a second method, {other}"))),
        }
    }

    async fn scram(
        &mut self,
        info: &ConnectionInfo,
        binding: Option<Vec<u8>>,
        mechanisms: &[u8],
    ) -> Result<(), Error> {
        let offers = |name: &str| {
            mechanisms
                .split(|&byte| byte == 0)
                .any(|m| m == name.as_bytes())
        };
        let (mechanism, binding) = match binding {
            Some(hash) if offers(SCRAM_SHA_256_PLUS) => (
                SCRAM_SHA_256_PLUS,
                ChannelBinding::tls_server_end_point(hash),
            ),
            _ if info.requires_channel_binding() => {
                return Err(self.unsupported("SCRAM without channel binding"));
            }
            // "We could, and you did not offer it": the server then notices
            // when somebody between us took the offer away.
            Some(_) => (SCRAM_SHA_256, ChannelBinding::unrequested()),
            None => (SCRAM_SHA_256, ChannelBinding::unsupported()),
        };
        if !offers(mechanism) {
            return Err(self.unsupported("an unknown SASL mechanism"));
        }
        let mut scram = ScramSha256::new(self.password(info)?, binding);
        frontend::sasl_initial_response(mechanism, scram.message(), &mut self.wire.outgoing)
            .map_err(|error| self.wire.broken(error.to_string()))?;
        self.wire.flush().await?;
        let (11, challenge) = self.expect_step().await? else {
            return Err(self.wire.broken("a SASL challenge was expected"));
        };
        scram
            .update(&challenge)
            .map_err(|error| self.wire.broken(error.to_string()))?;
        frontend::sasl_response(scram.message(), &mut self.wire.outgoing)
            .map_err(|error| self.wire.broken(error.to_string()))?;
        self.wire.flush().await?;
        let (12, proof) = self.expect_step().await? else {
            return Err(self.wire.broken("the end of SASL was expected"));
        };
        // The server proves that it knows the password too.
        scram
            .finish(&proof)
            .map_err(|error| self.wire.broken(error.to_string()))?;
        match self.expect_step().await? {
            (0, _) => Ok(()),
            _ => Err(self
                .wire
                .broken("the server did not confirm the authentication")),
        }
    }

    /// Reads on until the server is ready for a command.
    async fn settle(&mut self) -> Result<(), Error> {
        loop {
            let message = self.expect().await?;
            match message.tag {
                b'Z' => return Ok(()),
                b'S' => self.note_parameter(&message.body),
                b'K' | b'v' => {}
                tag => return Err(self.wire.broken(format!("message {tag} during start-up"))),
            }
        }
    }

    /// Remembers a setting that the server reports, at the start or whenever
    /// it changes: `in_hot_standby` turns off while a promotion is streamed.
    pub(super) fn note_parameter(&mut self, body: &[u8]) {
        let mut words = body.split(|&byte| byte == 0);
        let mut word = || {
            words
                .next()
                .map(|word| String::from_utf8_lossy(word).into_owned())
        };
        if let (Some(name), Some(value)) = (word(), word()) {
            self.parameters.insert(name, value);
        }
    }

    fn password<'a>(&self, info: &'a ConnectionInfo) -> Result<&'a [u8], Error> {
        let missing = || Error::WrongPassword {
            target: Box::new(self.wire.target.clone()),
            message: None,
        };
        Ok(info.password().ok_or_else(missing)?.expose().as_bytes())
    }

    fn unsupported(&self, method: &str) -> Error {
        Error::UnsupportedAuthentication {
            target: Box::new(self.wire.target.clone()),
            method: method.to_owned(),
        }
    }
}
