//! Users.

use holdfast_state::command::{CreateUser, DeleteUser, SetPassword};
use holdfast_state::query::{self, Page, PageRequest, UserView};
use holdfast_types::access::Permission;
use holdfast_types::{Name, Revision, Secret, UserId};
use uuid::Uuid;

use super::App;
use super::caller::Caller;
use super::error::{AppError, Result};

/// The shortest password; longer beats stranger (NIST SP 800-63B).
const SHORTEST: usize = 10;
/// The longest: argon2 reads it all.
const LONGEST: usize = 1024;

impl App {
    /// Every user.
    pub async fn users(&self, by: &Caller, page: &PageRequest) -> Result<Page<UserView>> {
        Ok(query::users(self.read(by).await?.connection(), page).await?)
    }

    /// Creates a user.
    pub async fn create_user(&self, by: &Caller, name: Name, password: Secret) -> Result<Revision> {
        let password = self.hash(password).await?;
        let user = UserId::from_uuid(Uuid::now_v7());
        let command = CreateUser {
            user,
            name,
            password,
        };
        self.propose(by, command).await
    }

    /// Sets a user's password. The user's other logins end.
    ///
    /// One's own only when logged in: with a token alone nobody becomes the person
    /// that it acts for, who may consent to what tokens may not.
    pub async fn set_password(&self, by: &Caller, name: Name, password: Secret) -> Result<()> {
        if *by.user().1 != name || by.session().is_none() {
            let view = self.node.read().await?;
            self.demand(&view, by, Permission::UsersWrite).await?;
        }
        let keep_session = by.session().filter(|_| *by.user().1 == name);
        let password = self.hash(password).await?;
        let command = SetPassword {
            name,
            password,
            keep_session,
        };
        self.propose(by, command).await.map(|_: Revision| ())
    }

    /// Deletes a user, with its logins and tokens.
    pub async fn delete_user(&self, by: &Caller, name: Name) -> Result<()> {
        self.propose(by, DeleteUser { name }).await
    }

    async fn hash(&self, password: Secret) -> Result<holdfast_state::PasswordHash> {
        let length = password.expose().chars().count();
        if !(SHORTEST..=LONGEST).contains(&length) {
            let message = format!("a password has {SHORTEST} to {LONGEST} characters");
            return Err(AppError::invalid("password", message));
        }
        let hash = self.passwords.hash(password).await;
        hash.ok_or_else(|| AppError::failed("a password could not be hashed"))
    }
}
