//! Slack's messages: blocks for people, and text for where blocks are not shown.

use serde_json::{Value, json};

use super::message::Message;

/// What Slack takes in one block of text.
const BLOCK_MOST: usize = 2900;
const HEADER_MOST: usize = 150;

pub(super) fn body(message: &Message) -> Value {
    let headline = message.headline();
    let header: String = headline.chars().take(HEADER_MOST).collect();
    let mut blocks = vec![json!({
        "type": "header", "text": {"type": "plain_text", "text": header},
    })];
    let lines: Vec<String> = message
        .lines()
        .iter()
        .map(|line| format!("• {}", escape(line)))
        .collect();
    let mut text = lines.join("\n");
    if let Some(rest) = message.rest() {
        text.push_str(&format!("\n{}", escape(&rest)));
    }
    if !text.is_empty() {
        blocks.push(json!({"type": "section", "text": {"type": "mrkdwn", "text": cut(&text)}}));
    }
    if let Some(advice) = message.advice() {
        let advice = escape(advice);
        blocks.push(json!({"type": "section", "text": {"type": "mrkdwn", "text": cut(&advice)}}));
    }
    let context = format!("Holdfast, {:.0}, {}", message.at, message.key);
    blocks.push(json!({
        "type": "context", "elements": [{"type": "mrkdwn", "text": escape(&context)}],
    }));
    json!({"text": escape(&headline), "blocks": blocks})
}

/// What Slack would take for markup of its own.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(BLOCK_MOST) {
        None => text.to_owned(),
        Some((at, _)) => format!("{}…", &text[..at]),
    }
}
