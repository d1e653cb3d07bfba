//! `holdfast login` and `logout`.

use serde_json::json;

use super::{Context, Outcome, done, password};
use crate::cli::Login;

pub(super) async fn login(cx: &mut Context, args: Login) -> Outcome {
    let password = password(args.password_stdin, &format!("Password of {}", args.user))?;
    cx.client.login(&args.user, &password).await?;
    done(
        cx,
        &json!({ "user": args.user }),
        &format!("logged in as {}", args.user),
    )
}

pub(super) async fn logout(cx: &mut Context) -> Outcome {
    cx.client.logout().await?;
    done(cx, &json!({}), "logged out")
}
