//! The deadline of a request.

use std::time::{Duration, Instant};

/// Returns the deadline of a request: the earlier of the model's time limit, counted from when the body was read, and
/// the timeout that the client asked for, counted from when the request arrived. A slow upload does not use up the
/// model's time limit.
pub fn request_deadline(arrived: Instant, asked: Option<Duration>, read: Instant, limit: Duration) -> Instant {
    let own = read + limit;
    asked.map_or(own, |asked| own.min(arrived + asked))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earlier_of_limit_and_wish_counts() {
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        assert_eq!(request_deadline(now, None, now, second), now + second);
        assert_eq!(request_deadline(now, Some(second / 2), now, second), now + second / 2);
        assert_eq!(request_deadline(now, Some(second * 9), now, second), now + second);
        assert_eq!(
            request_deadline(now, None, now + second * 3, second),
            now + second * 4,
            "a slow body is not the model's affair"
        );
        assert_eq!(request_deadline(now, Some(second * 2), now + second * 3, second), now + second * 2);
    }
}
