#!/usr/bin/env bash
# Installs what building and checking tarn needs, on Debian 12. Run it, or source it and call
# tarn_setup. Does nothing when everything is there; safe to repeat.
# Not here: the build (run.sh, test.sh).
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# "package probe...": the package is there when a probe is: a command, or a file (globs allowed).
tarn_packages=(
  "cmake cmake"
  "ninja-build ninja"
  "g++ g++"
  "clang-14 clang++-14"
  "libclang-rt-14-dev /usr/lib/llvm-14/lib/clang/*/lib/linux/libclang_rt.asan*.a"
  "clang-format-14 clang-format-14"
  "libabsl-dev /usr/include/absl/status/statusor.h"
  "libgtest-dev /usr/include/gtest/gtest.h"
  "libbenchmark-dev /usr/include/benchmark/benchmark.h"
  "libgmp-dev /usr/include/gmp.h /usr/include/*-linux-gnu/gmp.h"
  "pkg-config pkg-config"
  "python3 python3"
  "spin spin"
  "binutils objdump"
  "git git"
)
# Headers to compile for arm64 (scripts/check_arm64); an arm64 machine has its own.
if [[ $(uname -m) != aarch64 ]]; then
  tarn_packages+=(
    "libc6-dev-arm64-cross /usr/aarch64-linux-gnu/include/stdio.h"
    "libstdc++-12-dev-arm64-cross /usr/aarch64-linux-gnu/include/c++/12/vector"
  )
fi

tarn_has() {
  local probe
  for probe in "$@"; do
    if [[ $probe == /* ]]; then
      compgen -G "$probe" >/dev/null && return 0
    else
      command -v "$probe" >/dev/null && return 0
    fi
  done
  return 1
}

# Prints the packages that are missing, one a line.
tarn_missing() {
  local line
  for line in "${tarn_packages[@]}"; do
    local words
    read -ra words <<<"$line"
    # The probes stay unexpanded here; tarn_has expands them.
    tarn_has "${words[@]:1}" || echo "${words[0]}"
  done
}

# tarn_apt ARGS...: apt-get as root, three tries, output in build/setup.log.
tarn_apt() {
  local as_root=() try
  if [[ $(id -u) -ne 0 ]]; then
    as_root=(sudo)
    [[ -t 0 ]] || as_root=(sudo -n)
  fi
  for try in 1 2 3; do
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -y -q \
      -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 "$@" \
      >>"$tarn_root/build/setup.log" 2>&1 </dev/null && return 0
    [[ $try -eq 3 ]] || { say "apt-get $1 failed, trying again"; sleep $((try * 5)); }
  done
  return 1
}

tarn_setup() {
  step "checking for the tools and libraries that the build needs"
  local missing
  mapfile -t missing < <(tarn_missing)
  if [[ ${#missing[@]} -eq 0 ]]; then
    say "all ${#tarn_packages[@]} packages are there"
    return 0
  fi
  command -v apt-get >/dev/null ||
    die "no apt-get here; install the equivalents of these Debian packages: ${missing[*]}"
  if [[ $(id -u) -ne 0 ]] && ! { command -v sudo >/dev/null && { [[ -t 0 ]] || sudo -n true; }; } \
    2>/dev/null; then
    die "not root and no usable sudo; ask an administrator for: apt-get install ${missing[*]}"
  fi
  mkdir -p "$tarn_root/build"
  step "installing ${#missing[@]} packages: ${missing[*]}"
  tarn_apt update || die "apt-get update did not succeed (see build/setup.log)"
  tarn_apt install --no-install-recommends "${missing[@]}" ||
    die "apt-get could not install: ${missing[*]} (see build/setup.log)"
  mapfile -t missing < <(tarn_missing)
  [[ ${#missing[@]} -eq 0 ]] || die "still missing after installation: ${missing[*]}"
  say "installed"
}

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then
  tarn_setup
fi
