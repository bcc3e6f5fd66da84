//! An object store that speaks the protocol of S3.

use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use anyhow::ensure;

use crate::http;
use crate::names::free_port;
use crate::python;
use crate::sidecar::die_with_parent;

/// What is installed, as `pip` takes it.
const PACKAGES: [&str; 1] = ["moto[server]==5.2.5"];
/// Changes with the packages.
const ENTRY: &str = "python-moto-5.2.5";
const START_MAX: Duration = Duration::from_secs(60);

/// A server with one bucket, in memory. Stopped when dropped.
#[derive(Debug)]
pub struct S3 {
    server: Option<Child>,
    port: u16,
}

impl S3 {
    /// The bucket's name.
    pub const BUCKET: &'static str = "states";

    /// Starts it; installed once per machine.
    ///
    /// # Errors
    /// When Python 3 or the package cannot be had, or it does not start.
    pub fn start() -> Result<Self> {
        let mut s3 = Self { server: None, port: free_port()? };
        s3.launch()?;
        Ok(s3)
    }

    /// Starts it again after [`Self::stop`], with an empty bucket.
    ///
    /// # Errors
    /// As of [`Self::start`].
    pub fn launch(&mut self) -> Result<()> {
        let home = python::environment(ENTRY, &PACKAGES)?;
        // The scripts name the folder in which the environment was made, before it had its place.
        let mut command = Command::new(home.join("bin/python"));
        command.args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &self.port.to_string()]);
        die_with_parent(&mut command);
        let server = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        self.server = Some(server.context("start the object store")?);
        let until = Instant::now() + START_MAX;
        let bucket = format!("{}/{}", self.url(), Self::BUCKET);
        while http::request("PUT", &bucket, None).map_or(true, |answer| answer.status != 200) {
            ensure!(Instant::now() < until, "the object store does not answer at {}", self.url());
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    /// Ends it, and what it holds.
    pub fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
    }

    /// Its address, without a slash at its end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Keys of all objects, up to a thousand.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn keys(&self) -> Result<Vec<String>> {
        let answer = http::request("GET", &format!("{}/{}?list-type=2", self.url(), Self::BUCKET), None)?;
        if answer.status != 200 {
            bail!("the object store answered with {}: {}", answer.status, answer.text);
        }
        let key = |rest: &str| rest.split_once("</Key>").map(|(key, _)| key.to_owned());
        Ok(answer.text.split("<Key>").skip(1).filter_map(key).collect())
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        self.stop();
    }
}
