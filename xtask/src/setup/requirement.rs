//! The programs that the build and the tests call.

use std::path::Path;
use std::process::Command;

use super::Purpose;
use super::system::System;
use crate::command::succeeds;

/// The oldest Java that runs the test servers.
const JAVA_VERSION_MIN: u32 = 17;

/// A program, and the packages that bring it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Requirement {
    name: &'static str,
    is_for_servers: bool,
    is_there: fn() -> bool,
    debian: &'static [&'static str],
    fedora: &'static [&'static str],
    /// Homebrew's; none for what Xcode's command line tools bring.
    macos: &'static [&'static str],
}

impl Requirement {
    pub(super) fn name(&self) -> &'static str {
        self.name
    }
}

const ALL: &[Requirement] = &[
    Requirement {
        name: "a C compiler",
        is_for_servers: false,
        is_there: || succeeds("cc", &["--version"]),
        debian: &["gcc", "libc6-dev"],
        fedora: &["gcc"],
        macos: &[],
    },
    Requirement {
        name: "a C++ compiler",
        is_for_servers: false,
        is_there: || succeeds("c++", &["--version"]),
        debian: &["g++"],
        fedora: &["gcc-c++"],
        macos: &[],
    },
    Requirement {
        name: "make",
        is_for_servers: false,
        is_there: || succeeds("make", &["--version"]),
        debian: &["make"],
        fedora: &["make"],
        macos: &[],
    },
    Requirement {
        name: "cmake",
        is_for_servers: false,
        is_there: || succeeds("cmake", &["--version"]),
        debian: &["cmake"],
        fedora: &["cmake"],
        macos: &["cmake"],
    },
    Requirement {
        name: "Perl with its core modules (for OpenSSL)",
        is_for_servers: false,
        is_there: || {
            succeeds("perl", &["-MFindBin", "-MIPC::Cmd", "-MFile::Compare", "-MTime::Piece", "-e", "1"])
        },
        debian: &["perl"],
        fedora: &["perl-core"],
        macos: &["perl"],
    },
    Requirement {
        name: "libclang (for RocksDB)",
        is_for_servers: false,
        is_there: libclang_is_there,
        debian: &["libclang-dev"],
        fedora: &["clang-devel"],
        macos: &[],
    },
    Requirement {
        name: "Java 17 or newer",
        is_for_servers: true,
        is_there: java_is_there,
        debian: &["default-jdk-headless"],
        fedora: &["java-latest-openjdk-devel"],
        macos: &["openjdk"],
    },
    Requirement {
        name: "Maven",
        is_for_servers: true,
        is_there: || succeeds("mvn", &["--version"]),
        debian: &["maven"],
        fedora: &["maven"],
        macos: &["maven"],
    },
];

/// What `purpose` needs and this machine lacks.
pub(super) fn missing(purpose: Purpose) -> Vec<Requirement> {
    ALL.iter()
        .filter(|requirement| !requirement.is_for_servers || purpose.runs_servers())
        .filter(|requirement| !(requirement.is_there)())
        .copied()
        .collect()
}

/// The packages that bring what is missing, each once.
pub(super) fn packages(missing: &[Requirement], system: System) -> Vec<&'static str> {
    let mut packages = Vec::new();
    for requirement in missing {
        let names = match system {
            System::Debian | System::Other => requirement.debian,
            System::Fedora => requirement.fedora,
            System::MacOs => requirement.macos,
        };
        for name in names {
            // Ubuntu 22.04's default Java is too old, and not every release has every other.
            let name = if *name == "default-jdk-headless" { debian_java() } else { name };
            if !packages.contains(&name) {
                packages.push(name);
            }
        }
    }
    packages
}

fn debian_java() -> &'static str {
    ["openjdk-21-jdk-headless", "openjdk-17-jdk-headless"]
        .into_iter()
        .find(|package| succeeds("apt-cache", &["show", package]))
        .unwrap_or("default-jdk-headless")
}

