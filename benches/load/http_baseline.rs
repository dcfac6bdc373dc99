//! The limit on the web side: an axum server that parses the same JSON with `serde_json` and answers a body of a given
//! size, without looking at the features and without any inference.
//!
//! `http_baseline BYTES` listens on a free port of 127.0.0.1, prints it, and serves until it is killed.

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderName, HeaderValue, header},
    routing::post,
    serve::ListenerExt as _,
};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Instance {
    features: Value,
}

type Answer = ([(HeaderName, HeaderValue); 1], Bytes);

async fn echo(State(answer): State<Bytes>, Json(instance): Json<Instance>) -> Answer {
    std::hint::black_box(instance.features);
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], answer)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let size = std::env::args().nth(1).ok_or("usage: http_baseline BYTES")?.parse::<usize>()?;
    let answer = Bytes::from(format!("\"{}\"", "x".repeat(size.saturating_sub(2))));
    let router = Router::new().route("/predict", post(echo)).with_state(answer);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?.port());
    // Like Candor: an answer is not held back to fill a packet.
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    axum::serve(listener, router).await?;
    Ok(())
}
