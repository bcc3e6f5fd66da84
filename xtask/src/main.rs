//! `cargo xtask <task>`.

use anyhow::Result;
use clap::Parser;

#[derive(Parser)]
enum Task {
    Kafka { #[arg(long)] data: Option<std::path::PathBuf> },
    Registry { #[arg(long)] data: Option<std::path::PathBuf> },
}

fn main() -> Result<()> {
    match Task::parse() {
        Task::Kafka { data } => {
            let mut s = xtask::servers::KafkaServer::start(data.as_deref())?;
            println!("{}", s.address());
            s.wait()
        }
        Task::Registry { data } => {
            let mut s = xtask::servers::RegistryServer::start(data.as_deref())?;
            println!("{}", s.url());
            s.wait()
        }
    }
}
