//! Logging in, refreshing, tokens, users.

use reqwest::Method;
use serde_json::json;

use crate::node::{Node, answer};

#[tokio::test]
async fn a_refresh_token_is_good_once_and_its_reuse_ends_the_login() {
    let mut node = Node::start().await;
    let credentials = json!({"user": "admin", "password": node.password()});
    let first = node
        .post("/api/v1/auth/login", credentials)
        .await
        .expect(200);
    let refresh = |token: &serde_json::Value| json!({"refreshToken": token});
    let again = refresh(&first["refreshToken"]);
    let second = node
        .post("/api/v1/auth/refresh", again.clone())
        .await
        .expect(200);
    assert_ne!(first["refreshToken"], second["refreshToken"]);
    node.post("/api/v1/auth/refresh", again)
        .await
        .refused(401, "unauthenticated");
    // The thief's copy and the owner's are both worthless now.
    let owners = refresh(&second["refreshToken"]);
    node.post("/api/v1/auth/refresh", owners)
        .await
        .refused(401, "unauthenticated");
    let stolen = second["accessToken"].as_str().unwrap().to_owned();
    let request = node.http.get(format!("{}/api/v1/status", node.rest));
    answer(request.bearer_auth(stolen))
        .await
        .refused(401, "unauthenticated");
    let audit = node
        .get("/api/v1/audit?action=record_login_failure")
        .await
        .expect(200);
    let reason = audit["items"][0]["detail"].to_string();
    assert!(reason.contains("used twice"), "{reason}");
    node.stop().await;
}

#[tokio::test]
async fn guessing_passwords_is_slowed_down_and_on_record() {
    let mut node = Node::start().await;
    let guess = json!({"user": "admin", "password": "a wrong guess"});
    for _ in 0..5 {
        node.post("/api/v1/auth/login", guess.clone())
            .await
            .refused(401, "login_failed");
    }
    let slowed = node.post("/api/v1/auth/login", guess).await;
    assert!(slowed.headers.contains_key("retry-after"));
    slowed.refused(429, "too_many_logins");
    let nobody = json!({"user": "nobody", "password": "a wrong guess"});
    node.post("/api/v1/auth/login", nobody)
        .await
        .refused(401, "login_failed");
    let audit = node
        .get("/api/v1/audit?action=record_login_failure")
        .await
        .expect(200);
    assert_eq!(audit["items"].as_array().unwrap().len(), 6);
    node.stop().await;
}

#[tokio::test]
async fn logging_out_ends_the_access_token_too() {
    let mut node = Node::start().await;
    node.post("/api/v1/auth/logout", json!({}))
        .await
        .expect(200);
    node.get("/api/v1/status")
        .await
        .refused(401, "unauthenticated");
    node.stop().await;
}

#[tokio::test]
async fn an_api_token_works_until_it_is_revoked() {
    let mut node = Node::start().await;
    let made = node
        .post("/api/v1/tokens", json!({"name": "ci", "expiresIn": "1h"}))
        .await;
    let made = made.expect(201);
    let token = made["token"].as_str().unwrap().to_owned();
    assert!(token.starts_with("hft1.tok_"), "{token}");
    let listed = node.get("/api/v1/tokens").await.expect(200);
    assert_eq!(listed["items"][0]["name"], "ci");
    assert!(!listed.to_string().contains(&token));
    let call = |method: Method, path: &str| {
        node.http
            .request(method, format!("{}{path}", node.rest))
            .bearer_auth(&token)
    };
    answer(call(Method::GET, "/api/v1/status"))
        .await
        .expect(200);
    // What it does is on record under its own name.
    let secret = call(Method::PUT, "/api/v1/secrets/s").json(&json!({"value": "geheim"}));
    answer(secret).await.expect(201);
    let audit = node
        .get("/api/v1/audit?principal=token:ci")
        .await
        .expect(200);
    assert_eq!(audit["items"][0]["target"], "secrets/s");
    assert!(!audit.to_string().contains("geheim"));
    node.delete("/api/v1/tokens/ci").await.expect(200);
    answer(call(Method::GET, "/api/v1/status"))
        .await
        .refused(401, "unauthenticated");
    node.delete("/api/v1/tokens/nope")
        .await
        .refused(404, "not_found");
    node.stop().await;
}

#[tokio::test]
async fn users_come_and_go_but_the_last_stays() {
    let mut node = Node::start().await;
    let ada = json!({"name": "ada", "password": "a long password"});
    node.post("/api/v1/users", json!({"name": "ada", "password": "short"}))
        .await
        .refused(422, "invalid");
    node.post("/api/v1/users", ada.clone()).await.expect(201);
    node.post("/api/v1/users", ada)
        .await
        .refused(409, "already_exists");
    let login = json!({"user": "ada", "password": "a long password"});
    node.post("/api/v1/auth/login", login.clone())
        .await
        .expect(200);
    let changed = json!({"password": "another long one"});
    node.put("/api/v1/users/ada/password", changed)
        .await
        .expect(200);
    node.post("/api/v1/auth/login", login)
        .await
        .refused(401, "login_failed");
    node.delete("/api/v1/users/ada").await.expect(200);
    node.delete("/api/v1/users/admin")
        .await
        .refused(409, "last_user");
    node.stop().await;
}
