//! A listening socket and its connections: bounded in number and bytes, timed, and drained at shutdown.

use std::{
    convert::Infallible,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use axum::{BoxError, response::Response};
use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use http::Request;
use hyper::body::{Body as _, Incoming};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulConnection},
};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::{
    budget::{ByteBudget, CONNECTION_BYTES},
    busy_poll::{BusyPoll, RequestCadence},
    connection::{Connection, Peer},
    connection_activity::{ConnectionActivity, IdleTimeouts},
    connection_limiter::{AcceptDecision, ConnectionLimiter, ConnectionPermit},
    connection_limits::{ConnectionLimits, MAX_WAITING},
    host::Host,
    outstanding::ROUNDS,
    refusal::refuse,
    socket::Socket,
    threads::ServerThreads,
};
use crate::{
    lifecycle::{Phase, Shutdown},
    telemetry::{ConnectionMetrics, RefusedConnection, TimedOutConnection},
};

/// Delay after the system failed to accept a connection, as it does when it is out of file handles.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(50);

/// How long a connection continues after draining began. A request already on its way is answered with a refusal that
/// sends it elsewhere; a closed connection would leave the client guessing.
const DRAIN_GRACE: Duration = Duration::from_millis(100);

/// How long a connection without a request in flight is kept while draining: enough for the last response to leave, and
/// no more for clients that send nothing.
const DRAIN_IDLE_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a connection waits for room before it is refused. While there is no room, idle connections are closed
/// sooner than this.
const CONNECTION_WAIT_TIMEOUT: Duration = Duration::from_secs(3);

/// Maximum concurrent streams of an HTTP/2 connection.
const MAX_STREAMS: u32 = 64;

/// HTTP/2 receive windows of a stream and of a connection: the bytes that may be in transit before they are read.
const STREAM_WINDOW: u32 = 64 << 10;
const CONNECTION_WINDOW: u32 = 256 << 10;

/// Answers the requests of a socket.
pub trait Handler: Send + Sync + 'static {
    /// Answers one request.
    fn answer(&self, request: Request<Incoming>, connection: &Arc<Connection>)
    -> impl Future<Output = Response> + Send;
}

/// Address, connection limits and timeouts of a listener.
#[derive(Debug, Clone)]
pub struct Listen {
    /// Address or name to listen on.
    pub host: Host,
    /// Port; 0 lets the system choose.
    pub port: u16,
    /// Maximum number of open connections.
    pub max_connections: usize,
    /// Maximum number of connections per address.
    pub max_connections_per_address: usize,
    /// How long a connection may be without a request in flight.
    pub idle_timeouts: IdleTimeouts,
    /// How long a client may take to read a response.
    pub answer_timeout: Duration,
}

/// A listening socket.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    listen: Listen,
}

/// Resources that the connections of a listener are served with.
pub struct Serving {
    /// The threads that serve them.
    pub threads: Arc<ServerThreads>,
    /// Phases of the shutdown.
    pub shutdown: Shutdown,
    /// Byte budget shared by the connections of all listeners.
    pub budget: Arc<ByteBudget>,
    /// Name of the listener, in the log.
    pub name: &'static str,
    /// Its metrics.
    pub metrics: ConnectionMetrics,
}

impl Server {
    /// Binds the socket to the first address of the host that can be bound. Must be called on a runtime.
    ///
    /// # Errors
    /// Returns the OS error, with the address, if no address can be bound.
    pub fn bind(at: Listen) -> io::Result<Self> {
        let (host, port) = (&at.host, at.port);
        let describe = |error: io::Error, hint: &str| {
            io::Error::new(error.kind(), format!("cannot listen on {host}:{port}: {error}{hint}"))
        };
        let mut refused = None;
        for address in host.addresses(port).map_err(|error| describe(error, ""))? {
            match listen(address) {
                Ok(listener) => return Ok(Self { listener, listen: at }),
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        Err(describe(refused.unwrap_or_else(|| io::ErrorKind::NotFound.into()), "; choose another port with --port"))
    }

    /// Returns the address that the socket is bound to.
    ///
    /// # Errors
    /// Returns the OS error if the address cannot be read.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Accepts connections until the shutdown reaches [`Phase::Draining`], and lets `handler` answer their requests on
    /// the server threads. Each connection is a task that the shutdown waits for.
    pub async fn serve<H: Handler>(self, handler: H, with: Serving) {
        let Serving { threads, shutdown, budget, name, metrics } = with;
        let limits =
            ConnectionLimits { max: self.listen.max_connections, per_address: self.listen.max_connections_per_address };
        let connections = Arc::new(Connections {
            builder: builder(),
            handler,
            idle_timeouts: self.listen.idle_timeouts,
            answer_timeout: self.listen.answer_timeout,
            shutdown: shutdown.clone(),
            limiter: ConnectionLimiter::new(name, limits, metrics),
            budget,
            threads,
        });
        loop {
            let accepted = tokio::select! {
                () = shutdown.wait_for(Phase::Draining) => break,
                accepted = accept(&self.listener) => accepted,
            };
            match accepted {
                Ok((stream, peer)) => connections.receive(stream, peer),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_RETRY_DELAY).await;
                }
            }
        }
        // Connections that the system has already accepted get a response; closing the listener would only reset them.
        for _ in 0..MAX_WAITING {
            match tokio::time::timeout(Duration::ZERO, accept(&self.listener)).await {
                Ok(Ok((stream, peer))) => connections.receive(stream, peer),
                _ => break,
            }
        }
    }
}

fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // `ConnectionActivity` detects idle connections, at a lower cost than a timer per request.
    builder.http1().header_read_timeout(None).max_buf_size(CONNECTION_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(Some(MAX_STREAMS))
        .max_header_list_size(u32::try_from(CONNECTION_BYTES).unwrap_or(u32::MAX))
        .initial_stream_window_size(Some(STREAM_WINDOW))
        .initial_connection_window_size(Some(CONNECTION_WINDOW));
    builder
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A restarted server may reuse the port of its predecessor at once.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    // If the backlog is full, the system silently drops connections and the clients retry only a second later: a burst
    // of clients must fit.
    socket.listen(u32::try_from(MAX_WAITING).unwrap_or(u32::MAX))
}

/// Accepts a connection and returns it, not yet registered with a runtime, with the address of its client.
async fn accept(listener: &TcpListener) -> io::Result<(std::net::TcpStream, SocketAddr)> {
    let (stream, peer) = listener.accept().await?;
    // Responses are small and written at once: Nagle's algorithm would only delay them.
    stream.set_nodelay(true)?;
    Ok((stream.into_std()?, peer))
}

/// Reason to act on a connection without an event on its socket.
enum Interruption {
    /// The client was too slow.
    TimedOut(TimedOutConnection),
    /// The server is draining.
    Closing,
}

struct Connections<H> {
    builder: auto::Builder<TokioExecutor>,
    /// Answers the requests.
    handler: H,
    idle_timeouts: IdleTimeouts,
    /// How long a client may take to read a response.
    answer_timeout: Duration,
    shutdown: Shutdown,
    limiter: Arc<ConnectionLimiter>,
    budget: Arc<ByteBudget>,
    threads: Arc<ServerThreads>,
}

/// State shared by the requests of one connection. They count references to it instead of to state that all connections
/// share.
struct ConnectionState<H> {
    server: Arc<Connections<H>>,
    connection: Arc<Connection>,
    cadence: RequestCadence,
}

impl<H: Handler> Connections<H> {
    /// Serves an accepted connection, lets it wait for room, or refuses it.
    fn receive(self: &Arc<Self>, stream: std::net::TcpStream, peer: SocketAddr) {
        match self.limiter.admit(peer.ip()) {
            AcceptDecision::Open(place) => self.open(stream, peer.ip(), place),
            AcceptDecision::Wait(mut place) => {
                let connections = Arc::clone(self);
                self.shutdown.spawn(async move {
                    if tokio::time::timeout(CONNECTION_WAIT_TIMEOUT, place.opened()).await.is_ok() {
                        return connections.open(stream, peer.ip(), place);
                    }
                    connections.limiter.refused(RefusedConnection::Full, peer.ip());
                    refuse(stream, RefusedConnection::Full);
                });
            }
            AcceptDecision::Refuse(reason) => refuse(stream, reason),
        }
    }

    /// Serves a connection on one of the server threads, in a task that the shutdown waits for.
    fn open(self: &Arc<Self>, stream: std::net::TcpStream, peer: IpAddr, place: ConnectionPermit) {
        let Some(connection) = Connection::open(Peer(peer), &self.budget, Arc::clone(&self.limiter)) else {
            self.limiter.refused(RefusedConnection::Memory, peer);
            return refuse(stream, RefusedConnection::Memory);
        };
        let connections = Arc::clone(self);
        self.threads.spawn(&self.shutdown, |busy_poll| async move {
            match TcpStream::from_std(stream) {
                Ok(stream) => {
                    connections.serve(Socket::new(stream, Arc::clone(&connection)), connection, busy_poll).await;
                }
                Err(error) => tracing::warn!(%error, "a connection could not be served"),
            }
            drop(place);
        });
    }

