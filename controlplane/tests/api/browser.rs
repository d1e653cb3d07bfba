//! A browser: its login is in cookies, other sites cannot use it, and the console is
//! files that may load nothing from elsewhere.

use holdfastd::server;
use reqwest::header::{HeaderMap, SET_COOKIE};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use crate::node::{Answer, Node, answer, config};

const SESSION: &str = "/api/v1/auth/session";
const RENEW: &str = "/api/v1/auth/session/renew";
const ME: &str = "/api/v1/access/me";

/// What a browser keeps: name and value of each cookie, as it was set.
#[derive(Clone, Default)]
struct Jar(Vec<(String, String)>);

impl Jar {
    fn take(&mut self, headers: &HeaderMap) {
        for set in headers.get_all(SET_COOKIE) {
            let set = set.to_str().unwrap();
            let (pair, rest) = set.split_once("; ").unwrap();
            for must in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age="] {
                assert!(rest.contains(must), "{set} has no {must}");
            }
            assert!(!rest.contains("Domain"), "{set}");
            let (name, value) = pair.split_once('=').unwrap();
            self.0.retain(|(kept, _)| kept != name);
            if !rest.contains("Max-Age=0") {
                self.0.push((name.to_owned(), value.to_owned()));
            }
        }
    }

    fn header(&self) -> String {
        let pairs = self.0.iter().map(|(name, value)| format!("{name}={value}"));
        pairs.collect::<Vec<_>>().join("; ")
    }

    fn without(&self, part: &str) -> Self {
        let kept = self.0.iter().filter(|(name, _)| !name.contains(part));
        Self(kept.cloned().collect())
    }
}

fn ask(node: &Node, method: Method, path: &str, jar: &Jar) -> RequestBuilder {
    let request = node.http.request(method, format!("{}{path}", node.rest));
    match jar.0.is_empty() {
        true => request,
        false => request.header("cookie", jar.header()),
    }
}

async fn log_in(node: &Node) -> (Jar, Answer) {
    let credentials = json!({"user": "admin", "password": node.password()});
    let asked = ask(node, Method::POST, SESSION, &Jar::default()).json(&credentials);
    let answer = answer(asked).await;
    let mut jar = Jar::default();
    jar.take(&answer.headers);
    (jar, answer)
}

async fn renew(node: &Node, jar: &Jar) -> Jar {
    let answer = answer(ask(node, Method::POST, RENEW, jar)).await;
    let mut renewed = jar.clone();
    renewed.take(&answer.headers);
    answer.expect(200);
    renewed
}

async fn me(node: &Node, jar: &Jar) -> Answer {
    answer(ask(node, Method::GET, ME, jar)).await
}

// I-10
#[tokio::test]
async fn a_login_lives_in_cookies_alone() {
    let mut node = Node::start().await;
    let wrong = json!({"user": "admin", "password": "not this one"});
    let refused = answer(ask(&node, Method::POST, SESSION, &Jar::default()).json(&wrong)).await;
    assert!(!refused.headers.contains_key(SET_COOKIE));
    refused.refused(401, "login_failed");

    let (jar, login) = log_in(&node).await;
    assert_eq!(jar.0.len(), 2);
    let body = login.expect(200);
    assert_eq!(body["user"], "admin");
    for (_, value) in &jar.0 {
        assert!(!body.to_string().contains(value), "no script sees a token");
    }
    assert_eq!(me(&node, &jar).await.expect(200)["user"], "admin");
    // The refresh token alone proves nobody, and a bad header is not helped out.
    let refresh = me(&node, &jar.without("access")).await;
    refresh.refused(401, "unauthenticated");
    let bad = ask(&node, Method::GET, ME, &jar).header("authorization", "Bearer x");
    answer(bad).await.refused(401, "unauthenticated");

    let renewed = renew(&node, &jar).await;
    assert_ne!(renewed.header(), jar.header());
    me(&node, &renewed).await.expect(200);
    // The answer was lost with the node that gave it: the same pair again.
    let refresh = |jar: &Jar| jar.without("access").header();
    assert_eq!(refresh(&renew(&node, &jar).await), refresh(&renewed));
    let nobody = answer(ask(&node, Method::POST, RENEW, &Jar::default())).await;
    nobody.refused(401, "not_logged_in");
    let newest = renew(&node, &renewed).await;
    me(&node, &newest).await.expect(200);
    // An older one: somebody has stolen it, so the login ends for all who hold it.
    let again = answer(ask(&node, Method::POST, RENEW, &jar)).await;
    again.refused(401, "unauthenticated");
    me(&node, &newest).await.refused(401, "unauthenticated");
    node.stop().await;
}

#[tokio::test]
async fn logging_out_ends_this_login_or_all() {
    let mut node = Node::start().await;
    let (first, _) = log_in(&node).await;
    let (mut second, _) = log_in(&node).await;
    let (third, _) = log_in(&node).await;
    let out = answer(ask(&node, Method::DELETE, SESSION, &first)).await;
    assert_eq!(out.body, json!({"loggedOut": true}));
    me(&node, &first).await.refused(401, "unauthenticated");
    me(&node, &second).await.expect(200);

    let everywhere = format!("{SESSION}?everywhere=true");
    let out = answer(ask(&node, Method::DELETE, &everywhere, &second)).await;
    second.take(&out.headers);
    out.expect(200);
    assert!(second.0.is_empty(), "the browser keeps nothing");
    me(&node, &third).await.refused(401, "unauthenticated");
    node.get("/api/v1/status")
        .await
        .refused(401, "unauthenticated");
    // Whoever is logged out already is told that it is so.
    let out = answer(ask(&node, Method::DELETE, SESSION, &third)).await;
    out.expect(200);
    node.stop().await;
}

