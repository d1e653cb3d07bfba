//! Page checksums against pg_checksums.

use std::path::{Path, PathBuf};

use holdfast_pg::exclude::relation_file;
use holdfast_pg::page::{self, PageState};
use holdfast_pg::testkit::{TestCluster, all_majors};

use crate::control::control_file;

/// All files below `directory`, relative to it, tablespaces included.
fn walk(root: &Path, below: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(root.join(below)).unwrap() {
        let path = below.join(entry.unwrap().file_name());
        if std::fs::metadata(root.join(&path)).is_ok_and(|metadata| metadata.is_dir()) {
            walk(root, &path, found);
        } else {
            found.push(path);
        }
    }
}

/// Pages seen and pages that are bad.
fn verify_all(cluster: &TestCluster) -> (u64, Vec<(PathBuf, u32)>) {
    let control = control_file(cluster);
    let (mut files, mut scanned, mut bad) = (Vec::new(), 0, Vec::new());
    walk(&cluster.data_dir(), Path::new(""), &mut files);
    for path in files {
        let Some(file) = relation_file(&path) else {
            continue;
        };
        let bytes = std::fs::read(cluster.data_dir().join(&path)).unwrap();
        let first = file.first_block(control.blocks_per_segment).unwrap();
        for (block, page) in (first..).zip(bytes.chunks_exact(page::DEFAULT_PAGE_SIZE)) {
            scanned += 1;
            if let PageState::Bad { .. } = page::verify(page, block) {
                bad.push((path.clone(), block));
            }
        }
    }
    (scanned, bad)
}

fn pg_checksums(cluster: &TestCluster) -> (u64, u64) {
    let output = cluster
        .program("pg_checksums")
        .args(["--check", "-D"])
        .arg(cluster.data_dir())
        .output()
        .unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    let count = |key: &str| {
        let line = shown.lines().find_map(|line| line.strip_prefix(key));
        line.unwrap_or_else(|| panic!("{shown}"))
            .trim()
            .parse()
            .unwrap()
    };
    (count("Blocks scanned: "), count("Bad checksums:  "))
}

// Pitfall 10
#[test]
fn every_page_has_the_checksum_that_we_compute() {
    for programs in all_majors() {
        let mut builder = TestCluster::builder(&programs);
        // 18 has them unless told otherwise.
        if programs.major() < 18 {
            builder = builder.initdb("--data-checksums");
        }
        let cluster = builder.start();
        cluster.pgbench(&["-i", "-q", "-s", "2"]);
        cluster.pgbench(&["-n", "-t", "200"]);
        cluster.psql("CREATE INDEX ON pgbench_accounts USING gin ((ARRAY[abalance]))\nVACUUM");
        let path = cluster.psql("SELECT pg_relation_filepath('pgbench_accounts')");
        cluster.stop("fast");
        // A second segment, where pages count on from the first.
        let data = std::fs::read(cluster.data_dir().join(&path)).unwrap();
        let mut page = data[..page::DEFAULT_PAGE_SIZE].to_vec();
        let sum = page::checksum(&page, 131_072);
        page[8..10].copy_from_slice(&sum.to_le_bytes());
        std::fs::write(cluster.data_dir().join(format!("{path}.1")), &page).unwrap();
        let make_ours = |path: &Path| {
            let user = cluster.run_as();
            std::os::unix::fs::chown(path, Some(user.uid()), Some(user.gid())).unwrap();
        };
        make_ours(&cluster.data_dir().join(format!("{path}.1")));

        let (scanned, bad) = verify_all(&cluster);
        assert_eq!(bad, [], "PostgreSQL {}", programs.version());
        assert_eq!((scanned, 0), pg_checksums(&cluster));
        assert!(scanned > 3000);
        let mut damaged = data;
        damaged[3 * page::DEFAULT_PAGE_SIZE + 5000] ^= 1;
        std::fs::write(cluster.data_dir().join(&path), damaged).unwrap();
        assert_eq!(verify_all(&cluster).1, [(PathBuf::from(path), 3)]);
        assert_eq!(pg_checksums(&cluster).1, 1);
    }
}

#[test]
fn checksums_are_fast() {
    let page = vec![7u8; page::DEFAULT_PAGE_SIZE];
    let started = std::time::Instant::now();
    let rounds = 20_000;
    let sum = (0..rounds).fold(0u32, |sum, block| {
        sum ^ u32::from(page::checksum(std::hint::black_box(&page), block))
    });
    let seconds = started.elapsed().as_secs_f64();
    let rate = f64::from(rounds) * 8192.0 / seconds / 1e6;
    eprintln!("page checksums: {rate:.0} MB/s ({sum})");
    // Far below any disk would be a mistake in the code.
    assert!(rate > 200.0, "{rate} MB/s");
}