/// Whether bindgen will find the library: where it is told to look, or where systems keep it.
fn libclang_is_there() -> bool {
    let told = std::env::var_os("LIBCLANG_PATH").is_some_and(|folder| Path::new(&folder).exists());
    told || [
        "/usr/lib",
        "/usr/lib64",
        "/usr/local/lib",
        "/opt/homebrew/opt/llvm/lib",
        "/Library/Developer/CommandLineTools/usr/lib",
    ]
    .iter()
    .any(|folder| holds_libclang(Path::new(folder), 3))
}

/// Whether there is a `libclang.so`, `libclang-14.so.1` or `libclang.dylib` in `folder` or so many levels below.
fn holds_libclang(folder: &Path, levels: u32) -> bool {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return false;
    };
    entries.flatten().any(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let is_library = name == "libclang.dylib"
            || (name.contains(".so") && (name.starts_with("libclang.so") || name.starts_with("libclang-")));
        let below = levels > 0 && entry.file_type().is_ok_and(|kind| kind.is_dir());
        (is_library && !name.starts_with("libclang-cpp"))
            || (below
                && (name.starts_with("llvm")
                    || name.ends_with("-linux-gnu")
                    || name == "lib"
                    || name == "lib64"))
                && holds_libclang(&entry.path(), levels - 1)
    })
}

fn java_is_there() -> bool {
    let Ok(said) = Command::new(crate::servers::java_program()).arg("-version").output() else {
        return false;
    };
    java_version(&String::from_utf8_lossy(&said.stderr)).is_some_and(|version| version >= JAVA_VERSION_MIN)
}

/// The feature version in what `java -version` says: 17 of `openjdk version "17.0.15" 2025-04-15`.
fn java_version(said: &str) -> Option<u32> {
    let (_, quoted) = said.split_once("version \"")?;
    let first: String = quoted.chars().take_while(char::is_ascii_digit).collect();
    first.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::ALL;
    use super::System;
    use super::java_version;
    use super::packages;

    #[test]
    fn java_versions_are_read_old_and_new() {
        assert_eq!(java_version("openjdk version \"17.0.15\" 2025-04-15"), Some(17));
        assert_eq!(java_version("java version \"1.8.0_412\""), Some(1));
        assert_eq!(java_version("openjdk version \"25\" 2025-09-16"), Some(25));
        assert_eq!(java_version("command not found"), None);
    }

    #[test]
    fn libclang_is_found_where_distributions_keep_it() {
        let lib = tempfile::tempdir().expect("a folder");
        let root = lib.path();
        assert!(!super::holds_libclang(root, 3));
        let folder = root.join("llvm-14/lib");
        std::fs::create_dir_all(&folder).expect("folders");
        std::fs::write(folder.join("libclang-cpp.so.14"), "").expect("a file");
        assert!(!super::holds_libclang(root, 3), "the C++ interface is another library");
        std::fs::write(folder.join("libclang-14.so.1"), "").expect("a file");
        assert!(super::holds_libclang(root, 3));
    }

    /// No container engine builds it in the tests.
    #[test]
    fn the_image_is_built_with_what_the_build_needs() {
        let file =
            std::fs::read_to_string(crate::checkout::root().join("deploy/Dockerfile")).expect("a file");
        let installs = file.lines().find(|line| line.contains("apt-get install")).expect("a line");
        // The first stage is made from the image of Rust, which brings these.
        let brought = ["gcc", "libc6-dev"];
        for requirement in ALL.iter().filter(|requirement| !requirement.is_for_servers) {
            for name in requirement.debian.iter().filter(|name| !brought.contains(name)) {
                assert!(installs.split_whitespace().any(|word| word == *name), "{name}: {installs}");
            }
        }
    }

    #[test]
    fn packages_follow_the_system_and_come_once() {
        let all: Vec<_> = ALL.iter().chain(ALL).copied().collect();
        let fedora = packages(&all, System::Fedora);
        assert_eq!(
            fedora,
            [
                "gcc",
                "gcc-c++",
                "make",
                "cmake",
                "perl-core",
                "clang-devel",
                "java-latest-openjdk-devel",
                "maven"
            ]
        );
        assert!(packages(&all, System::Debian).iter().any(|name| name.contains("jdk-headless")));
    }
}
