//! The listening socket and its connections: bounded in number, timed, and drained at the end.

use std::{
    convert::Infallible,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use axum::{BoxError, response::Response};
use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use http::Request;
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulConnection},
};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};

use super::{
    Settings,
    busy_poll::{BusyPoll, Conversation},
    idle::Activity,
    threads::Threads,
};
use crate::lifecycle::{Phase, Shutdown};

/// How long to wait after the system refused to accept a connection, which it does when it has no more file handles.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How long a connection goes on when the server is closing: a request that was on its way is told to go elsewhere, where
/// a closed connection would leave its sender to guess.
const LAST_CALL: Duration = Duration::from_millis(100);

/// The most connections that the system holds for the server until it accepts them, where its own limit allows so many.
/// Beyond, it drops them without a word, and each tries again a second later: so a burst of clients must fit.
const MAX_PENDING: u32 = 1024;

/// How long a connection without a request under way is kept while the server is closing: time for the last answer to
/// leave, and no more for those that never send one.
const CLOSING_PATIENCE: Duration = Duration::from_secs(1);

/// The address of the caller.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

impl Default for Peer {
    fn default() -> Self {
        Self(Ipv4Addr::UNSPECIFIED.into())
    }
}

/// Whatever answers the requests of a socket.
pub trait Handler: Send + Sync + 'static {
    /// Answers one request.
    fn answer(&self, request: Request<Incoming>, peer: Peer) -> impl Future<Output = Response> + Send;
}

/// A listening socket.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    settings: Settings,
}

