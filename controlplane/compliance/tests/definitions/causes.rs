//! Causes.

use holdfast_compliance::{Cause, Fact};
use holdfast_types::resource::WalMode;

use super::story::{Story, promise};

fn code(story: &Story, second: i64) -> String {
    story
        .judge(second)
        .cause
        .map_or_else(String::new, |cause| cause.to_string())
}

#[test]
fn what_is_known_to_be_wrong_is_said_and_the_most_telling_first() {
    let story = Story::protected(promise()).claim(110, "eu", 109, 30);
    assert_eq!(code(&story, 112), "");
    assert_eq!(code(&story, 130), "wal_behind");
    let troubled = story.clone().trouble(120, "eu", "connection_failed");
    assert_eq!(code(&troubled, 130), "connection_failed");
    let ended = troubled.clone().fact(
        125,
        Fact::TroubleEnded {
            repository: "eu".parse().unwrap(),
        },
    );
    assert_eq!(code(&ended, 130), "wal_behind");
    let away = troubled.fact(122, Fact::AgentLost);
    assert_eq!(code(&away, 130), "agent_offline");
    let cut = away.hole(123, (35, 50));
    assert_eq!(code(&cut, 130), "wal_gap");
}

#[test]
fn without_a_backup_the_trouble_is_the_cause_while_somebody_tells_it() {
    let story = Story::of(promise());
    assert_eq!(code(&story, 10), "no_backup");
    let troubled = story.trouble(5, "eu", "repository_unreachable");
    assert_eq!(code(&troubled, 10), "repository_unreachable");
    assert_eq!(code(&troubled.fact(6, Fact::AgentLost), 10), "no_backup");
}

#[test]
fn where_only_backups_count_one_is_overdue() {
    let mut alone = promise();
    alone.wal = WalMode::None;
    let story = Story::protected(alone);
    assert_eq!(code(&story, 128), "backup_overdue");
    assert_eq!(
        code(&story.fact(120, Fact::AgentLost), 128),
        "agent_offline"
    );
}

#[test]
fn a_cause_is_its_code() {
    let all = [
        Cause::NoPolicy,
        Cause::NoBackup,
        Cause::BackupOverdue,
        Cause::AgentOffline,
        Cause::WalGap,
        Cause::CopyBehind,
        Cause::PolicyChanged,
        Cause::WalBehind,
        Cause::Trouble("slot_lost".into()),
    ];
    for cause in all {
        let written = serde_json::to_string(&cause).unwrap();
        assert_eq!(written, format!("\"{}\"", cause.code()));
        assert_eq!(serde_json::from_str::<Cause>(&written).unwrap(), cause);
    }
}
