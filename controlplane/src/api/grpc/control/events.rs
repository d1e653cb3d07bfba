//! Server-sent events as a stream of messages.

use axum::body::{Body, Bytes};
use futures_util::stream::{self, Stream, StreamExt};
use prost_reflect::{DynamicMessage, MessageDescriptor};
use serde_json::{Value as Json, json};
use tonic::Status;

use super::from_json;

/// The events of a body, and at its end the reason to follow them elsewhere.
pub(super) fn messages(
    output: MessageDescriptor,
    body: Body,
) -> impl Stream<Item = Result<DynamicMessage, Status>> + Send {
    let mut frames = Frames::default();
    let chunks = body.into_data_stream();
    let events = chunks.flat_map(move |chunk| {
        let read = match chunk {
            Ok(chunk) => frames.push(&chunk).into_iter().map(Ok).collect(),
            Err(error) => vec![Err(Status::unavailable(error.to_string()))],
        };
        stream::iter(read)
    });
    let events = events.map(move |event| event.and_then(|event| event.message(&output)));
    let end = "the node has ended the stream: follow the events of another, and read \
               everything again";
    events.chain(stream::iter([Err(Status::unavailable(end))]))
}

/// One event.
#[derive(Debug, Default, PartialEq)]
struct Event {
    name: String,
    data: String,
}

impl Event {
    fn message(&self, output: &MessageDescriptor) -> Result<DynamicMessage, Status> {
        let data = serde_json::from_str::<Json>(&self.data).unwrap_or_default();
        let event = json!({ "event": self.name, "data": data });
        from_json::message(output, &event).map_err(|error| {
            tracing::error!("an event does not fit its message: {error}");
            Status::internal("an event does not fit its message")
        })
    }
}

/// Puts events together from pieces of a body (HTML, "Server-sent events").
#[derive(Debug, Default)]
struct Frames {
    line: Vec<u8>,
    event: Event,
}

impl Frames {
    fn push(&mut self, chunk: &Bytes) -> Vec<Event> {
        let mut whole = Vec::new();
        for byte in chunk {
            if *byte != b'\n' {
                self.line.push(*byte);
                continue;
            }
            let line = std::mem::take(&mut self.line);
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end_matches('\r');
            if line.is_empty() {
                // A keep-alive alone is no event.
                let event = std::mem::take(&mut self.event);
                if event != Event::default() {
                    whole.push(event);
                }
            } else if let Some((field, value)) = line.split_once(':') {
                let value = value.strip_prefix(' ').unwrap_or(value);
                match field {
                    "event" => value.clone_into(&mut self.event.name),
                    "data" => {
                        if !self.event.data.is_empty() {
                            self.event.data.push('\n');
                        }
                        self.event.data.push_str(value);
                    }
                    _ => {}
                }
            }
        }
        whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_put_together_from_any_pieces() {
        let text = ": hello\n\nevent: fleets.changed\ndata: {\"name\":\"ä\"}\n\n:\n\n\
                    event: x\r\ndata: 1\ndata: 2\n\nevent: unfinished\n";
        let event = |name: &str, data: &str| Event {
            name: name.to_owned(),
            data: data.to_owned(),
        };
        let wanted = [
            event("fleets.changed", "{\"name\":\"ä\"}"),
            event("x", "1\n2"),
        ];
        for size in [1, 2, 3, 7, text.len()] {
            let mut frames = Frames::default();
            let chunks = text.as_bytes().chunks(size);
            let read: Vec<Event> = chunks
                .flat_map(|chunk| frames.push(&Bytes::copy_from_slice(chunk)))
                .collect();
            assert_eq!(read, wanted, "in pieces of {size}");
        }
    }
}
