//! Serves a router until the host ends.

use std::io;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::api::connection::BoundedListener;
use crate::api::connection::ConnectionLimits;

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
    let listener = BoundedListener::new(listener, limits);
    let end = closing.clone();
    let server = axum::serve(listener, router).with_graceful_shutdown(async move { end.wait().await });
    let late = async {
        closing.wait().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        ended = server.into_future() => ended,
        () = late => {
            tracing::warn!("requests were still under way when the host ended");
            Ok(())
        }
    }
}
