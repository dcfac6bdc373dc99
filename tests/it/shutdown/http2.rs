//! Shutdown over HTTP/2: a connection that is kept for a stream in flight rejects new streams.
//!
//! In HTTP/1 a connection ends with its last response, so there `draining` is sent only in a race.

use std::thread;

use super::{GOOD, patient, wait_until_closing};
use crate::support::http2_client::{ACK, DATA, END_STREAM, Frames, PING};

#[test]
fn new_streams_are_turned_away_and_the_old_one_is_finished() {
    let (_models, server) = patient();
    let address = server.address;
    let mut frames = Frames::open(address);
    let mut pings = Vec::new();
    // The response to the second stream shows that the server has both.
    frames.begin(1);
    frames.send(DATA, 0, 1, &GOOD.as_bytes()[..10]);
    frames.begin(3);
    frames.send(DATA, END_STREAM, 3, GOOD.as_bytes());
    assert!(frames.answer(3, &mut pings).contains(r#""prediction":"churn""#));

    let drained = thread::spawn(move || server.drain());
    wait_until_closing(address);
    // Until the client has answered its ping, the server cannot know which streams the client opened before it received
    // the GOAWAY.
    while pings.is_empty() {
        let frame = frames.next();
        if frame.kind == PING && frame.flags & ACK == 0 {
            pings.push(frame.payload);
        }
    }
    frames.begin(5);
    frames.send(DATA, END_STREAM, 5, GOOD.as_bytes());
    let refused = frames.answer(5, &mut pings);
    assert!(refused.contains(r#""code":"draining""#), "{refused}");

    frames.send(DATA, END_STREAM, 1, &GOOD.as_bytes()[10..]);
    let answered = frames.answer(1, &mut pings);
    assert!(answered.contains(r#""prediction":"churn""#), "{answered}");
    for ping in pings {
        frames.send(PING, ACK, 0, &ping);
    }
    assert!(drained.join().expect("a drain"), "everything was finished");
}