impl Server {
    /// Binds the socket, at the first address of the host that can be bound. Called on a runtime.
    ///
    /// # Errors
    /// The operating system's own, with the address.
    pub fn bind(settings: &Settings) -> io::Result<Self> {
        let (host, port) = (&settings.host, settings.port);
        let told = |error: io::Error, hint: &str| {
            io::Error::new(error.kind(), format!("cannot listen on {host}:{port}: {error}{hint}"))
        };
        let mut refused = None;
        for address in host.addresses(port).map_err(|error| told(error, ""))? {
            match listen(address) {
                Ok(listener) => return Ok(Self { listener, settings: settings.clone() }),
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        Err(told(refused.unwrap_or_else(|| io::ErrorKind::NotFound.into()), "; another port: --port"))
    }

    /// The address that is listened on.
    ///
    /// # Errors
    /// The operating system's own.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Accepts connections until the shutdown is closing, and has `handler` answer what comes on them, on `threads`. Each
    /// connection is a task that the shutdown waits for.
    pub async fn serve<H: Handler>(self, handler: H, threads: Arc<Threads>, shutdown: Shutdown) {
        let room = Arc::new(Semaphore::new(self.settings.max_connections));
        let mut builder = auto::Builder::new(TokioExecutor::new());
        // Silent connections are noticed by their activity, for less than a clock for every request.
        builder.http1().header_read_timeout(None);
        builder.http2().timer(TokioTimer::new()).max_concurrent_streams(Some(256));
        let patience = self.settings.header_timeout();
        let connections = Arc::new(Connections { builder, handler, patience, shutdown: shutdown.clone() });
        loop {
            let accepted = tokio::select! {
                () = shutdown.reached(Phase::Closing) => break,
                accepted = accept(&self.listener, &room) => accepted,
            };
            match accepted {
                Ok(accepted) => connections.spawn(accepted, &threads),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        // Whom the system has let in already is told so; the end of the listener would only reset the connection.
        for _ in 0..MAX_PENDING {
            match tokio::time::timeout(Duration::ZERO, accept(&self.listener, &room)).await {
                Ok(Ok(accepted)) => connections.spawn(accepted, &threads),
                _ => break,
            }
        }
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A server that starts again takes the port of the one before.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(MAX_PENDING)
}

/// A connection that no runtime has yet, its caller, and its place among those that there is room for.
type Accepted = (std::net::TcpStream, SocketAddr, OwnedSemaphorePermit);

async fn accept(listener: &TcpListener, room: &Arc<Semaphore>) -> io::Result<Accepted> {
    // The permit comes first: connections beyond the limit wait in the system's own queue.
    let permit = Arc::clone(room).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    // Answers are small and complete; waiting to fill a packet would only delay them.
    stream.set_nodelay(true)?;
    Ok((stream.into_std()?, peer, permit))
}

/// Why a connection is looked at though nothing came on it.
enum Interruption {
    /// Nothing has come for too long.
    Idle,
    /// The server is closing.
    Closing,
}

struct Connections<H> {
    builder: auto::Builder<TokioExecutor>,
    /// Answers a request.
    handler: H,
    /// How long a connection may be idle.
    patience: Duration,
    shutdown: Shutdown,
}

/// What the requests of one connection share; so they need not count each other on what all connections share.
struct Talk<H> {
    server: Arc<Connections<H>>,
    peer: Peer,
    activity: Activity,
    conversation: Conversation,
}

impl<H: Handler> Connections<H> {
    /// Serves an accepted connection on one of the threads, in a task that the shutdown waits for.
    fn spawn(self: &Arc<Self>, (stream, peer, permit): Accepted, threads: &Threads) {
        let connections = Arc::clone(self);
        threads.spawn(&self.shutdown, |busy_poll| async move {
            match TcpStream::from_std(stream) {
                Ok(stream) => connections.serve(stream, peer, busy_poll).await,
                Err(error) => tracing::warn!(%error, "a connection could not be served"),
            }
            drop(permit);
        });
    }

    async fn serve(self: &Arc<Self>, stream: TcpStream, peer: SocketAddr, busy_poll: Arc<BusyPoll>) {
        let (server, conversation) = (Arc::clone(self), Conversation::new(busy_poll));
        let talk = Arc::new(Talk { server, peer: Peer(peer.ip()), activity: Activity::default(), conversation });
        let (activity, talking) = (&talk.activity, Arc::clone(&talk));
        let service = hyper::service::service_fn(move |request: Request<Incoming>| {
            let talk = Arc::clone(&talking);
            // In a box: the connection moves it to its place, and it is large.
            Box::pin(async move {
                let _busy = (talk.activity.begin(), talk.conversation.begin());
                Ok::<_, Infallible>(talk.server.handler.answer(request, talk.peer).await)
            })
        });
        let connection = self.builder.serve_connection(TokioIo::new(stream), service);
        tokio::pin!(connection);
        // Together in a set, which asks them only when they have something to say, and not at every event of the connection.
        let mut interruptions: FuturesUnordered<BoxFuture<'_, Interruption>> = FuturesUnordered::new();
        interruptions.push(Box::pin(activity.idle(self.patience).map(|()| Interruption::Idle)));
        interruptions.push(Box::pin(self.shutdown.reached(Phase::Closing).map(|()| Interruption::Closing)));
        let ended = tokio::select! {
            biased;
            ended = connection.as_mut() => ended,
            Some(interruption) = interruptions.next() => match interruption {
                Interruption::Idle => Ok(()),
                Interruption::Closing => self.last_call(connection, activity).await,
            },
        };
        if let Err(error) = ended {
            // Clients go away, send nonsense, or time out: their affair, not the operator's.
            tracing::debug!(error, "a connection ended early");
        }
    }

    /// Lets a connection answer what was on its way, and ends it; what is not answered when the time is over is counted.
    async fn last_call<C>(&self, mut connection: Pin<&mut C>, activity: &Activity) -> Result<(), BoxError>
    where
        C: GracefulConnection<Error = BoxError>,
    {
        if let Ok(ended) = tokio::time::timeout(LAST_CALL, connection.as_mut()).await {
            return ended;
        }
        connection.as_mut().graceful_shutdown();
        tokio::select! {
            ended = connection => ended,
            () = activity.idle(CLOSING_PATIENCE.min(self.patience)) => Ok(()),
            () = self.shutdown.reached(Phase::Over) => {
                self.shutdown.count_cut(activity.in_flight());
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_burst_of_clients_is_held_until_it_is_accepted() {
        let system: u32 = std::fs::read_to_string("/proc/sys/net/core/somaxconn")
            .map_or(MAX_PENDING, |text| text.trim().parse().expect("a number"));
        let listener = listen((Ipv4Addr::LOCALHOST, 0).into()).expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        // Nobody accepts. One that is dropped by the system would not be there in this time; the others are there at once.
        let connect = |_| std::net::TcpStream::connect_timeout(&address, Duration::from_millis(900));
        let there = (0..MAX_PENDING.min(system)).map(connect).take_while(Result::is_ok).count();
        assert_eq!(there as u64, u64::from(MAX_PENDING.min(system)));
    }
}
