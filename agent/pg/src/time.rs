//! PostgreSQL's clock: microseconds since 2000-01-01 00:00 UTC.

use jiff::Timestamp;

/// 2000-01-01 in microseconds since 1970-01-01.
const EPOCH_MICROSECONDS: i64 = 946_684_800_000_000;

/// The instant that PostgreSQL writes as `microseconds`; `None` when it lies
/// outside the calendar, as only damaged data does.
pub(crate) fn from_postgres(microseconds: i64) -> Option<Timestamp> {
    let unix = microseconds.checked_add(EPOCH_MICROSECONDS)?;
    Timestamp::from_microsecond(unix).ok()
}

/// `instant` as PostgreSQL writes it, cut to whole microseconds.
pub(crate) fn to_postgres(instant: Timestamp) -> i64 {
    instant.as_microsecond() - EPOCH_MICROSECONDS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_epoch_is_the_year_2000() {
        assert_eq!(
            from_postgres(0).unwrap().to_string(),
            "2000-01-01T00:00:00Z"
        );
        assert_eq!(
            to_postgres("2000-01-01T00:00:01Z".parse().unwrap()),
            1_000_000
        );
        assert_eq!(from_postgres(i64::MAX), None);
    }
}
