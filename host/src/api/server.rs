//! Serves a router until the host ends.

use std::io;
use std::time::Duration;

use axum::Router;
use axum::serve::Listener;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::api::connection::BoundedListener;
use crate::api::connection::ConnectionLimits;
use crate::api::connection::converse;

/// How long requests that are under way may take once the host ends.
const GRACE: Duration = Duration::from_secs(5);

/// Told once, to everyone who holds it: the host ends.
#[derive(Debug, Clone)]
pub struct Closing(watch::Sender<bool>);

impl Default for Closing {
    fn default() -> Self {
        Self(watch::Sender::new(false))
    }
}

impl Closing {
    pub fn close(&self) {
        self.0.send_replace(true);
    }

    /// Until [`Closing::close`] was called.
    pub async fn wait(&self) {
        let mut closed = self.0.subscribe();
        // The sender lives as long as `self`: this does not fail.
        let _ = closed.wait_for(|closed| *closed).await;
    }
}

/// Answers requests until `closing` is closed; then takes no more, ends streams and gives what is
/// under way a few seconds.
///
/// # Errors
/// When the listener fails for good.
pub async fn serve(listener: TcpListener, router: Router, closing: Closing) -> io::Result<()> {
    serve_within(listener, router, closing, ConnectionLimits::default()).await
}

pub(crate) async fn serve_within(
    listener: TcpListener,
    router: Router,
    closing: Closing,
    limits: ConnectionLimits,
) -> io::Result<()> {
    let mut listener = BoundedListener::new(listener, limits);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            (stream, _) = listener.accept() => {
                connections.spawn(converse(stream, router.clone(), closing.clone(), limits.head_max));
            }
            Some(_) = connections.join_next() => {}
            () = closing.wait() => break,
        }
    }
    drop(listener);
    let all = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, all).await.is_err() {
        tracing::warn!("requests were still under way when the host ended");
    }
    Ok(())
}
