//! Refuses a connection: sends a problem response at once and closes the connection.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpStream},
};

use super::budget::CONNECTION_BYTES;
use crate::{domain::error_code::ErrorCode, telemetry::RefusedConnection};

/// Sends an HTTP/1 client the reason, as far as that is possible without waiting, and closes the connection.
pub(super) fn refuse(mut stream: TcpStream, reason: RefusedConnection) {
    // Read what has arrived: closing a socket with unread bytes resets the connection, and the response is lost. The
    // socket is non-blocking; whatever cannot be read or written now is dropped.
    let _ = stream.read(&mut [0; CONNECTION_BYTES]);
    let _ = stream.write_all(answer(reason).as_bytes());
    let _ = stream.shutdown(Shutdown::Write);
}

fn answer(reason: RefusedConnection) -> String {
    let code = ErrorCode::Overloaded;
    let detail = match reason {
        RefusedConnection::Address => "the limit on connections per address is reached",
        RefusedConnection::Full => "the limit on connections is reached",
        RefusedConnection::Memory => "the server has no memory left for another connection",
    };
    let body = serde_json::json!({
        "type": format!("/problems/{}", code.as_str()), "title": code.title(), "status": 503, "detail": detail,
        "code": code.as_str(),
    });
    let body = body.to_string();
    format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\nretry-after: 1\r\n\
         connection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_a_problem_of_the_code_that_it_names() {
        let text = answer(RefusedConnection::Address);
        let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
        assert!(head.starts_with("HTTP/1.1 503 ") && head.contains(&format!("content-length: {}", body.len())));
        let body: serde_json::Value = serde_json::from_str(body).expect("JSON");
        assert_eq!((&body["code"], &body["status"]), (&"overloaded".into(), &503.into()));
        assert_eq!(crate::api::http::status(ErrorCode::Overloaded), 503);
    }
}
