#!/bin/sh
# Writes what an image is made of: sbom.sh FOLDER. The npm packages as CycloneDX, Debian's as a list of name, version
# and architecture.
set -eu
mkdir -p "$1"
npm sbom --omit=dev --package-lock-only --sbom-format=cyclonedx >"$1/npm.cdx.json"
dpkg-query --show --showformat '${Package} ${Version} ${Architecture}\n' >"$1/debian.txt"
