#!/bin/sh
# Removes from node_modules, in the current folder, what this machine's Linux containers never load, and the packages
# named: prune.sh [PACKAGE...]
set -eu
arch=$(node -p process.arch)
rust=$(node -p '({ x64: "x86_64", arm64: "aarch64" })[process.arch]')
cd node_modules

find onnxruntime-node/bin -mindepth 2 -maxdepth 2 ! -name linux -exec rm -rf {} +
find onnxruntime-node/bin/*/linux -mindepth 1 -maxdepth 1 ! -name "$arch" -exec rm -rf {} +
find @temporalio/core-bridge/releases -mindepth 1 -maxdepth 1 ! -name "$rust-unknown-linux-gnu" -exec rm -rf {} +
# The workflows' bundle is made before: what makes it is loaded by name, and its compiler never.
rm -rf @swc/core-* @img/*-wasm32 @img/*linuxmusl*
# Sources that koffi's own install script would compile: its binary is a package of its own.
rm -rf koffi/lib koffi/vendor koffi/cnoke.cjs @koromix/koffi-*/musl_*
find . -type f \( -name '*.map' -o -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' -o -name '*.md' \) \
  ! -iname 'license*' ! -iname 'notice*' -delete
for package in "$@"; do rm -rf "$package"; done
find . -type d -empty -delete
