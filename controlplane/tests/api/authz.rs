//! Who may do what: every operation of the OpenAPI document is called with every
//! role, and what belongs to clusters is shown and done only in scope.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Method;
use serde_json::{Value, json};

use crate::agent::Agent;
use crate::node::{Answer, Node, answer, cluster, policy, repository};

const PASSWORD: &str = "a long password";
const ROLES: [&str; 4] = ["viewer", "operator", "approver", "administrator"];

/// Somebody who is logged in.
pub struct Person {
    rest: String,
    http: reqwest::Client,
    pub token: String,
}

impl Person {
    /// An API token of this name, which acts for the user.
    pub async fn with_token(&self, name: &str) -> Self {
        let made = self.post("/api/v1/tokens", json!({"name": name})).await;
        let made = made.expect(201);
        Self {
            rest: self.rest.clone(),
            http: self.http.clone(),
            token: made["token"].as_str().unwrap().to_owned(),
        }
    }

    /// A user of this name with roles: each with its scope.
    pub async fn with(node: &Node, name: &str, roles: &[(&str, Value)]) -> Self {
        let user = json!({"name": name, "password": PASSWORD});
        node.post("/api/v1/users", user).await.expect(201);
        for (role, scope) in roles {
            let binding = json!({"apiVersion": "holdfast/v1", "kind": "RoleBinding",
                "metadata": {"name": format!("{name}-{role}")},
                "spec": {"role": role, "subjects": [{"user": name}], "scope": scope}});
            node.apply(json!([binding])).await.expect(200);
        }
        let login = json!({"user": name, "password": PASSWORD});
        let login = node.post("/api/v1/auth/login", login).await.expect(200);
        Self {
            rest: node.rest.clone(),
            http: node.http.clone(),
            token: login["accessToken"].as_str().unwrap().to_owned(),
        }
    }

    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let url = format!("{}{path}", self.rest);
        self.http.request(method, url).bearer_auth(&self.token)
    }

    pub async fn get(&self, path: &str) -> Answer {
        answer(self.request(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        answer(self.request(Method::POST, path).json(&body)).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        answer(self.request(Method::PUT, path).json(&body)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        answer(self.request(Method::DELETE, path)).await
    }

    pub async fn apply(&self, documents: Value) -> Answer {
        self.post("/api/v1/apply", json!({"documents": documents}))
            .await
    }
}

pub fn everything() -> Value {
    json!({"selector": {}})
}

/// An operation as the document describes it.
struct Operation {
    id: String,
    method: Method,
    path: String,
    permission: Option<String>,
    reach: String,
    open: bool,
}

fn operations(document: &Value) -> Vec<Operation> {
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let text = |name: &str| operation[name].as_str().map(str::to_owned);
            let access = |name: &str| {
                let said = operation["x-holdfast-access"][name].as_str();
                said.map(str::to_owned)
            };
            let filled = path
                .split('/')
                .map(|part| if part.starts_with('{') { "x" } else { part });
            operations.push(Operation {
                id: text("operationId").unwrap(),
                method: method.to_uppercase().parse().unwrap(),
                path: filled.collect::<Vec<_>>().join("/"),
                permission: access("permission"),
                reach: access("reach").unwrap_or_default(),
                open: !operation["security"].is_null(),
            });
        }
    }
    operations
}

/// What whoever is logged in may call, whatever its roles.
const ANYBODY: [&str; 7] = [
    "access_show",
    "auth_logout",
    "openapi_show",
    "report_key_list",
    "role_list",
    "role_show",
    "token_create",
];
/// What is refused by whose it is, and not by the operation.
const OWN: [&str; 6] = [
    "approval_cancel",
    "approval_list",
    "approval_show",
    "token_list",
    "token_revoke",
    "user_password_set",
];

