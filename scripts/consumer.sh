#!/usr/bin/env bash
# Installs the release build to a scratch prefix and builds a stranger's program against it twice,
# with find_package and with pkg-config; runs both. Then moves the prefix and does it again, so that
# no path of this repository is left in what is installed.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

work="$tarn_root/build/consumer"
source_dir="$tarn_root/tests/consumer"

# try_prefix NAME: builds and runs both programs against $work/NAME.
try_prefix() {
  local prefix="$work/$1" out="$work/$1-build"
  step "building a find_package consumer against $1"
  quietly "$out-configure.log" cmake -S "$source_dir" -B "$out" -G Ninja \
    -DCMAKE_BUILD_TYPE=Release -DCMAKE_PREFIX_PATH="$prefix"
  quietly "$out.log" cmake --build "$out"
  step "running it"
  "$out/consumer"
  step "building a pkg-config consumer against $1"
  local pc flags
  pc=$(dirname "$(find "$prefix" -name tarn.pc)")
  read -ra flags < <(PKG_CONFIG_PATH="$pc" pkg-config --cflags --libs --static tarn)
  quietly "$out-pc.log" "${CXX:-g++}" -std=c++20 -O2 -Wall -Wextra -Wpedantic -Werror \
    "$source_dir/consumer.cc" -o "$work/$1-pc" "${flags[@]}"
  step "running it"
  "$work/$1-pc"
}

build release tarn
rm -rf "$work"
step "installing to a scratch prefix"
quietly "$tarn_root/build/consumer-install.log" \
  cmake --install "$tarn_root/build/release" --prefix "$work/prefix"
try_prefix prefix
step "moving the prefix"
mv "$work/prefix" "$work/moved"
if grep -rIl -e "$tarn_root" "$work/moved"; then
  die "installed files name a path of this repository"
fi
try_prefix moved
say "an installed tarn works with find_package and with pkg-config"
