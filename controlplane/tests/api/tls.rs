//! REST away from loopback.

use holdfastd::server;

use crate::node::config;

#[tokio::test]
async fn rest_away_from_loopback_is_tls_with_the_nodes_certificate() {
    holdfastd::secure::install_provider();
    let data = tempfile::tempdir().unwrap();
    let mut open = config(data.path());
    open.listen.rest = "0.0.0.0:0".parse().unwrap();
    open.listen.advertise = Some("localhost".to_owned());
    let running = server::start(open, true).await.unwrap();
    let rest = running.listen().rest.clone();
    assert!(rest.starts_with("https://localhost:"), "{rest}");
    let ca = std::fs::read(&running.listen().ca_file).unwrap();
    let ca = reqwest::Certificate::from_pem(&ca).unwrap();
    let client = reqwest::Client::builder()
        .tls_certs_only([ca])
        .build()
        .unwrap();
    let ready = client.get(format!("{rest}/readyz")).send().await.unwrap();
    assert_eq!(ready.status(), 200);
    let plain = rest.replace("https://", "http://");
    assert!(client.get(format!("{plain}/readyz")).send().await.is_err());
    let strangers = reqwest::Client::new()
        .get(format!("{rest}/readyz"))
        .send()
        .await;
    assert!(strangers.is_err(), "only the CA vouches for the node");
    running.stop().await;
}
