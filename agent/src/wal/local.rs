//! Everything that is asked at the local socket.

use holdfast_types::Failure;
use serde::{Deserialize, Serialize};

use super::fetch::{FetchAnswer, FetchHandler, FetchQuestion};
use super::push::{PushAnswer, PushHandler, PushQuestion};
use crate::host::Host;
use crate::socket::{Handler, Reply};

/// A question, recognised by its fields: `wal-fetch` asks as it always has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum LocalQuestion {
    /// `wal-push`.
    Push(PushQuestion),
    /// `wal-fetch`.
    Fetch(FetchQuestion),
}

/// The answer to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum LocalAnswer {
    /// To `wal-push`.
    Push(PushAnswer),
    /// To `wal-fetch`.
    Fetch(FetchAnswer),
}

/// Answers all of them.
#[derive(Debug, Clone)]
pub struct LocalHandler {
    fetch: FetchHandler,
    push: PushHandler,
}

impl LocalHandler {
    /// Answers for the duties of `host`.
    pub fn new(host: Host) -> Self {
        Self {
            fetch: FetchHandler::new(host.clone()),
            push: PushHandler::new(host),
        }
    }
}

impl Handler for LocalHandler {
    type Question = LocalQuestion;
    type Answer = LocalAnswer;

    async fn answer(&self, question: LocalQuestion) -> Result<Reply<LocalAnswer>, Failure> {
        match question {
            LocalQuestion::Push(question) => {
                let reply = self.push.answer(question).await?;
                Ok(Reply::new(LocalAnswer::Push(reply.answer)))
            }
            LocalQuestion::Fetch(question) => {
                let Reply { answer, body } = self.fetch.answer(question).await?;
                Ok(Reply::with_body(LocalAnswer::Fetch(answer), body))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_told_apart_by_their_fields() {
        let fetch = r#"{"name":"00000002.history","cluster":null,"directory":"/data"}"#;
        let push = r#"{"push":"00000002.history","cluster":null,"directory":"/data"}"#;
        let question = |text| serde_json::from_str::<LocalQuestion>(text);
        assert!(matches!(question(fetch), Ok(LocalQuestion::Fetch(_))));
        assert!(matches!(question(push), Ok(LocalQuestion::Push(_))));
        assert!(question(r#"{"other":1}"#).is_err());
        // A word of one can never be read as the other's.
        let absent = serde_json::to_string(&LocalAnswer::Fetch(FetchAnswer::Absent)).unwrap();
        assert!(serde_json::from_str::<PushAnswer>(&absent).is_err());
    }
}
