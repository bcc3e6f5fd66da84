//! Who is let in.

#![allow(clippy::result_large_err, reason = "a refusal is made once, at upload, deploy or start")]

use std::net::IpAddr;
use std::net::SocketAddr;

use axum::extract::Request;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::HeaderValue;
use axum::http::StatusCode;
use axum::http::header;
use axum::middleware::Next;
use axum::response::IntoResponse;
use axum::response::Response;
use sha2::Digest;
use sha2::Sha256;

use crate::api::problem::Problem;
use crate::api::state::ApiState;
use crate::model::failure::Code;
use crate::model::failure::Refusal;

/// Paths that anyone may read: probes carry no token.
const OPEN: [&str; 2] = ["/healthz", "/readyz"];

/// # Errors
/// When the API would listen beyond this machine without a token: everyone in the network could
/// then run code here.
pub fn check_listener(listen: SocketAddr, has_tokens: bool) -> Result<(), Refusal> {
    if has_tokens || listen.ip().is_loopback() {
        return Ok(());
    }
    Err(Refusal {
        code: Code("listen-without-token"),
        field: "listen".to_owned(),
        message: "the API would listen beyond this machine without asking for a token".to_owned(),
        found: format!("`{listen}` and no token"),
        expected: "a loopback address, or a token".to_owned(),
        remedy: "Set a token (auth.token_file), or listen on 127.0.0.1.".to_owned(),
    })
}

/// The tokens that are let in, as hashes: comparing them takes the same time for every guess.
#[derive(Clone)]
pub(crate) struct Tokens(Vec<[u8; 32]>);

impl Tokens {
    pub(crate) fn new(tokens: &[String]) -> Self {
        Self(tokens.iter().map(|token| hash(token.as_bytes())).collect())
    }

    fn admit(&self, token: &[u8]) -> bool {
        let given = hash(token);
        let same = |known: &[u8; 32]| known.iter().zip(given).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0;
        // Every token is compared, so that the time tells nothing of which one matched.
        self.0.iter().fold(false, |admitted, known| admitted | same(known))
    }
}

fn hash(token: &[u8]) -> [u8; 32] {
    Sha256::digest(token).into()
}

/// Lets a request in, or answers it.
pub(crate) async fn guard(State(state): State<ApiState>, request: Request, next: Next) -> Response {
    match admit(&state.tokens, request.uri().path(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

fn admit(tokens: &Tokens, path: &str, headers: &HeaderMap) -> Result<(), Problem> {
    if tokens.0.is_empty() {
        return local_only(headers);
    }
    if OPEN.contains(&path) {
        return Ok(());
    }
    let unauthorized = |code, detail| {
        Problem::new(StatusCode::UNAUTHORIZED, code, "A token is needed", detail)
            .with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"wasmill\""))
    };
    let Some(given) = headers.get(header::AUTHORIZATION) else {
        let detail = "The request has no token. Send `Authorization: Bearer <token>`.";
        return Err(unauthorized("token-missing", detail));
    };
    let token =
        given.as_bytes().split_at_checked(7).filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"bearer "));
    match token {
        Some((_, token)) if tokens.admit(token.trim_ascii()) => Ok(()),
        Some(_) => Err(unauthorized("token-unknown", "The host does not know this token.")),
        None => Err(unauthorized("token-missing", "Expected `Authorization: Bearer <token>`.")),
    }
}

/// Without tokens the API is for programs of this machine. A page in a browser of this machine is
/// not one of them: it gives itself away by its origin, or by a foreign name that it had resolved
/// to loopback.
fn local_only(headers: &HeaderMap) -> Result<(), Problem> {
    let forbidden = |what: &str| {
        let detail = format!(
            "{what} is not this machine. Without a token the host answers requests to localhost, 127.0.0.1 and \
             [::1] only; configure a token to use another name."
        );
        Problem::new(StatusCode::FORBIDDEN, "foreign-host", "The request is not from this machine", detail)
    };
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    if let Some(host) = headers.get(header::HOST).map(text)
        && !is_local(&host)
    {
        return Err(forbidden(&format!("`Host: {host}`")));
    }
    if let Some(origin) = headers.get(header::ORIGIN).map(text)
        && !origin.split_once("://").is_some_and(|(_, host)| is_local(host))
    {
        return Err(forbidden(&format!("`Origin: {origin}`")));
    }
    Ok(())
}

/// Of `host`, `host:port`, `[::1]:port`.
fn is_local(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.rsplit_once(':').map_or(authority, |(host, _)| host),
    };
    host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_listened_on_without_a_token() {
        let check =
            |listen: &str, has_tokens| check_listener(listen.parse().expect("an address"), has_tokens);
        check("127.0.0.1:8088", false).expect("loopback");
        check("[::1]:8088", false).expect("loopback");
        check("0.0.0.0:8088", true).expect("a token");
        for listen in ["0.0.0.0:8088", "[::]:8088", "192.168.0.1:80"] {
            assert_eq!(check(listen, false).expect_err(listen).code, Code("listen-without-token"));
        }
    }

    #[test]
    fn local_names_are_known() {
        for local in ["localhost", "LOCALHOST:80", "127.0.0.1:8088", "127.9.9.9", "[::1]:8088", "[::1]"] {
            assert!(is_local(local), "{local}");
        }
        for foreign in
            ["", "example.org", "localhost.example.org:80", "192.168.0.1", "[::2]:80", "127.0.0.1.nip.io"]
        {
            assert!(!is_local(foreign), "{foreign}");
        }
    }

    #[test]
    fn every_token_is_admitted_and_no_other() {
        let tokens = Tokens::new(&["one".to_owned(), "two".to_owned()]);
        assert!(tokens.admit(b"one") && tokens.admit(b"two"));
        assert!(!tokens.admit(b"") && !tokens.admit(b"on") && !tokens.admit(b"onetwo"));
    }
}
