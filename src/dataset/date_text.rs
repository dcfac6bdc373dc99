//! Dates and times as text, the same in Parquet and Feather.

use chrono::{DateTime, Utc};

/// Days since 1970.
pub(super) fn date(days: i32) -> Result<String, &'static str> {
    text(DateTime::from_timestamp(i64::from(days) * 24 * 60 * 60, 0), "%Y-%m-%d")
}

/// Milliseconds since 1970.
pub(super) fn milliseconds(value: i64) -> Result<String, &'static str> {
    text(DateTime::from_timestamp_millis(value), "%Y-%m-%d %H:%M:%S%.3f %:z")
}

/// Microseconds since 1970.
pub(super) fn microseconds(value: i64) -> Result<String, &'static str> {
    text(DateTime::from_timestamp_micros(value), "%Y-%m-%d %H:%M:%S%.6f %:z")
}

/// Nanoseconds since 1970.
pub(super) fn nanoseconds(value: i64) -> Result<String, &'static str> {
    text(Some(DateTime::from_timestamp_nanos(value)), "%Y-%m-%d %H:%M:%S%.9f %:z")
}

fn text(time: Option<DateTime<Utc>>, format: &str) -> Result<String, &'static str> {
    time.map(|time| time.format(format).to_string()).ok_or("a date outside the range of dates")
}

/// The time since midnight, in units of 10 to the power of minus `digits` seconds.
pub(super) fn time_of_day(value: i64, digits: u32) -> Result<String, &'static str> {
    let unit = 10_i64.pow(digits);
    let seconds = value / unit;
    if value < 0 || seconds >= 24 * 60 * 60 {
        return Err("a time outside the day");
    }
    let (hours, minutes, whole) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    Ok(format!("{hours:02}:{minutes:02}:{whole:02}.{:01$}", value % unit, digits as usize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_the_digits_of_their_unit() {
        assert_eq!(date(-1).as_deref(), Ok("1969-12-31"));
        assert_eq!(milliseconds(1).as_deref(), Ok("1970-01-01 00:00:00.001 +00:00"));
        assert_eq!(microseconds(-1).as_deref(), Ok("1969-12-31 23:59:59.999999 +00:00"));
        assert_eq!(nanoseconds(1_000_000_007).as_deref(), Ok("1970-01-01 00:00:01.000000007 +00:00"));
        assert_eq!(time_of_day(86_399_999, 3).as_deref(), Ok("23:59:59.999"));
        assert_eq!(time_of_day(3_600_000_000_005, 9).as_deref(), Ok("01:00:00.000000005"));
        assert_eq!(time_of_day(86_400_000, 3), Err("a time outside the day"));
        assert_eq!(milliseconds(i64::MAX), Err("a date outside the range of dates"));
    }
}