#[tokio::test]
async fn every_operation_asks_for_its_permission() {
    let mut node = Node::start().await;
    let document = node.get("/api/v1/openapi.json").await.expect(200);
    let operations = operations(&document);
    let permits = permissions(&node).await;
    let mut people = BTreeMap::from([("nobody", Person::with(&node, "nobody", &[]).await)]);
    for role in ROLES {
        let person = Person::with(&node, role, &[(role, everything())]).await;
        people.insert(role, person);
    }
    let (mut anybody, mut own) = (BTreeSet::new(), BTreeSet::new());
    for operation in operations.iter().filter(|operation| !operation.open) {
        let id = operation.id.as_str();
        match (&operation.permission, operation.reach.as_str()) {
            (None, _) => drop(anybody.insert(id)),
            (Some(_), "own") => drop(own.insert(id)),
            (Some(permission), reach) => {
                assert!(["everything", "scope"].contains(&reach), "{id}: {reach}");
                for (role, person) in &people {
                    let may = permits
                        .get(*role)
                        .is_some_and(|permits| permits.contains(permission));
                    check(person, operation, (role, may)).await;
                }
            }
        }
    }
    assert_eq!(anybody, BTreeSet::from(ANYBODY));
    assert_eq!(own, BTreeSet::from(OWN));
    node.stop().await;
}

async fn permissions(node: &Node) -> BTreeMap<String, BTreeSet<String>> {
    let roles = node.get("/api/v1/roles").await.expect(200);
    let roles = roles["items"].as_array().unwrap().clone();
    let named = roles.into_iter().map(|role| {
        let name = role["name"].as_str().unwrap().to_owned();
        let permissions = role["permissions"].as_array().unwrap().iter();
        let words = permissions.map(|word| word.as_str().unwrap().to_owned());
        (name, words.collect())
    });
    let named: BTreeMap<String, BTreeSet<String>> = named.collect();
    let names: Vec<&str> = named.keys().map(String::as_str).collect();
    assert_eq!(names, ["administrator", "approver", "operator", "viewer"]);
    named
}

async fn check(person: &Person, operation: &Operation, (role, may): (&str, bool)) {
    let Operation {
        id, method, path, ..
    } = operation;
    let request = person.request(method.clone(), path);
    let request = request
        .header("content-type", "application/json")
        .body("{}");
    let sent = request.send().await.unwrap();
    let status = sent.status().as_u16();
    if may {
        // Events go on for ever: their body is not waited for.
        assert_ne!(status, 403, "{role} may {id}");
        assert_ne!(status, 401, "{role} may {id}");
        return;
    }
    assert_eq!(status, 403, "{role} may not {id}");
    let body: Value = sent.json().await.unwrap();
    assert_eq!(body["code"], "forbidden", "{id}: {body}");
    let permission = operation.permission.as_deref().unwrap();
    let message = body["message"].as_str().unwrap();
    assert!(message.contains(permission), "{id}: {message}");
}

#[tokio::test]
async fn what_is_ones_own_needs_no_role() {
    let mut node = Node::start().await;
    let ada = Person::with(&node, "ada", &[]).await;
    let bob = Person::with(&node, "bob", &[]).await;
    let token = ada.with_token("ci").await;
    let tokens = |listed: Value| listed["items"].as_array().unwrap().len();
    assert_eq!(tokens(ada.get("/api/v1/tokens").await.expect(200)), 1);
    assert_eq!(tokens(bob.get("/api/v1/tokens").await.expect(200)), 0);
    assert_eq!(tokens(node.get("/api/v1/tokens").await.expect(200)), 1);
    bob.delete("/api/v1/tokens/ci")
        .await
        .refused(404, "not_found");
    let password = json!({"password": "another long one"});
    // With a token nobody becomes the person.
    token
        .put("/api/v1/users/ada/password", password.clone())
        .await
        .refused(403, "forbidden");
    ada.delete("/api/v1/tokens/ci").await.expect(200);
    bob.put("/api/v1/users/ada/password", password.clone())
        .await
        .refused(403, "forbidden");
    ada.put("/api/v1/users/ada/password", password)
        .await
        .expect(200);
    let me = bob.get("/api/v1/access/me").await.expect(200);
    assert_eq!((&me["user"], &me["roles"]), (&json!("bob"), &json!([])));
    let admin = node.get("/api/v1/access/me").await.expect(200);
    assert_eq!(admin["roles"][0]["role"], "administrator");
    assert_eq!(admin["roles"][0]["selector"], json!({}));
    node.stop().await;
}

pub fn in_fleet(name: &str, fleet: &str, agent: &str) -> Value {
    let mut document = cluster(agent);
    document["metadata"] = json!({"name": name, "fleet": fleet, "labels": {"tier": "gold"}});
    document
}

