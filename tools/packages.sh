#!/usr/bin/env bash
# packages.sh [--tests | --arm]: installs what building needs (with --tests: what the tests need, too; with
# --arm: what they need to run for 64-bit ARM) from Debian's packages. Does nothing when all of it is there.
set -euo pipefail

packages=(g++ cmake ninja-build libdnnl-dev libstb-dev libcli11-dev nlohmann-json3-dev
  libjpeg62-turbo-dev libpng-dev libwebp-dev libtiff-dev libexif-dev
  libcurl4-openssl-dev libssl-dev)
if [ "${1:-}" = --tests ]; then
  packages+=(catch2 imagemagick python3 clang libclang-rt-dev)
elif [ "${1:-}" = --arm ]; then
  packages=(cmake ninja-build libstb-dev libcli11-dev nlohmann-json3-dev catch2
    g++-aarch64-linux-gnu qemu-user)
elif [ -n "${1:-}" ]; then
  echo "packages.sh: unknown argument $1; there are --tests and --arm" >&2
  exit 2
fi

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  echo "packages.sh: this is no Debian system; install the equivalents of: ${packages[*]}" >&2
  exit 0 # the configuration tells what is really missing
fi

missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

echo "installing: ${missing[*]}"
as_root=()
if [ "$(id -u)" != 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "packages.sh: run as root: apt-get install ${missing[*]}" >&2
    exit 3
  fi
  as_root=(sudo)
fi
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
