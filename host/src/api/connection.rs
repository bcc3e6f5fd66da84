//! Connections: as many as the host can do with, and none that does nothing.

use std::future::Future;
use std::io;
use std::io::IoSlice;
use std::net::SocketAddr;
use std::pin::Pin;
use std::pin::pin;
use std::sync::Arc;
use std::task::Context;
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use axum::serve::Listener;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::rt::TokioTimer;
use hyper_util::service::TowerToHyperService;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::io::ReadBuf;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio::time::Sleep;

use crate::api::server::Closing;

/// How many connections there may be, and for how long one may do nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ConnectionLimits {
    /// Further ones wait. Default 512: the pipelines of the host need file descriptors, too.
    pub(crate) open_max: usize,
    /// Until a connection is closed on which no byte comes or goes. Default 150 s: more than a request
    /// may take. A stream of events sends something every 15 s.
    pub(crate) idle_max: Duration,
    /// Until the head of a request has come as a whole, from when the connection stands or the answer
    /// before was given. Default 20 s: whoever has no token yet must not hold a place for longer.
    pub(crate) head_max: Duration,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self { open_max: 512, idle_max: Duration::from_secs(150), head_max: Duration::from_secs(20) }
    }
}

/// Of the head of a request; more is refused with 431.
const HEAD_BYTES_MAX: usize = 64 << 10;

pub(crate) struct BoundedListener {
    listener: TcpListener,
    places: Arc<Semaphore>,
    idle_max: Duration,
}

impl BoundedListener {
    pub(crate) fn new(listener: TcpListener, limits: ConnectionLimits) -> Self {
        let places = Arc::new(Semaphore::new(limits.open_max));
        Self { listener, places, idle_max: limits.idle_max }
    }
}

impl Listener for BoundedListener {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        let place = Arc::clone(&self.places).acquire_owned().await.ok();
        let (stream, address) = Listener::accept(&mut self.listener).await;
        (Connection::new(stream, place, self.idle_max), address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that ends when nothing comes or goes for too long.
pub(crate) struct Connection {
    stream: TcpStream,
    idle: Pin<Box<Sleep>>,
    idle_max: Duration,
    last: Instant,
    _place: Option<OwnedSemaphorePermit>,
}

impl Connection {
    fn new(stream: TcpStream, place: Option<OwnedSemaphorePermit>, idle_max: Duration) -> Self {
        let last = Instant::now();
        Self { stream, idle: Box::pin(tokio::time::sleep(idle_max)), idle_max, last, _place: place }
    }

    /// Notes progress; without any, sees whether it is time to give up.
    fn watch<T>(&mut self, cx: &mut Context<'_>, progress: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if progress.is_ready() {
            self.last = Instant::now();
            return progress;
        }
        while self.idle.as_mut().poll(cx).is_ready() {
            let end = self.last + self.idle_max;
            if end <= Instant::now() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            self.idle.as_mut().reset(end);
        }
        Poll::Pending
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let progress = Pin::new(&mut self.stream).poll_read(cx, buffer);
        self.watch(cx, progress)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let progress = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watch(cx, progress)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let progress = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.watch(cx, progress)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Answers the requests of one connection, one after the other, until it ends or the host does. What is
/// under way then is answered first.
pub(crate) async fn converse(stream: Connection, router: Router, closing: Closing, head_max: Duration) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head_max)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = closing.wait() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke off");
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::AsyncReadExt;
    use tokio::io::AsyncWriteExt;

    use super::*;
    use crate::api::server::serve_within;

    const WAIT: Duration = Duration::from_secs(20);

    async fn server(limits: ConnectionLimits) -> (SocketAddr, Closing) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let closing = Closing::default();
        let router = Router::new().route("/", get(async || "ok"));
        tokio::spawn(serve_within(listener, router, closing.clone(), limits));
        (address, closing)
    }

    async fn connect(address: SocketAddr, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.expect("connected");
        stream.write_all(text.as_bytes()).await.expect("sent");
        stream
    }

    async fn answered(stream: &mut TcpStream) -> bool {
        let mut start = [0; 15];
        let read = tokio::time::timeout(WAIT, stream.read_exact(&mut start)).await.expect("in time");
        read.is_ok() && &start == b"HTTP/1.1 200 OK"
    }

    #[tokio::test]
    async fn a_connection_that_does_nothing_is_closed() {
        let idle_max = Duration::from_millis(50);
        let (address, closing) = server(ConnectionLimits { idle_max, ..ConnectionLimits::default() }).await;
        for text in ["", "GET / HTTP/1.1\r\nHost: lo"] {
            let mut stream = connect(address, text).await;
            let mut rest = Vec::new();
            let end = tokio::time::timeout(WAIT, stream.read_to_end(&mut rest)).await.expect("in time");
            assert!(end.is_err() || rest.is_empty(), "{rest:?}");
        }
        closing.close();
    }

    #[tokio::test]
    async fn a_head_that_trickles_is_given_up_and_so_is_a_connection_without_a_next_request() {
        let head_max = Duration::from_millis(300);
        let limits = ConnectionLimits { open_max: 1, head_max, ..ConnectionLimits::default() };
        let (address, closing) = server(limits).await;
        let mut slow = connect(address, "GET / HTTP/1.1\r\nX: ").await;
        let began = Instant::now();
        while slow.write_all(b"x").await.is_ok() {
            assert!(began.elapsed() < WAIT, "it holds its place");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // The one place is free again, until its request is answered and no other comes.
        let mut next = connect(address, &format!("GET / HTTP/1.1\r\nHost: {address}\r\n\r\n")).await;
        assert!(answered(&mut next).await);
        let mut rest = Vec::new();
        tokio::time::timeout(WAIT, next.read_to_end(&mut rest)).await.expect("in time").expect("closed");
        closing.close();
    }

    #[tokio::test]
    async fn what_is_under_way_is_answered_when_the_host_ends() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let closing = Closing::default();
        let (began, ended) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let (here, there) = (Arc::clone(&began), Arc::clone(&ended));
        let slow = async move || {
            here.add_permits(1);
            let _ = there.acquire().await;
            "ok"
        };
        let router = Router::new().route("/", get(slow));
        let server = tokio::spawn(serve_within(listener, router, closing.clone(), Default::default()));
        let mut stream = connect(address, &format!("GET / HTTP/1.1\r\nHost: {address}\r\n\r\n")).await;
        let _ = began.acquire().await;
        closing.close();
        ended.add_permits(1);
        assert!(answered(&mut stream).await);
        tokio::time::timeout(WAIT, server).await.expect("in time").expect("no panic").expect("a clean end");
        TcpStream::connect(address).await.expect_err("nobody listens any more");
    }

    #[tokio::test]
    async fn a_connection_over_the_limit_waits_for_a_place() {
        let (address, closing) = server(ConnectionLimits { open_max: 1, ..Default::default() }).await;
        let ask = format!("GET / HTTP/1.1\r\nHost: {address}\r\n\r\n");
        let mut first = connect(address, &ask).await;
        assert!(answered(&mut first).await);
        let mut second = connect(address, &ask).await;
        let early = tokio::time::timeout(Duration::from_millis(100), answered(&mut second)).await;
        assert!(early.is_err(), "there was no place");
        drop(first);
        assert!(answered(&mut second).await);
        closing.close();
    }
}
