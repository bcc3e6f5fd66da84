//! The standard library for wasm32-unknown-unknown: from rustup, or built from Debian's source of it.

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;

/// The target that guests are built for: it imports nothing by itself.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// Debian's Rust with a source tree of its standard library for Wasm.
pub const DEBIAN_PACKAGES: [&str; 2] = ["rustc-web", "rust-web-src"];

/// Where Debian puts that source tree.
const DEBIAN_STD_SOURCE: &str = "/usr/lib/rustlib/src/rust/library/std/Cargo.toml";
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

/// rustup retries for minutes where it cannot reach its servers.
const RUSTUP_LIMIT: Duration = Duration::from_secs(90);

/// How guests are compiled on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// The compiler of the host has the target installed.
    Rustup,
    /// Debian's compiler with our own build of its standard library; the host's compiler gives the linker.
    Debian {
        /// Debian's compiler.
        rustc: PathBuf,
        /// The linker, of the host's toolchain.
        linker: PathBuf,
        /// Where the standard library for the target lies.
        sysroot: PathBuf,
    },
}

impl Route {
    /// The route that is ready, the first of them if both are; `None` if neither.
    ///
    /// # Errors
    /// There is no Rust compiler.
    pub fn ready() -> Result<Option<Self>> {
        if rustup_has_target()? {
            return Ok(Some(Self::Rustup));
        }
        if !debian_packages_installed() {
            return Ok(None);
        }
        let sysroot = debian_sysroot_dir()?;
        if sysroot.is_dir() { Ok(Some(debian(sysroot)?)) } else { Ok(None) }
    }

    /// Sets up `cargo` to build guests this way. Only guests: the host stays on its own compiler.
    pub fn apply(&self, cargo: &mut Command) {
        // What wraps or flags the host's compiler does not fit another one.
        for name in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER"] {
            cargo.env_remove(name);
        }
        if let Self::Debian { rustc, linker, sysroot } = self {
            cargo.env("RUSTC", rustc).env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker).env(
                "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS",
                format!("--sysroot={}", sysroot.display()),
            );
        }
    }

    /// For people, in one line.
    pub fn describe(&self) -> String {
        match self {
            Self::Rustup => format!("{TARGET} from rustup"),
            Self::Debian { rustc, .. } => format!("{TARGET} with Debian's compiler {}", rustc.display()),
        }
    }
}

/// `rustup target add`, with a limit on its time. True if the target is there afterwards.
///
/// # Errors
/// There is no Rust compiler.
pub fn add_with_rustup() -> Result<bool> {
    let mut rustup = Command::new("rustup");
    rustup.args(["target", "add", TARGET]).current_dir(crate::checkout::root());
    // The toolchain that cargo chose for this task, not the default one.
    crate::command::succeeds_within(&mut rustup, RUSTUP_LIMIT);
    rustup_has_target()
}

/// Builds the standard library from Debian's source, once; about a minute.
///
/// # Errors
/// Debian's packages are missing, or it does not build.
pub fn build_debian_sysroot() -> Result<Route> {
    let name = debian_sysroot_name()?;
    let sysroot = crate::cache::entry(&name, |dir| {
        eprintln!("Building the standard library for {TARGET} from Debian's source, once; about a minute");
        let work = crate::servers::Scratch::create("sysroot")?;
        build_std(work.path(), &dir.join("lib/rustlib").join(TARGET).join("lib"))
    })?;
    debian(sysroot)
}

/// Debian's compiler and its source of the standard library are both there.
pub fn debian_packages_installed() -> bool {
    Path::new(DEBIAN_RUSTC).exists() && Path::new(DEBIAN_STD_SOURCE).exists()
}

fn rustup_has_target() -> Result<bool> {
    Ok(host_sysroot()?.join("lib/rustlib").join(TARGET).join("lib").is_dir())
}

/// The sysroot of the host's compiler. Cargo sets `RUSTC` for nobody, so this is rustup's choice.
fn host_sysroot() -> Result<PathBuf> {
    let mut rustc = Command::new("rustc");
    rustc.args(["--print", "sysroot"]).current_dir(crate::checkout::root());
    Ok(PathBuf::from(crate::command::output(&mut rustc)?.trim()))
}

/// The host triple of the host's compiler, such as `x86_64-unknown-linux-gnu`.
fn host_triple() -> Result<String> {
    let mut rustc = Command::new("rustc");
    let said = crate::command::output(rustc.arg("-vV").current_dir(crate::checkout::root()))?;
    let triple = said.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(triple.context("`rustc -vV` names no host")?.to_owned())
}

/// Named after the compiler: another one cannot read its libraries.
fn debian_sysroot_name() -> Result<String> {
    let version = crate::command::output(Command::new(DEBIAN_RUSTC).arg("-vV"))?;
    Ok(format!("sysroot-{}", crate::cache::fingerprint(version.as_bytes())))
}

fn debian_sysroot_dir() -> Result<PathBuf> {
    Ok(crate::cache::dir()?.join(debian_sysroot_name()?))
}

fn debian(sysroot: PathBuf) -> Result<Route> {
    // `rust-lld` itself: the wrappers in `gcc-ld` look for it beside Debian's compiler.
    let linker = host_sysroot()?.join("lib/rustlib").join(host_triple()?).join("bin/rust-lld");
    if !linker.is_file() {
        bail!(
            "the linker {} is missing: the Rust toolchain is incomplete; reinstall it with rustup",
            linker.display()
        );
    }
    Ok(Route::Debian { rustc: PathBuf::from(DEBIAN_RUSTC), linker, sysroot })
}

const STD_MANIFEST: &str = r#"[package]
name = "carrier"
version = "0.0.0"
edition = "2024"

[lib]
path = "lib.rs"

[profile.release]
panic = "abort"

[workspace]
"#;

/// Builds an empty crate with `-Z build-std`, and keeps what was built for it.
fn build_std(work: &Path, to: &Path) -> Result<()> {
    fs::write(work.join("Cargo.toml"), STD_MANIFEST).context("write the carrier's Cargo.toml")?;
    fs::write(work.join("lib.rs"), "").context("write the carrier's lib.rs")?;
    let mut cargo = crate::command::cargo();
    cargo
        .current_dir(work)
        .args([
            "build",
            "--release",
            "--quiet",
            "--target",
            TARGET,
            "-Zbuild-std=std,panic_abort",
            "--target-dir",
        ])
        .arg(work.join("target"))
        // `-Z` on a stable cargo: the library's own compiler builds it, as its distributor does.
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTC", DEBIAN_RUSTC)
        .env("RUSTFLAGS", "-Cembed-bitcode=yes")
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    crate::command::run(&mut cargo)?;

    fs::create_dir_all(to).with_context(|| format!("create {}", to.display()))?;
    let built = work.join("target").join(TARGET).join("release/deps");
    for entry in fs::read_dir(&built).with_context(|| format!("read {}", built.display()))? {
        let path = entry.with_context(|| format!("read {}", built.display()))?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        if name.ends_with(".rlib") && !name.starts_with("libcarrier-") {
            fs::copy(&path, to.join(name)).with_context(|| format!("copy {}", path.display()))?;
        }
    }
    Ok(())
}
