//! Finding and running PostgreSQL's programs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use holdfast_pg::binaries::{Programs, RunAs};
use holdfast_pg::instance::{Instance, StartOptions, StopMode};
use holdfast_pg::testkit::{TestCluster, major, must_run};

const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn programs_are_found_by_version() {
    let eighteen = major(18);
    let configured = [PathBuf::from("/nowhere"), eighteen.directory().to_owned()];
    assert_eq!(Programs::find(18, &configured).unwrap(), eighteen);
    let fifteen = Programs::find(15, &[major(15).directory().to_owned()]).unwrap();
    assert!(fifteen.version().starts_with("15."));
    let error = Programs::find(9, &configured).unwrap_err();
    assert_eq!(error.code(), "pg_programs_not_found");
    assert!(error.to_string().contains("/nowhere"), "{error}");
    assert!(Programs::all(&configured).contains(&eighteen));
}

// Pitfall 30
#[test]
fn programs_run_as_the_owner_with_its_groups() {
    let cluster = TestCluster::without_data(&major(15));
    let user = RunAs::owner_of(cluster.root()).unwrap();
    assert_eq!(
        RunAs::for_new(&cluster.root().join("a/b/c")).unwrap().uid(),
        user.uid()
    );
    let ids = must_run(user.command(Path::new("id")).arg("-u"));
    assert_eq!(ids.trim(), user.uid().to_string());
    let name = must_run(user.command(Path::new("id")).arg("-un"));
    let expected = must_run(std::process::Command::new("id").args(["-G", name.trim()]));
    let groups = must_run(user.command(Path::new("id")).arg("-G"));
    assert_eq!(groups.trim(), expected.trim(), "supplementary groups hold");
    if rustix::process::geteuid().is_root() {
        let ours = tempfile::tempdir().unwrap();
        let error = RunAs::owner_of(ours.path()).unwrap_err();
        assert_eq!(error.code(), "pg_directory_owned_by_root");
        assert!(error.hint().contains("chown"), "{}", error.hint());
    }
    assert_eq!(
        RunAs::owner_of(Path::new("/nowhere")).unwrap_err().code(),
        "pg_path_unreadable"
    );
}

#[tokio::test]
async fn an_instance_starts_stops_and_tells_why_it_does_not() {
    for programs in [major(15), major(18)] {
        let cluster = TestCluster::builder(&programs).start();
        let instance = Instance::new(programs.clone(), cluster.data_dir());
        let running = instance.running().unwrap().expect("it runs");
        assert_eq!(
            (running.port, running.status.as_str()),
            (Some(cluster.port()), "ready")
        );
        instance.stop(StopMode::Fast, PATIENCE).await.unwrap();
        assert_eq!(instance.running().unwrap(), None);
        instance.stop(StopMode::Fast, PATIENCE).await.unwrap();

        let mut options = StartOptions {
            log: cluster.root().join("second log"),
            settings: vec![
                ("port".to_owned(), cluster.port().to_string()),
                (
                    "unix_socket_directories".to_owned(),
                    cluster.root().display().to_string(),
                ),
                (
                    "cluster_name".to_owned(),
                    "it's a \"copy\" $HOME".to_owned(),
                ),
            ],
            timeout: PATIENCE,
        };
        instance.start(&options).await.unwrap();
        assert_eq!(cluster.psql("SHOW cluster_name"), "it's a \"copy\" $HOME");
        // A crash leaves postmaster.pid behind; it does not count as running.
        let pid = i32::try_from(instance.running().unwrap().unwrap().pid).unwrap();
        let postmaster = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(postmaster, rustix::process::Signal::KILL).unwrap();
        super::until("the postmaster to be gone", || {
            instance.running().unwrap().is_none()
        });
        assert!(cluster.data_dir().join("postmaster.pid").exists());

        options
            .settings
            .push(("shared_buffers".to_owned(), "no number".to_owned()));
        let error = instance.start(&options).await.unwrap_err();
        assert_eq!(error.code(), "pg_control_failed");
        assert!(error.hint().contains("shared_buffers"), "{}", error.hint());
        options.settings.pop();
        instance.start(&options).await.unwrap();
        let facts = cluster.psql("SELECT pg_is_in_recovery()");
        assert_eq!(facts, "f");
        instance.stop(StopMode::Immediate, PATIENCE).await.unwrap();
    }
}

#[tokio::test]
async fn an_instance_is_promoted() {
    let primary = TestCluster::builder(&major(18)).start();
    let standby = primary.standby(None);
    let instance = Instance::new(standby.programs().clone(), standby.data_dir());
    assert_eq!(standby.psql("SELECT pg_is_in_recovery()"), "t");
    instance.reload().await.unwrap();
    instance.promote(PATIENCE).await.unwrap();
    assert_eq!(standby.psql("SELECT pg_is_in_recovery()"), "f");
    // A primary is not promoted twice.
    assert_eq!(
        instance.promote(PATIENCE).await.unwrap_err().code(),
        "pg_control_failed"
    );
}
