//! `holdfast get` and `delete`: declarative resources of any kind.

use holdfast_types::Name;
use holdfast_types::resource::Kind;
use serde_json::Value;

use super::{Context, DONE, Outcome, done, promise};
use crate::failure::Failure;
use crate::format::{text, time};
use crate::output::{self, Column};

const REPOSITORIES: &[Column] = &[
    ("name", |item| text(&item["metadata"]["name"])),
    ("url", |item| text(&item["spec"]["url"])),
    ("region", |item| text(&item["spec"]["region"])),
    ("updated", |item| time(&item["status"]["updatedAt"])),
];

const FLEETS: &[Column] = &[
    ("name", |item| text(&item["metadata"]["name"])),
    ("description", |item| text(&item["spec"]["description"])),
];

const CLUSTERS: &[Column] = &[
    ("name", |item| text(&item["metadata"]["name"])),
    ("fleet", |item| match text(&item["metadata"]["fleet"]) {
        fleet if fleet.is_empty() => "default".to_owned(),
        fleet => fleet,
    }),
    ("policy", |item| text(&item["status"]["policy"])),
    ("instances", |item| {
        let instances = item["spec"]["instances"].as_array();
        let agents = instances.map(|all| all.iter().map(|one| text(&one["agent"])).collect());
        agents
            .map(|agents: Vec<_>| agents.join(", "))
            .unwrap_or_default()
    }),
    ("labels", |item| text(&item["metadata"]["labels"])),
];

const POLICIES: &[Column] = &[
    ("name", |item| text(&item["metadata"]["name"])),
    ("selector", |item| text(&item["spec"]["selector"])),
    ("rpo", |item| text(&item["spec"]["objectives"]["rpo"])),
    ("repository", |item| text(&item["spec"]["repository"])),
];

const DRILL_PLANS: &[Column] = &[
    ("name", |item| text(&item["metadata"]["name"])),
    ("selector", |item| text(&item["spec"]["selector"])),
    ("when", |item| {
        let spec = &item["spec"];
        match text(&spec["cron"]) {
            cron if cron.is_empty() => format!("every {}", text(&spec["every"])),
            cron => cron,
        }
    }),
    ("at", |item| match text(&item["spec"]["at"]) {
        at if at.is_empty() => "latest".to_owned(),
        at => at,
    }),
    ("checks", |item| {
        let checks = item["spec"]["checks"].as_array();
        checks.map_or(0, Vec::len).to_string()
    }),
];

const ROLE_BINDINGS: &[Column] = &[
    ("name", |item| text(&item["metadata"]["name"])),
    ("role", |item| text(&item["spec"]["role"])),
    ("users", |item| {
        let subjects = item["spec"]["subjects"].as_array();
        let users = subjects.map(|all| all.iter().map(|one| text(&one["user"])).collect());
        users
            .map(|users: Vec<_>| users.join(", "))
            .unwrap_or_default()
    }),
    ("scope", |item| scope(&item["spec"]["scope"])),
];

const NOTIFICATION_CHANNELS: &[Column] = &[
    ("name", |item| text(&item["metadata"]["name"])),
    ("type", |item| text(&item["spec"]["type"])),
    ("severity", |item| {
        match text(&item["spec"]["minimumSeverity"]) {
            all if all.is_empty() => "info".to_owned(),
            least => least,
        }
    }),
    ("of", |item| {
        let spec = &item["spec"];
        let of = [text(&spec["fleets"]), text(&spec["selector"])];
        match of.iter().all(String::is_empty) {
            true => "everything".to_owned(),
            false => of.join(" ").trim().to_owned(),
        }
    }),
    ("after", |item| text(&item["spec"]["after"])),
];

/// Where a role holds.
pub(super) fn scope(scope: &Value) -> String {
    if scope["fleet"].is_string() {
        return format!("fleet {}", text(&scope["fleet"]));
    }
    match text(&scope["selector"]) {
        labels if labels.is_empty() => "everything".to_owned(),
        labels => labels,
    }
}

pub(super) async fn get(
    cx: &mut Context,
    word: &str,
    name: Option<&Name>,
    effective: bool,
) -> Outcome {
    let kind = kind(word)?;
    if let (true, Some(name)) = (effective, name) {
        if kind != Kind::Cluster {
            let message = "only for a cluster a policy is in force";
            return Err(Failure::usage(
                message,
                "holdfast get cluster NAME --effective",
            ));
        }
        return promise::in_force(cx, name).await;
    }
    if let Some(name) = name {
        let body = cx
            .client
            .get(&format!("{}/{name}", kind.plural()), &[])
            .await?;
        output::value(cx.format, &body)?;
        return DONE;
    }
    let body = cx.client.list(kind.plural(), &[], None).await?;
    let columns = match kind {
        Kind::Repository => REPOSITORIES,
        Kind::Fleet => FLEETS,
        Kind::Cluster => CLUSTERS,
        Kind::Policy => POLICIES,
        Kind::DrillPlan => DRILL_PLANS,
        Kind::RoleBinding => ROLE_BINDINGS,
        Kind::NotificationChannel => NOTIFICATION_CHANNELS,
    };
    output::list(cx.format, &body, columns)?;
    DONE
}

pub(super) async fn delete(cx: &mut Context, word: &str, name: &Name) -> Outcome {
    let kind = kind(word)?;
    let path = format!("{}/{name}", kind.plural());
    let body = cx.client.delete(&path).await?;
    let singular = kind.as_str().to_lowercase();
    // A cluster with backups is kept, retired: the answer says so.
    let retired = body["action"] == "retired";
    let verb = if retired {
        "retired; its backups stay"
    } else {
        "deleted"
    };
    done(cx, &body, &format!("{singular}/{name} {verb}"))
}

fn kind(word: &str) -> Result<Kind, Failure> {
    Kind::from_word(word).ok_or_else(|| {
        let message = format!("\"{word}\" is no kind of resource");
        Failure::usage(
            message,
            "kinds are repositories, fleets, clusters, policies, drill-plans, role-bindings, \
             notification-channels",
        )
    })
}
