//! One HTTP request on loopback, without a client's own costs.

use std::io::Read as _;
use std::io::Write as _;
use std::net::TcpStream;

use anyhow::Context as _;

/// The body of the answer.
///
/// # Errors
/// When nobody answers, or the status is not 2xx: the message has the answer.
pub fn call(address: &str, method: &str, path: &str, content: &str, body: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address).with_context(|| format!("connect to {address}"))?;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: {content}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").context("an answer without a head")?;
    let (head, body) = answer.split_at(end + 4);
    let status = head.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
    anyhow::ensure!(status.starts_with(b"2"), "{method} {path}: {}", String::from_utf8_lossy(&answer));
    Ok(body.to_vec())
}
