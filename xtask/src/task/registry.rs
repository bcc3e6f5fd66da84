use std::path::Path;

use anyhow::Result;

use crate::servers::REGISTRY_VERSION;
use crate::servers::RegistryServer;

/// Runs a schema registry until ctrl-c. Prints its address, alone on the first line of the output, when it answers.
/// It keeps its schemas in memory; `data` holds its log.
///
/// # Errors
/// It cannot be fetched, does not start, or ends.
pub fn registry(data: Option<&Path>) -> Result<()> {
    let mut server = RegistryServer::start(data)?;
    println!("{}", server.url());
    eprintln!("Apicurio {REGISTRY_VERSION}, schemas in memory; ctrl-c stops it");
    server.wait()
}
