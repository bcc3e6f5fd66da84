//! Where random tests begin.

/// The seed of this run: from `WASMILL_TEST_SEED`, else random. Printed, so that a failure can be seen
/// again.
#[must_use]
pub fn seed() -> u64 {
    let seed = std::env::var("WASMILL_TEST_SEED").ok().and_then(|text| text.parse().ok());
    let seed = seed.unwrap_or_else(rand::random);
    println!("seed {seed} (run again with WASMILL_TEST_SEED={seed})");
    seed
}
