//! The package manager of this machine.

use std::process::Command;

use anyhow::Result;

/// What decides on names of packages and how to install them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum System {
    /// Debian, Ubuntu and what is made of them.
    Debian,
    /// Fedora, and what is made of it.
    Fedora,
    /// macOS with Homebrew.
    MacOs,
    /// Anything else: told the names of Debian's packages.
    Other,
}

impl System {
    pub(super) fn of_this_machine() -> Self {
        if cfg!(target_os = "macos") {
            return Self::MacOs;
        }
        Self::from_os_release(&std::fs::read_to_string("/etc/os-release").unwrap_or_default())
    }

    fn from_os_release(text: &str) -> Self {
        let is = |wanted: &[&str]| {
            text.lines()
                .filter_map(|line| line.strip_prefix("ID=").or_else(|| line.strip_prefix("ID_LIKE=")))
                .flat_map(|ids| ids.trim_matches('"').split_whitespace())
                .any(|id| wanted.contains(&id))
        };
        if is(&["debian", "ubuntu"]) {
            Self::Debian
        } else if is(&["fedora", "rhel"]) {
            Self::Fedora
        } else {
            Self::Other
        }
    }

    /// Whether [`apt_get_install`] works without asking anybody.
    pub(super) fn can_install(self) -> bool {
        self == Self::Debian
            && crate::command::find("apt-get").is_some()
            && crate::command::output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
    }

    /// The one command that installs the packages, to be typed by a person.
    pub(super) fn install_line(self, packages: &[&str]) -> String {
        let packages = packages.join(" ");
        match self {
            Self::Debian => format!("sudo apt-get update && sudo apt-get install -y {packages}"),
            Self::Fedora => format!("sudo dnf install -y {packages}"),
            Self::MacOs if packages.is_empty() => "xcode-select --install".to_owned(),
            Self::MacOs => format!("xcode-select --install; brew install {packages}"),
            Self::Other => format!("(with this system's package manager; Debian's names) {packages}"),
        }
    }
}

/// Installs packages as root with apt-get, where [`System::can_install`].
///
/// # Errors
/// The package index cannot be reached, or has no such package.
pub(super) fn apt_get_install(packages: &[&str]) -> Result<()> {
    eprintln!("Installing: {}", packages.join(" "));
    crate::command::run(apt_get().args(["update", "-qq"]))?;
    crate::command::run(apt_get().args(["install", "-y", "-qq", "--no-install-recommends"]).args(packages))
}

fn apt_get() -> Command {
    let mut apt_get = Command::new("apt-get");
    apt_get.env("DEBIAN_FRONTEND", "noninteractive");
    apt_get
}

#[cfg(test)]
mod tests {
    use super::System;

    #[test]
    fn systems_are_known_by_their_family() {
        assert_eq!(System::from_os_release("NAME=\"Debian\"\nID=debian\n"), System::Debian);
        assert_eq!(System::from_os_release("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n"), System::Debian);
        assert_eq!(System::from_os_release("ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n"), System::Fedora);
        assert_eq!(System::from_os_release("ID=arch\n"), System::Other);
    }

    #[test]
    fn every_system_gets_one_command() {
        assert_eq!(
            System::Debian.install_line(&["g++", "make"]),
            "sudo apt-get update && sudo apt-get install -y g++ make"
        );
        assert_eq!(System::Fedora.install_line(&["gcc-c++"]), "sudo dnf install -y gcc-c++");
        assert_eq!(System::MacOs.install_line(&[]), "xcode-select --install");
    }
}
