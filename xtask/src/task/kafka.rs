use std::path::Path;

use anyhow::Result;

use crate::servers::KAFKA_VERSION;
use crate::servers::KafkaServer;

/// Runs a Kafka until ctrl-c. Prints its address, alone on the first line of the output, when it is ready.
///
/// # Errors
/// It cannot be fetched, does not start, or ends.
pub fn kafka(data: Option<&Path>) -> Result<()> {
    let mut server = KafkaServer::start(data)?;
    println!("{}", server.address());
    eprintln!("Kafka {KAFKA_VERSION}, data in {}; ctrl-c stops it", server.data().display());
    server.wait()
}