#[tokio::test]
async fn another_site_changes_nothing() {
    let mut node = Node::start().await;
    let (jar, _) = log_in(&node).await;
    let host = node.rest.strip_prefix("http://").unwrap().to_owned();
    let fleet = json!({"apiVersion": "holdfast/v1", "kind": "Fleet",
        "metadata": {"name": "theirs"}, "spec": {}});
    let put = |headers: &[(&'static str, String)]| {
        let mut asked = ask(&node, Method::PUT, "/api/v1/fleets/theirs", &jar).json(&fleet);
        for (name, value) in headers {
            asked = asked.header(*name, value);
        }
        answer(asked)
    };
    let theirs = "https://elsewhere.example".to_owned();
    for from in [
        vec![("sec-fetch-site", "cross-site".to_owned())],
        vec![("sec-fetch-site", "same-site".to_owned())],
        vec![("origin", theirs.clone())],
        vec![("origin", "null".to_owned())],
    ] {
        put(&from).await.refused(403, "cross_site_request");
    }
    // Nor does it log anybody in.
    let credentials = json!({"user": "admin", "password": node.password()});
    let planted = ask(&node, Method::POST, SESSION, &Jar::default()).json(&credentials);
    let planted = answer(planted.header("origin", &theirs)).await;
    assert!(!planted.headers.contains_key(SET_COOKIE));
    planted.refused(403, "cross_site_request");
    let there = node.get("/api/v1/fleets/theirs").await;
    there.refused(404, "not_found");

    let own = [
        ("sec-fetch-site", "same-origin".to_owned()),
        ("origin", format!("http://{host}")),
    ];
    let made = put(&own).await;
    assert!(made.status.is_success(), "{}", made.body);
    node.stop().await;
}

#[tokio::test]
async fn over_tls_no_other_host_can_plant_the_cookies() {
    holdfastd::secure::install_provider();
    let data = tempfile::tempdir().unwrap();
    let mut open = config(data.path());
    open.listen.rest = "0.0.0.0:0".parse().unwrap();
    open.listen.advertise = Some("localhost".to_owned());
    let running = server::start(open, true).await.unwrap();
    let rest = running.listen().rest.clone();
    let ca = std::fs::read(&running.listen().ca_file).unwrap();
    let ca = reqwest::Certificate::from_pem(&ca).unwrap();
    let client = reqwest::Client::builder().tls_certs_only([ca]);
    let client = client.build().unwrap();
    let line = std::fs::read_to_string(data.path().join("data/bootstrap-admin")).unwrap();
    let password = line.trim_end().strip_prefix("admin:").unwrap();
    let credentials = json!({"user": "admin", "password": password});
    let login = client.post(format!("{rest}{SESSION}")).json(&credentials);
    let login = login.send().await.unwrap();
    assert_eq!(login.status(), StatusCode::OK);
    let mut jar = Jar::default();
    jar.take(login.headers());
    for set in login.headers().get_all(SET_COOKIE) {
        let set = set.to_str().unwrap();
        assert!(
            set.starts_with("__Host-") && set.contains("Secure"),
            "{set}"
        );
    }
    let with = |cookies: String| client.get(format!("{rest}{ME}")).header("cookie", cookies);
    let whoever = with(jar.header()).send().await.unwrap();
    assert_eq!(whoever.status(), StatusCode::OK);
    let planted = with(jar.header().replace("__Host-", "")).send().await;
    assert_eq!(planted.unwrap().status(), StatusCode::UNAUTHORIZED);
    running.stop().await;
}

#[tokio::test]
async fn the_console_is_one_document_and_its_files() {
    let mut node = Node::start().await;
    let get = |path: &str| {
        let asked = node.http.get(format!("{}{path}", node.rest));
        async move { asked.send().await.unwrap() }
    };
    let root = get("/").await;
    let policy = root.headers()["content-security-policy"].to_str().unwrap();
    for must in [
        "default-src 'none'",
        "script-src 'self'",
        "frame-ancestors 'none'",
    ] {
        assert!(policy.contains(must), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(root.headers()["x-content-type-options"], "nosniff");
    let built = root.status() == StatusCode::OK;
    let document = root.text().await.unwrap();
    assert!(document.contains("Holdfast"), "{document}");
    if built {
        assert!(!document.contains("<script>") && !document.contains("style="));
        // Any page's path is answered with the document; a file is there or not.
        let page = get("/clusters/orders?tab=jobs").await;
        assert_eq!(page.headers()["cache-control"], "no-cache");
        assert_eq!(page.text().await.unwrap(), document);
        let (_, asset) = document.split_once("src=\"/assets/").unwrap();
        let (asset, _) = asset.split_once('"').unwrap();
        let script = get(&format!("/assets/{asset}")).await;
        assert_eq!(script.status(), StatusCode::OK);
        let lasts = script.headers()["cache-control"].to_str().unwrap();
        assert!(lasts.contains("immutable"), "{lasts}");
        let tag = script.headers()["etag"].clone();
        let again = node.http.get(format!("{}/assets/{asset}", node.rest));
        let again = again.header("if-none-match", tag).send().await.unwrap();
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    }
    for missing in [
        "/assets/none.js",
        "/logo.png",
        "/api/v1/nothing",
        "/errors/none/x",
    ] {
        let answer = answer(node.http.get(format!("{}{missing}", node.rest))).await;
        answer.refused(404, "no_such_path");
    }
    let posted = answer(node.http.post(format!("{}/clusters", node.rest))).await;
    let body: Value = posted.refused(405, "method_not_allowed");
    assert_eq!(body["status"], 405);
    node.stop().await;
}