fn fleet(name: &str) -> Value {
    json!({"apiVersion": "holdfast/v1", "kind": "Fleet", "metadata": {"name": name}})
}

/// Clusters `orders` of `payments` on `db1` and `shop` of `web` on `db2`, and a
/// spare agent.
pub async fn two_fleets() -> Node {
    let node = Node::start().await;
    for agent in ["db1", "db2", "spare"] {
        drop(Agent::enrol(&node, agent).await);
    }
    let mut foreign = repository();
    foreign["metadata"]["name"] = json!("foreign");
    foreign["spec"]["url"] = json!("file:///srv/foreign");
    node.apply(json!([
        repository(),
        foreign,
        policy(),
        fleet("payments"),
        fleet("web"),
        in_fleet("orders", "payments", "db1"),
        in_fleet("shop", "web", "db2"),
    ]))
    .await
    .expect(200);
    node
}

fn names(list: &Value, field: &str) -> Vec<String> {
    let items = list["items"].as_array().unwrap().iter();
    let name = |item: &Value| match field {
        "metadata" => item["metadata"]["name"].clone(),
        field => item[field].clone(),
    };
    items
        .map(|item| name(item).as_str().unwrap().to_owned())
        .collect()
}

async fn lists_show_the_scope_alone(node: &Node, ada: &Person) {
    for (path, field, seen) in [
        ("/api/v1/clusters", "metadata", vec!["orders"]),
        ("/api/v1/fleets", "metadata", vec!["payments"]),
        ("/api/v1/policies", "metadata", vec!["gold"]),
        ("/api/v1/exposure", "cluster", vec!["orders"]),
        ("/api/v1/jobs", "cluster", vec!["orders"]),
        ("/api/v1/agents", "name", vec!["db1", "spare"]),
    ] {
        let listed = ada.get(path).await.expect(200);
        assert_eq!(names(&listed, field), seen, "{path}");
        let all = node.get(path).await.expect(200);
        let more = names(&all, field).len();
        assert!(more > seen.len() || path.ends_with("policies"), "{path}");
    }
    let status = ada.get("/api/v1/status").await.expect(200);
    assert_eq!(status["counts"]["clusters"], 1);
    assert_eq!(status["counts"]["jobs"]["queued"], 1);
}

#[tokio::test]
async fn a_scope_is_all_that_is_seen_and_touched() {
    let mut node = two_fleets().await;
    let job = |cluster: &str| format!("/api/v1/clusters/{cluster}/backups");
    let full = json!({"kind": "full"});
    let foreign = node.post(&job("shop"), full.clone()).await.expect(202);
    let foreign = format!("/api/v1/jobs/{}", foreign["job"].as_str().unwrap());

    let scope = json!({"fleet": "payments"});
    let ada = Person::with(&node, "ada", &[("operator", scope)]).await;
    let own = ada.post(&job("orders"), full.clone()).await.expect(202);
    let own = format!("/api/v1/jobs/{}", own["job"].as_str().unwrap());

    lists_show_the_scope_alone(&node, &ada).await;
    // What is not seen is not there.
    for path in [
        "/api/v1/clusters/shop",
        "/api/v1/clusters/shop/coverage",
        "/api/v1/clusters/shop/expiry",
        "/api/v1/clusters/shop/policy",
        "/api/v1/clusters/shop/recoverability",
        "/api/v1/clusters/shop/schedule",
        "/api/v1/exposure?cluster=shop",
        "/api/v1/fleets/web",
        "/api/v1/agents/db2",
        &foreign,
        &format!("{foreign}/logs"),
    ] {
        ada.get(path).await.refused(404, "not_found");
        node.get(path).await.expect(200);
    }
    ada.get(&own).await.expect(200);
    ada.post(&job("shop"), full).await.refused(404, "not_found");
    ada.post("/api/v1/clusters/shop/drills", json!({}))
        .await
        .refused(404, "not_found");
    let beside = json!({"agent": "db2"});
    ada.post("/api/v1/clusters/orders/drills", beside)
        .await
        .refused(404, "not_found");
    let from = json!({"repository": "foreign"});
    ada.post("/api/v1/clusters/orders/drills", from)
        .await
        .refused(403, "forbidden");
    ada.post(&format!("{foreign}/cancel"), json!({}))
        .await
        .refused(404, "not_found");
    ada.delete("/api/v1/clusters/shop")
        .await
        .refused(404, "not_found");
    let restore = |cluster: &str, agent: &str| json!({"cluster": cluster, "at": "latest", "agent": agent, "dir": "/srv/r"});
    for path in ["/api/v1/restores", "/api/v1/restores/plan"] {
        for (cluster, agent) in [("shop", "db1"), ("orders", "db2")] {
            let refused = ada.post(path, restore(cluster, agent)).await;
            refused.refused(404, "not_found");
        }
        // Whoever reads a repository is given its keys.
        let mut elsewhere = restore("orders", "spare");
        elsewhere["repository"] = json!("foreign");
        ada.post(path, elsewhere.clone())
            .await
            .refused(403, "forbidden");
        elsewhere["repository"] = json!("eu");
        ada.post(path, elsewhere)
            .await
            .refused(503, "agent_offline");
        // The spare one is anybody's; it has no session here.
        let mine = ada.post(path, restore("orders", "spare")).await;
        mine.refused(503, "agent_offline");
    }
    node.stop().await;
}

