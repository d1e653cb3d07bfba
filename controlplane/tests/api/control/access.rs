//! Who may call: whoever shows a token, and nobody for a certificate.

use holdfast_proto::v1::agent_service_client::AgentServiceClient;
use holdfast_proto::v1::control_service_client::ControlServiceClient;
use holdfast_proto::v1::{
    AgentMessage, AuthLoginRequest, LoginParams, RenewRequest, StatusShowRequest,
    TokenCreateRequest, TokenParams, TokenRevokeRequest,
};
use tonic::{Code, Request};

use super::dynamic::{call, fill, methods, operation};
use super::{client, refused, request, with_token};
use crate::agent::{Agent, connect};
use crate::node::Node;

/// What anybody may call: how one gets credentials.
const OPEN: [&str; 2] = ["auth_login", "auth_refresh"];

#[tokio::test]
async fn every_method_but_the_open_ones_needs_credentials() {
    let mut node = Node::start().await;
    let agent = Agent::enrol(&node, "db1").await;
    let nobody = connect(&node, None).await.unwrap();
    let certified = connect(&node, Some(agent.identity())).await.unwrap();
    let wrong = format!("{}x", node.token);
    for method in methods() {
        let (id, ..) = operation(&method);
        let ask = || fill(&method, &[]);
        let answers = [
            call(&nobody, &method, Request::new(ask())).await,
            call(&nobody, &method, with_token(&wrong, ask())).await,
            call(&nobody, &method, with_token("", ask())).await,
            // An agent's certificate is worth nothing here (I-10).
            call(&certified, &method, Request::new(ask())).await,
        ];
        for answer in answers {
            if OPEN.contains(&id.as_str()) {
                assert_eq!(answer.unwrap_err().code(), Code::InvalidArgument, "{id}");
            } else {
                refused(answer, Code::Unauthenticated, "unauthenticated");
            }
        }
    }
    node.stop().await;
}

#[tokio::test]
async fn one_logs_in_and_makes_a_token_that_works_until_it_is_revoked() {
    let mut node = Node::start().await;
    let mut client = client(&node).await;
    let log_in = |password: &str| AuthLoginRequest {
        body: Some(LoginParams {
            user: "admin".to_owned(),
            password: password.to_owned(),
        }),
    };
    let wrong = client.auth_login(log_in("not this one")).await;
    refused(wrong, Code::Unauthenticated, "login_failed");
    let login = client.auth_login(log_in(&node.password())).await.unwrap();
    let access = login.into_inner().access_token;
    let wanted = TokenCreateRequest {
        idempotency_key: None,
        body: Some(TokenParams {
            name: "ci".to_owned(),
            expires_in: None,
        }),
    };
    let made = client.token_create(with_token(&access, wanted)).await;
    let made = made.unwrap();
    assert_eq!(made.metadata().get("holdfast-rest-status").unwrap(), "201");
    let made = made.into_inner();
    let show = || with_token(&made.token, StatusShowRequest::default());
    let status = client.status_show(show()).await.unwrap().into_inner();
    assert_eq!(status.node.unwrap().name, "node-1");
    let revoke = TokenRevokeRequest {
        token: made.id.clone(),
    };
    let revoked = client.token_revoke(request(&node, revoke)).await.unwrap();
    assert_eq!(revoked.into_inner().action, "revoked");
    let ended = client.status_show(show()).await;
    refused(ended, Code::Unauthenticated, "unauthenticated");
    node.stop().await;
}

#[tokio::test]
async fn guessing_is_slowed_down_as_in_rest() {
    let mut node = Node::start().await;
    let mut client = client(&node).await;
    let guess = AuthLoginRequest {
        body: Some(LoginParams {
            user: "admin".to_owned(),
            password: "a wrong guess".to_owned(),
        }),
    };
    for _ in 0..5 {
        let answer = client.auth_login(guess.clone()).await;
        refused(answer, Code::Unauthenticated, "login_failed");
    }
    let slowed = client.auth_login(guess).await;
    let details = refused(slowed, Code::ResourceExhausted, "too_many_logins");
    let retry = details.retry_info().expect("a RetryInfo");
    assert!(retry.retry_delay.is_some_and(|delay| delay.as_secs() >= 1));
    // The same address is slowed down over REST too: it is one limit.
    let credentials = serde_json::json!({"user": "admin", "password": node.password()});
    node.post("/api/v1/auth/login", credentials)
        .await
        .refused(429, "too_many_logins");
    node.stop().await;
}

#[tokio::test]
async fn a_token_is_worth_nothing_to_the_agents_service() {
    let mut node = Node::start().await;
    let agent = Agent::enrol(&node, "db1").await;
    let channel = connect(&node, None).await.unwrap();
    let mut agents = AgentServiceClient::new(channel);
    let renew = RenewRequest::default();
    let refused = agents.renew(request(&node, renew)).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated, "{refused}");
    let nothing = tokio_stream::iter(Vec::<AgentMessage>::new());
    let refused = agents.session(request(&node, nothing)).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated, "{refused}");
    // A certificate beside a token takes nothing away from it.
    let certified = connect(&node, Some(agent.identity())).await.unwrap();
    let mut both = ControlServiceClient::new(certified);
    let asked = request(&node, StatusShowRequest::default());
    both.status_show(asked).await.unwrap();
    node.stop().await;
}
