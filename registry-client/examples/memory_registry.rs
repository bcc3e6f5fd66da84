//! Serves the in-memory registry on loopback until it is interrupted:
//! `cargo run -p wasmill-registry-client --features memory --example memory_registry -- 8081`

use std::error::Error;

use tokio::net::TcpListener;
use wasmill_registry_client::memory::MemoryRegistry;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port: u16 = std::env::args().nth(1).map_or(Ok(8081), |port| port.parse())?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("http://{}", listener.local_addr()?);
    axum::serve(listener, MemoryRegistry::new().router()).await?;
    Ok(())
}
