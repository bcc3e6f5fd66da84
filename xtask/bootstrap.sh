#!/bin/sh
# What `cargo xtask` itself needs before it can look after the rest: cargo and a linker.
set -eu

if ! command -v cargo >/dev/null 2>&1; then
  if [ -x "$HOME/.cargo/bin/cargo" ]; then
    echo "error: cargo is installed but not in PATH; run:  . \"\$HOME/.cargo/env\"" >&2
  else
    echo "error: Rust is missing; install it from https://rustup.rs" >&2
  fi
  exit 1
fi

if command -v cc >/dev/null 2>&1 && command -v make >/dev/null 2>&1; then
  exit 0
fi

if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
  echo "Installing a C compiler and make" >&2
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends gcc g++ libc6-dev make >&2
  exit 0
fi

echo "error: a C compiler and make are missing; install them with:" >&2
if command -v apt-get >/dev/null 2>&1; then
  echo "    sudo apt-get update && sudo apt-get install -y build-essential" >&2
elif command -v dnf >/dev/null 2>&1; then
  echo "    sudo dnf install -y gcc gcc-c++ make" >&2
else
  echo "    xcode-select --install        (macOS)" >&2
fi
exit 1
