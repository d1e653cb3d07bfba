//! What is done with what was restored: it is registered, backed up, and told of.

use aws_lc_rs::hmac;
use holdfast_proto::JobEvent;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::restoring::{DIR, assigned, begun, ready, restore_is, succeeded, wanted};

/// Takes one request and answers 500, then takes the next and answers 204.
async fn receiver() -> (String, tokio::task::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/restored", listener.local_addr().unwrap());
    let taken = tokio::spawn(async move {
        let mut taken = Vec::new();
        for status in ["500 Internal Server Error", "204 No Content"] {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut text = String::new();
            let mut bytes = [0; 4096];
            while !is_whole(&text) {
                let count = stream.read(&mut bytes).await.unwrap();
                assert!(count > 0, "{text}");
                text.push_str(&String::from_utf8_lossy(&bytes[..count]));
            }
            let answer =
                format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
            taken.push(text);
        }
        taken
    });
    (url, taken)
}

fn is_whole(text: &str) -> bool {
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = header(head, "content-length").and_then(|length| length.parse::<usize>().ok());
    body.len() >= length.unwrap_or(0)
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

#[tokio::test]
async fn what_is_restored_is_registered_backed_up_and_told() {
    let (mut node, _agent, mut session) = ready().await;
    node.put("/api/v1/secrets/hook", json!({"value": "geheim"}))
        .await
        .expect(201);
    let (url, taken) = receiver().await;
    let mut handed = wanted();
    handed["register"] = json!({"name": "orders-b"});
    handed["webhooks"] = json!([{"url": url, "secret": "hook"}]);
    let id = begun(&node, &mut session, handed).await;
    let assignment = assigned(&mut session).await;
    session.report(&assignment, JobEvent::Started).await;
    session.report(&assignment, succeeded()).await;
    let done = restore_is(&node, &id, "done").await;
    let steps: Vec<&str> = done["handedOver"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["step"].as_str().unwrap())
        .collect();
    assert_eq!(steps, ["register", "backup", "webhook 1"]);
    let cluster = node.get("/api/v1/clusters/orders-b").await.expect(200);
    assert_eq!(cluster["metadata"]["labels"], json!({"tier": "gold"}));
    let instance = &cluster["spec"]["instances"][0];
    assert_eq!(
        instance["connection"],
        format!("host={DIR}/.holdfast port=5433 user=holdfast")
    );
    assert_eq!(instance["dataDirectory"], DIR);
    let jobs = node.get("/api/v1/jobs?cluster=orders-b").await.expect(200);
    assert_eq!(jobs["items"][0]["because"], "restored");
    assert_eq!(jobs["items"].as_array().unwrap().len(), 1);
    // It is told again until it is taken, under the same key.
    let taken = taken.await.unwrap();
    let (head, body) = taken[1].split_once("\r\n\r\n").unwrap();
    let key = header(head, "idempotency-key").unwrap();
    assert_eq!(key, format!("{id}.1"));
    assert_eq!(header(&taken[0], "idempotency-key"), Some(key));
    // As every webhook is signed.
    let signature = header(head, "holdfast-signature").unwrap();
    let (time, signature) = signature.split_once(",v1=").unwrap();
    let signed = format!("{}.{body}", time.strip_prefix("t=").unwrap());
    let secret = hmac::Key::new(hmac::HMAC_SHA256, b"geheim");
    hmac::verify(&secret, signed.as_bytes(), &hex::decode(signature).unwrap()).unwrap();
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(
        (&body["restore"], &body["result"]["port"]),
        (&json!(id), &json!(5433))
    );
    assert!(!taken[1].contains("geheim"), "I-10");
    node.stop().await;
}
