//! The stable codes of answers that are not what was asked for. Each has a
//! page in `docs/errors/`; codes that agents report are listed with the agent.

/// What kind of answer a code is; REST and gRPC each have their own numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Category {
    /// The request cannot be read.
    Malformed,
    /// It can be read, and asks for what is not valid.
    Invalid,
    /// Nobody is proved to be asking.
    Unauthenticated,
    /// Whoever asks may not.
    Forbidden,
    /// There is no such thing.
    NotFound,
    /// The path does not take this method.
    MethodNotAllowed,
    /// The body is of a type that is not read.
    UnsupportedMediaType,
    /// It does not fit the state of things.
    Conflict,
    /// The caller had read an older state.
    Stale,
    /// It is larger than what is read.
    TooLarge,
    /// Too many of the same.
    TooMany,
    /// Not now; later.
    Unavailable,
    /// An answer did not come in time.
    Timeout,
    /// Our fault.
    Internal,
}

/// A stable code with its category and the hint that goes with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// Stable, snake_case.
    pub name: &'static str,
    /// What kind of answer it is.
    pub category: Category,
    /// What to do next.
    pub hint: &'static str,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $const:ident = $name:literal, $category:ident, $hint:literal;)*) => {
        impl Code {
            $($(#[$doc])* pub const $const: Self = Self {
                name: $name,
                category: Category::$category,
                hint: $hint,
            };)*

            /// Every code of the control plane itself.
            pub const ALL: &[Self] = &[$(Self::$const),*];
        }
    };
}

