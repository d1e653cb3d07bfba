//! Mail over STARTTLS, against a server that speaks it: nothing that is told, and no
//! password, is said before the connection is encrypted and the server is who it claims.

use std::sync::Arc;

use holdfast_types::resource::{ChannelSettings, NotificationChannel, Resource};
use holdfast_types::{NoticeId, Secret};
use jiff::Timestamp;
use lettre::transport::smtp::client::Certificate;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use uuid::Uuid;

use super::email::Mail;
use super::message::Message;

/// A CA, and a server's identity that it made for a name.
struct Identity {
    ca: CertificateDer<'static>,
    acceptor: TlsAcceptor,
}

fn identity(name: &str) -> Identity {
    let ca_key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let ca = params.self_signed(&ca_key).unwrap().der().clone();
    let issuer = Issuer::new(params, ca_key);
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap().der().clone();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate],
            PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )
        .unwrap();
    Identity {
        ca,
        acceptor: TlsAcceptor::from(Arc::new(config)),
    }
}

/// What a client said to a server, before and after encryption.
#[derive(Debug, Default)]
struct Heard {
    plain: Vec<String>,
    encrypted: Vec<String>,
}

/// Answers a client until it asks for encryption, quits or goes; says whether it asked.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut BufReader<S>,
    features: &[&str],
    heard: &mut Vec<String>,
) -> bool {
    let mut is_letter = false;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
            return false;
        }
        let line = line.trim_end().to_owned();
        heard.push(line.clone());
        let answer = match line.split(' ').next().unwrap_or_default() {
            "." => {
                is_letter = false;
                "250 kept as 4711".to_owned()
            }
            _ if is_letter => continue,
            "EHLO" => {
                let mut lines = vec!["mail.test".to_owned()];
                lines.extend(features.iter().map(|one| (*one).to_owned()));
                let last = lines.len() - 1;
                let dash = |index: usize| if index == last { ' ' } else { '-' };
                let lines = lines.iter().enumerate();
                let lines: Vec<String> = lines
                    .map(|(index, line)| format!("250{}{line}", dash(index)))
                    .collect();
                lines.join("\r\n")
            }
            "STARTTLS" => "220 go on".to_owned(),
            "AUTH" => "235 it is you".to_owned(),
            "DATA" => {
                is_letter = true;
                "354 go on".to_owned()
            }
            "QUIT" => "221 farewell".to_owned(),
            _ => "250 well".to_owned(),
        };
        let sent = stream.write_all(format!("{answer}\r\n").as_bytes()).await;
        if sent.is_err() || line == "QUIT" {
            return false;
        }
        if line == "STARTTLS" {
            return true;
        }
    }
}

/// A mail server for one connection: its port, and what it heard in the end.
async fn serve(acceptor: TlsAcceptor, offers: bool) -> (u16, JoinHandle<Heard>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = tokio::spawn(async move {
        let mut heard = Heard::default();
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = BufReader::new(stream);
        stream.write_all(b"220 mail.test\r\n").await.unwrap();
        let features: &[&str] = if offers {
            &["STARTTLS"]
        } else {
            &["AUTH PLAIN"]
        };
        if !talk(&mut stream, features, &mut heard.plain).await {
            return heard;
        }
        // Whoever does not trust it, hangs up here.
        if let Ok(stream) = acceptor.accept(stream.into_inner()).await {
            let mut stream = BufReader::new(stream);
            talk(&mut stream, &["AUTH PLAIN"], &mut heard.encrypted).await;
        }
        heard
    });
    (port, serving)
}

fn mail(port: u16, ca: Option<&CertificateDer<'_>>) -> Mail {
    let document = json!({"apiVersion": "holdfast/v1", "kind": "NotificationChannel",
        "metadata": {"name": "mail"}, "spec": {"type": "email", "host": "localhost",
        "port": port, "tls": "starttls", "user": "ada", "passwordSecret": "word",
        "from": "holdfast@example.com", "to": ["dba@example.com"]}});
    let document = holdfast_types::resource::Document::from_value(document).unwrap();
    let Resource::NotificationChannel(channel) = document.resource else {
        panic!("it is a channel");
    };
    let channel: NotificationChannel = *channel;
    let Some(ChannelSettings::Email(settings)) = channel.settings() else {
        panic!("it is one of mail");
    };
    let ca = ca.map(|ca| Certificate::from_der(ca.to_vec()).unwrap());
    Mail::trusting(&settings, Some(Secret::new("hunter2")), ca).unwrap()
}

fn message() -> Message {
    let at: Timestamp = "2026-02-03T02:41:07Z".parse().unwrap();
    let key = NoticeId::from_uuid(Uuid::from_u128(7));
    Message::test("mail".parse().unwrap(), key, at, "user:ada")
}

fn said(heard: &[String], verb: &str) -> bool {
    heard.iter().any(|line| line.starts_with(verb))
}

#[tokio::test]
async fn a_letter_and_a_password_go_over_an_encrypted_connection() {
    let identity = identity("localhost");
    let (port, serving) = serve(identity.acceptor.clone(), true).await;
    let mail = mail(port, Some(&identity.ca));
    let answer = mail.send(&message()).await.unwrap();
    assert!(answer.contains("kept as 4711"), "{answer}");
    drop(mail);
    let heard = serving.await.unwrap();
    let plain: Vec<&str> = heard.plain.iter().map(|line| &line[..4]).collect();
    assert_eq!(plain, ["EHLO", "STAR"]);
    assert!(said(&heard.encrypted, "AUTH"), "{heard:?}");
    assert!(said(&heard.encrypted, "Subject: [Holdfast]"), "{heard:?}");
}

/// I-10: whoever strips the offer is told nothing.
#[tokio::test]
async fn a_server_without_starttls_is_told_nothing() {
    let identity = identity("localhost");
    let (port, serving) = serve(identity.acceptor.clone(), false).await;
    let mail = mail(port, Some(&identity.ca));
    mail.send(&message()).await.unwrap_err();
    drop(mail);
    let heard = serving.await.unwrap();
    assert!(!said(&heard.plain, "AUTH"), "{heard:?}");
    assert!(!said(&heard.plain, "MAIL"), "{heard:?}");
}

/// I-10: nor is a server that is somebody else.
#[tokio::test]
async fn a_server_that_is_not_trusted_is_told_nothing() {
    let (right, stranger) = (identity("localhost"), identity("localhost"));
    let elsewhere = identity("mail.example.com");
    for (acceptor, ca) in [
        (stranger.acceptor.clone(), Some(&right.ca)),
        (stranger.acceptor.clone(), None),
        (elsewhere.acceptor.clone(), Some(&elsewhere.ca)),
    ] {
        let (port, serving) = serve(acceptor, true).await;
        let mail = mail(port, ca);
        let error = mail.send(&message()).await.unwrap_err();
        assert!(error.to_lowercase().contains("certificate"), "{error}");
        drop(mail);
        let heard = serving.await.unwrap();
        assert!(heard.encrypted.is_empty(), "{heard:?}");
        assert!(!said(&heard.plain, "AUTH"), "{heard:?}");
    }
}
