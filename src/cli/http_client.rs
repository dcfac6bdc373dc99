//! Asks a running server over HTTP, for the commands that need no ONNX Runtime.

use std::{io, net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::api::transport::Host;

/// The most bytes of a response that are read.
const MAX_RESPONSE_BYTES: usize = 16 << 20;

/// Where a server listens.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) host: Host,
    pub(super) port: u16,
}

/// One request.
pub(super) struct ClientRequest<'a> {
    pub(super) method: Method,
    pub(super) path: &'a str,
    pub(super) token: Option<&'a str>,
    /// A JSON body; empty for none.
    pub(super) body: String,
    /// How long the server may take to answer.
    pub(super) timeout: Duration,
}

/// The server cannot be asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    /// No connection.
    #[error("cannot be reached")]
    Connect(#[source] io::Error),
    /// The connection ended before the response was complete, or the response is not HTTP.
    #[error("did not answer: {0}")]
    Response(String),
    /// The server took too long.
    #[error("did not answer within {} s", .0.as_secs())]
    TimedOut(Duration),
}

/// Sends a request to the first address that accepts a connection. Returns status and body.
///
/// # Errors
/// Returns [`ClientError`] if there is no complete response.
pub(super) fn send(target: &Target, request: ClientRequest<'_>) -> Result<(StatusCode, Bytes), ClientError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(ClientError::Connect)?;
    let timeout = request.timeout;
    let exchange = async {
        let stream = connect(target).await.map_err(ClientError::Connect)?;
        exchange(stream, target, request).await.map_err(|error| ClientError::Response(error.to_string()))
    };
    runtime.block_on(async {
        tokio::time::timeout(timeout, exchange).await.unwrap_or(Err(ClientError::TimedOut(timeout)))
    })
}

async fn connect(target: &Target) -> io::Result<TcpStream> {
    let addresses: Vec<SocketAddr> = target.host.addresses(target.port)?;
    TcpStream::connect(addresses.as_slice()).await
}

async fn exchange(
    stream: TcpStream,
    target: &Target,
    request: ClientRequest<'_>,
) -> Result<(StatusCode, Bytes), Box<dyn std::error::Error + Send + Sync>> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let mut head = Request::builder()
        .method(request.method)
        .uri(request.path)
        .header(header::HOST, format!("{}:{}", target.host, target.port))
        .header(header::CONNECTION, "close");
    if let Some(token) = request.token {
        head = head.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    if !request.body.is_empty() {
        head = head.header(header::CONTENT_TYPE, "application/json");
    }
    let sent = head.body(Full::new(Bytes::from(request.body)))?;
    let response = async move {
        let response = sender.send_request(sent).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_RESPONSE_BYTES).collect().await?;
        Ok((status, body.to_bytes()))
    };
    // If the connection fails, so does the response.
    let (response, _) = tokio::join!(response, connection);
    response
}
