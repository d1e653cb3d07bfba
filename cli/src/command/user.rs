//! `holdfast user`.

use serde_json::json;

use super::{Context, DONE, Outcome, done, password};
use crate::cli::User;
use crate::format::{text, time};
use crate::output::{self, Column};

const COLUMNS: &[Column] = &[
    ("name", |item| text(&item["name"])),
    ("created", |item| time(&item["createdAt"])),
];

pub(super) async fn run(cx: &mut Context, command: User) -> Outcome {
    match command {
        User::Create {
            name,
            password_stdin,
        } => {
            let password = password(password_stdin, &format!("Password for {name}"))?;
            let body = json!({ "name": name, "password": password });
            let body = cx.client.post("users", body).await?;
            done(cx, &body, &format!("user/{name} created"))
        }
        User::List => {
            let body = cx.client.list("users", &[], None).await?;
            output::list(cx.format, &body, COLUMNS)?;
            DONE
        }
        User::Password {
            name,
            password_stdin,
        } => {
            let password = password(password_stdin, &format!("New password for {name}"))?;
            let path = format!("users/{name}/password");
            let body = cx
                .client
                .put(&path, json!({ "password": password }))
                .await?;
            done(
                cx,
                &body,
                &format!("the password of user/{name} is set; its logins have ended"),
            )
        }
        User::Delete { name } => {
            let body = cx.client.delete(&format!("users/{name}")).await?;
            done(cx, &body, &format!("user/{name} deleted"))
        }
    }
}