#[tokio::test]
async fn documents_are_written_only_in_scope() {
    let mut node = two_fleets().await;
    let scope = json!({"fleet": "payments"});
    let ada = Person::with(&node, "ada", &[("operator", scope)]).await;
    let put = |document: &Value| {
        let name = document["metadata"]["name"].as_str().unwrap();
        format!("/api/v1/clusters/{name}")
    };
    let own = in_fleet("orders", "payments", "spare");
    ada.put(&put(&own), own.clone()).await.expect(200);
    let new = in_fleet("billing", "payments", "db1");
    ada.apply(json!([new])).await.expect(200);
    for (foreign, code) in [
        // Into the scope, out of it, beside it, and on a host of others.
        (in_fleet("shop", "payments", "db1"), (403, "forbidden")),
        (in_fleet("orders", "web", "db1"), (403, "forbidden")),
        (in_fleet("more", "web", "spare"), (403, "forbidden")),
        (in_fleet("more", "payments", "db2"), (404, "not_found")),
    ] {
        let refused = ada.apply(json!([foreign])).await;
        refused.refused(code.0, code.1);
        let refused = ada.put(&put(&foreign), foreign.clone()).await;
        refused.refused(code.0, code.1);
    }
    // All or none, rehearsed or not, and what belongs to no cluster is nobody's
    // who has not everything.
    for document in [policy(), repository(), fleet("more")] {
        let documents = json!([in_fleet("orders", "payments", "db1"), document]);
        let dry = json!({"documents": documents, "dryRun": true});
        ada.post("/api/v1/apply", dry)
            .await
            .refused(403, "forbidden");
        ada.apply(documents).await.refused(403, "forbidden");
    }
    let shown = node.get("/api/v1/clusters/orders").await.expect(200);
    assert_eq!(shown["spec"]["instances"][0]["agent"], "spare");
    // Nobody gives himself a role.
    let binding = json!({"apiVersion": "holdfast/v1", "kind": "RoleBinding",
        "metadata": {"name": "more"},
        "spec": {"role": "administrator", "subjects": [{"user": "ada"}], "scope": everything()}});
    ada.apply(json!([binding])).await.refused(403, "forbidden");
    // A role counts at once, and ends at once.
    let listed = "/api/v1/audit";
    ada.get(listed).await.refused(403, "forbidden");
    let mut viewer = binding.clone();
    viewer["spec"]["role"] = json!("viewer");
    node.apply(json!([viewer])).await.expect(200);
    ada.get(listed).await.expect(200);
    node.delete("/api/v1/role-bindings/more").await.expect(200);
    ada.get(listed).await.refused(403, "forbidden");
    node.stop().await;
}