codes! {
    /// No credentials, or none that count.
    UNAUTHENTICATED = "unauthenticated", Unauthenticated,
        "log in again, or give a valid API token as Authorization: Bearer";
    /// A browser without a login.
    NOT_LOGGED_IN = "not_logged_in", Unauthenticated,
        "log in";
    /// A wrong user or password.
    LOGIN_FAILED = "login_failed", Unauthenticated,
        "check the user name and the password";
    /// A caller without the permission.
    FORBIDDEN = "forbidden", Forbidden,
        "see your roles with `holdfast role list --mine`, and ask an administrator for one that permits it";
    /// A browser was made to send it by another site.
    CROSS_SITE = "cross_site_request", Forbidden,
        "open the console itself and do it there; a proxy in front must pass on Host and Origin";
    /// Other people must consent first.
    APPROVAL_PENDING = "approval_pending", Conflict,
        "ask others to see `holdfast approval list` and consent; it is done with the last consent";
    /// Too many failed logins.
    TOO_MANY_LOGINS = "too_many_logins", TooMany,
        "wait as long as Retry-After says, then try again";
    /// No settings say where snapshots of the state go.
    STATE_SNAPSHOTS_OFF = "state_snapshots_off", Invalid,
        "name a repository, or have them taken regularly with `holdfast snapshot schedule --repository NAME`";
    /// Nothing is at this path.
    NO_SUCH_PATH = "no_such_path", NotFound,
        "see /api/v1/openapi.json for the paths there are";
    /// A thing that does not exist.
    NOT_FOUND = "not_found", NotFound,
        "check the spelling, or list what exists";
    /// The path does not take this method.
    METHOD_NOT_ALLOWED = "method_not_allowed", MethodNotAllowed,
        "see the header Allow, or /api/v1/openapi.json";
    /// The body is not JSON.
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type", UnsupportedMediaType,
        "send JSON with Content-Type: application/json";
    /// The body, path or query cannot be read.
    MALFORMED_REQUEST = "malformed_request", Malformed,
        "correct the request; /api/v1/openapi.json describes it";
    /// A header cannot be read.
    MALFORMED_HEADER = "malformed_header", Malformed,
        "correct the header it names";
    /// The body is too large.
    BODY_TOO_LARGE = "body_too_large", TooLarge,
        "send less at once";
    /// A cursor from elsewhere.
    BAD_CURSOR = "bad_cursor", Malformed,
        "start the list again without a cursor";
    /// A field holds what is not valid.
    INVALID = "invalid", Invalid,
        "correct the field it names";
    /// A document is not valid.
    INVALID_DOCUMENT = "invalid_document", Invalid,
        "correct the field it names";
    /// Part of the contract that is not built yet.
    NOT_SUPPORTED_YET = "not_supported_yet", Invalid,
        "leave the field out; a later version supports it";
    /// A document's name or kind is not that of its URL.
    NAME_MISMATCH = "name_mismatch", Invalid,
        "give the document the name and kind of its URL";
    /// One request names a resource twice.
    DUPLICATE_DOCUMENT = "duplicate_document", Invalid,
        "name every resource once";
    /// A token that an earlier answer showed.
    SHOWN_ONCE = "shown_once", Conflict,
        "use the token of the first answer, or make another with a new Idempotency-Key";
    /// An If-Match that does not hold.
    STALE_REVISION = "stale_revision", Stale,
        "read it again and decide again";
    /// The cluster has no policy.
    NO_POLICY = "no_policy", Conflict,
        "apply a Policy whose selector selects the cluster's labels";
    /// No instance is seen as a standby.
    NO_STANDBY = "no_standby", Conflict,
        "see with `holdfast agent list` which instances answer; name a standby's instance in the Cluster, or take the backup with from: preferStandby";
    /// The cluster is not the one it was.
    FOREIGN_SYSTEM_IDENTIFIER = "foreign_system_identifier", Conflict,
        "point the cluster back at its own PostgreSQL, or give the other one a cluster of its own";
    /// Another job of this kind is under way.
    BACKUP_UNDER_WAY = "backup_under_way", Conflict,
        "wait for it to end, or cancel it";
    /// The agent has no session.
    AGENT_OFFLINE = "agent_offline", Unavailable,
        "start holdfast-agent on its host and check that it reaches the control plane";
    /// The agent did not answer in time.
    AGENT_TIMEOUT = "agent_timeout", Timeout,
        "try again; if it stays so, look at the agent's log";
    /// A credentials secret that is not what the SDKs take.
    BAD_CREDENTIALS = "bad_credentials", Conflict,
        "set the secret again: a JSON object such as {\"AWS_ACCESS_KEY_ID\": \"…\"}";
    /// A key secret that is no key.
    BAD_REPOSITORY_KEY = "bad_repository_key", Conflict,
        "set the secret again: 64 hexadecimal characters";
    /// A backup with no available state to restore from.
    NO_BACKUP = "no_backup", Conflict,
        "take a backup first";
    /// No agent of a region that a restore could be made on.
    NO_RESTORE_AGENT = "no_restore_agent", Conflict,
        "name an agent, free some room, or enrol an agent in the region";
    /// No agent that a drill could be made on.
    NO_DRILL_AGENT = "no_drill_agent", Conflict,
        "name an agent, the primary's own if it must be, or enrol one that reaches the repository";
    /// A backup that holds no dump.
    NOT_A_DUMP = "not_a_dump", Conflict,
        "restore it into a directory with restore run, or name a backup of kind logical";
    /// No leader.
    NO_LEADER = "no_leader", Unavailable,
        "try again in a moment";
    /// A result of which nothing is known.
    OUTCOME_UNKNOWN = "outcome_unknown", Unavailable,
        "repeat it with the same Idempotency-Key: it is done at most once";
    /// The request took too long.
    REQUEST_TIMEOUT = "request_timeout", Timeout,
        "try again; with an Idempotency-Key nothing is done twice";
    /// The certificate request cannot be signed.
    BAD_CERTIFICATE_REQUEST = "bad_certificate_request", Malformed,
        "send the certificate request that holdfast-agent enroll makes";
    /// Too few nodes would be left.
    NO_QUORUM_LEFT = "no_quorum_left", Conflict,
        "bring back nodes that are down, or add another one first";
    /// A node of an older release than the group needs.
    NODE_TOO_OLD = "node_too_old", Conflict,
        "install the release that the other nodes run, then join again";
    /// An agent's certificate that is not, or no longer, known.
    AGENT_UNKNOWN = "agent_unknown", Unauthenticated,
        "enrol the agent again with a new join token";
    /// The session must open with a Hello.
    PROTOCOL_VIOLATION = "protocol_violation", Malformed,
        "run an agent of a version that this control plane knows";
    /// Our fault.
    INTERNAL = "internal", Internal,
        "the node's log says more under the request id";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_have_a_hint() {
        let mut names: Vec<_> = Code::ALL.iter().map(|code| code.name).collect();
        names.sort_unstable();
        let before = names.len();
        names.dedup();
        assert_eq!(names.len(), before);
        assert!(Code::ALL.iter().all(|code| !code.hint.is_empty()));
    }
}