    async fn serve(self: &Arc<Self>, socket: Socket, connection: Arc<Connection>, busy_poll: Arc<BusyPoll>) {
        let cadence = RequestCadence::new(busy_poll);
        let state = Arc::new(ConnectionState { server: Arc::clone(self), connection, cadence });
        let (connection, shared) = (&*state.connection, Arc::clone(&state));
        let service = hyper::service::service_fn(move |request: Request<Incoming>| {
            let state = Arc::clone(&shared);
            // Boxed: hyper moves the future into place, and it is large.
            Box::pin(async move {
                let _busy = (state.connection.begin(request.version()), state.cadence.begin());
                if request.body().is_end_stream() {
                    state.connection.received();
                }
                let response = state.server.handler.answer(request, &state.connection).await;
                state.connection.answered();
                Ok::<_, Infallible>(response)
            })
        });
        let served = self.builder.serve_connection(TokioIo::new(socket), service);
        tokio::pin!(served);
        // In one set, which polls them only when they are woken, and not at every event of the connection.
        let mut interruptions: FuturesUnordered<BoxFuture<'_, Interruption>> = FuturesUnordered::new();
        let idle = connection.activity.idle(self.idle_timeouts, &self.limiter);
        interruptions.push(Box::pin(idle.map(|()| Interruption::TimedOut(TimedOutConnection::Idle))));
        let slow_reader = self.slow_reader(connection);
        interruptions.push(Box::pin(slow_reader.map(|()| Interruption::TimedOut(TimedOutConnection::SlowReader))));
        interruptions.push(Box::pin(self.shutdown.wait_for(Phase::Draining).map(|()| Interruption::Closing)));
        let ended = tokio::select! {
            biased;
            ended = served.as_mut() => ended,
            Some(interruption) = interruptions.next() => match interruption {
                Interruption::TimedOut(reason) => {
                    self.limiter.metrics.count_timed_out(reason);
                    return;
                }
                Interruption::Closing => self.drain_connection(served, &connection.activity).await,
            },
        };
        if let Err(error) = ended {
            // Clients disconnect, send garbage or time out: nothing for the operator to act on.
            tracing::debug!(error, "a connection ended early");
        }
    }

    /// Waits until a response has been outstanding for longer than the client may take to read it; up to a third
    /// longer.
    async fn slow_reader(&self, connection: &Connection) {
        let rounds = u32::try_from(ROUNDS - 1).unwrap_or(1);
        loop {
            self.limiter.idle_timeout(self.answer_timeout, rounds).await;
            if !connection.outstanding.turn() {
                return;
            }
        }
    }

    /// Lets a connection finish the requests in flight and closes it; counts the requests that are cut off when time is
    /// up.
    async fn drain_connection<C>(
        &self,
        mut connection: Pin<&mut C>,
        activity: &ConnectionActivity,
    ) -> Result<(), BoxError>
    where
        C: GracefulConnection<Error = BoxError>,
    {
        if let Ok(ended) = tokio::time::timeout(DRAIN_GRACE, connection.as_mut()).await {
            return ended;
        }
        connection.as_mut().graceful_shutdown();
        tokio::select! {
            ended = connection => ended,
            () = activity.idle(self.idle_timeouts.at_most(DRAIN_IDLE_TIMEOUT), &self.limiter) => Ok(()),
            () = self.shutdown.wait_for(Phase::Aborting) => {
                self.shutdown.count_aborted(activity.in_flight());
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[tokio::test]
    async fn a_burst_of_clients_is_held_until_it_is_accepted() {
        let system: usize = std::fs::read_to_string("/proc/sys/net/core/somaxconn")
            .map_or(MAX_WAITING, |text| text.trim().parse().expect("a number"));
        let listener = listen((Ipv4Addr::LOCALHOST, 0).into()).expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        // Nobody accepts. A connection dropped by the system would not be established within this time; the others are
        // established at once.
        let connect = |_| std::net::TcpStream::connect_timeout(&address, Duration::from_millis(900));
        let there = (0..MAX_WAITING.min(system)).map(connect).take_while(Result::is_ok).count();
        assert_eq!(there, MAX_WAITING.min(system));
    }
}