#[tokio::test]
async fn roles_of_ones_own_come_later() {
    let mut node = Node::start().await;
    let role = json!({"apiVersion": "holdfast/v1", "kind": "Role",
        "metadata": {"name": "auditor"}, "spec": {"permissions": ["audit:read"]}});
    node.apply(json!([role]))
        .await
        .refused(422, "not_supported_yet");
    node.put("/api/v1/roles/auditor", role)
        .await
        .refused(422, "not_supported_yet");
    node.delete("/api/v1/roles/viewer")
        .await
        .refused(422, "not_supported_yet");
    node.get("/api/v1/roles/viewer").await.expect(200);
    node.get("/api/v1/roles/auditor")
        .await
        .refused(404, "not_found");
    let shown = node.get("/api/v1/role-bindings/administrators").await;
    let shown = shown.expect(200);
    assert_eq!(shown["spec"]["subjects"], json!([{"user": "admin"}]));
    node.delete("/api/v1/role-bindings/administrators")
        .await
        .refused(409, "last_administrator");
    node.stop().await;
}

/// What one may see as a node knows it one does not change by what it knows.
#[tokio::test]
async fn only_reads_are_stale() {
    let mut node = Node::start().await;
    let ada = Person::with(&node, "ada", &[("operator", everything())]).await;
    ada.get("/api/v1/clusters?consistency=stale")
        .await
        .expect(200);
    for (method, path) in [
        (Method::PUT, "/api/v1/fleets/more"),
        (Method::POST, "/api/v1/apply"),
        (Method::DELETE, "/api/v1/fleets/more"),
    ] {
        let stale = format!("{path}?consistency=stale");
        let request = ada.request(method, &stale).json(&fleet("more"));
        answer(request).await.refused(400, "malformed_request");
    }
    ada.get("/api/v1/fleets/more")
        .await
        .refused(404, "not_found");
    node.stop().await;
}

/// The same rights by gRPC: it is the same door.
#[tokio::test]
async fn a_viewer_writes_nothing_by_grpc_either() {
    use crate::control::{apply, client, refused, with_token};
    use tonic::Code::PermissionDenied;

    let mut node = Node::start().await;
    let ada = Person::with(&node, "ada", &[("viewer", everything())]).await;
    let ade = Person::with(&node, "ade", &[("operator", everything())]).await;
    let mut client = client(&node).await;
    let documents = [fleet("more")];
    let by = |person: &Person| with_token(&person.token, apply(&documents));
    let dry = |person: &Person| {
        let mut request = apply(&documents);
        request.body.as_mut().unwrap().dry_run = Some(true);
        with_token(&person.token, request)
    };
    for request in [by(&ada), dry(&ada)] {
        let answer = client.apply(request).await;
        refused(answer, PermissionDenied, "forbidden");
    }
    let job = holdfast_types::JobId::from_uuid(uuid::Uuid::now_v7());
    let cancel = holdfast_proto::v1::JobCancelRequest {
        id: job.to_string(),
        ..Default::default()
    };
    let answer = client.job_cancel(with_token(&ada.token, cancel)).await;
    refused(answer, PermissionDenied, "forbidden");
    let backup = holdfast_proto::v1::BackupDeleteRequest {
        id: holdfast_types::BackupId::from_uuid(uuid::Uuid::now_v7()).to_string(),
        ..Default::default()
    };
    let answer = client.backup_delete(with_token(&ada.token, backup)).await;
    refused(answer, PermissionDenied, "forbidden");
    client.apply(by(&ade)).await.unwrap();
    ada.get("/api/v1/fleets/more").await.expect(200);
    node.stop().await;
}

/// A token may do what its user may, and no more.
#[tokio::test]
async fn a_token_has_the_roles_of_its_user() {
    let mut node = Node::start().await;
    let ada = Person::with(&node, "ada", &[("viewer", everything())]).await;
    let token = ada.with_token("ci").await;
    token.get("/api/v1/clusters").await.expect(200);
    token
        .apply(json!([fleet("more")]))
        .await
        .refused(403, "forbidden");
    let me = token.get("/api/v1/access/me").await.expect(200);
    assert_eq!(
        (&me["principal"], &me["user"]),
        (&json!("token:ci"), &json!("ada"))
    );
    // It is older than what its user may now, and that is what counts.
    node.delete("/api/v1/role-bindings/ada-viewer")
        .await
        .expect(200);
    token
        .get("/api/v1/clusters")
        .await
        .refused(403, "forbidden");
    // A token of somebody who may makes no one more than it is.
    let user = json!({"name": "zoe", "password": PASSWORD});
    token
        .post("/api/v1/users", user)
        .await
        .refused(403, "forbidden");
    node.stop().await;
}
