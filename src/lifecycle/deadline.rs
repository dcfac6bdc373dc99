//! When a request must have its answer.

use std::time::{Duration, Instant};

/// The deadline of a request: the model's own limit from the moment its body was there, or what the caller asks for from
/// the moment it began to ask, whichever is earlier. A body that travels slowly does not use the model's time up.
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
