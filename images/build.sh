#!/bin/bash
# Builds the images, with buildah or docker, whichever is there: images/build.sh [control] [worker] [worker-cuda]
# (control and worker-cuda if none is named). Settings, all optional, by environment:
#
#   REGISTRY      before the names: registry.example.org/team
#   TAG           their tag; by default the version and the commit
#   PUSH=yes      pushes them
#   NODE_IMAGE    the base; by default node:24-bookworm-slim, pinned to the digest that its registry has now
#   CUDA_ARCHS    GPU architectures whose kernels worker-cuda keeps, such as "80 90"; all if empty
#   SBOM          folder for the bills of materials; by default .tessera/sbom
#
# npm's and pip's settings of who builds, and the certificates of NODE_EXTRA_CA_CERTS or SSL_CERT_FILE, go into the
# steps that download, and into no layer.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

main() {
  choose_engine
  local version commit target
  version=$(sed -nE 's/^  "version": "(.+)",$/\1/p' package.json)
  commit=$(git describe --always --dirty --exclude='*' 2>/dev/null || echo unknown)
  CODE_VERSION=${CODE_VERSION:-$version+$commit}
  TAG=${TAG:-$version-$commit}
  NODE_IMAGE=$(pin "${NODE_IMAGE:-node:24-bookworm-slim}")
  echo "▸ $ENGINE, on $NODE_IMAGE"
  secrets=()
  add_secret npmrc "${NPM_CONFIG_USERCONFIG:-$HOME/.npmrc}"
  add_secret ca "${NODE_EXTRA_CA_CERTS:-${SSL_CERT_FILE:-}}"
  add_secret pip "${PIP_CONFIG_FILE:-$(first_file "$HOME/.config/pip/pip.conf" "$HOME/.pip/pip.conf" /etc/pip.conf)}"
  [ $# -gt 0 ] || set -- control worker-cuda
  for target; do
    case "$target" in
      control) build control tessera-control ;;
      worker) build worker tessera-worker --target cpu ;;
      worker-cuda) build worker "tessera-worker" --target cuda --build-arg "CUDA_ARCHS=${CUDA_ARCHS:-}" ;;
      *) fail "there is no image $target: control, worker or worker-cuda" ;;
    esac
  done
}

fail() {
  echo "images/build.sh: $1" >&2
  exit 1
}

choose_engine() {
  if command -v buildah >/dev/null; then
    ENGINE=buildah
  elif docker info >/dev/null 2>&1; then
    ENGINE=docker
  else
    fail 'it needs buildah, or docker with a running engine'
  fi
}

add_secret() { if [ -n "$2" ] && [ -f "$2" ]; then secrets+=(--secret "id=$1,src=$2"); fi; }

first_file() {
  local file
  for file; do if [ -f "$file" ]; then echo "$file" && return; fi; done
}

# The image by digest, if its registry answers; else by name, as it is on this machine.
pin() {
  local digest=
  case "$1" in *@* | localhost/*) echo "$1" && return ;; esac
  if [ $ENGINE = buildah ]; then
    buildah pull --quiet "$1" >/dev/null 2>&1 && digest=$(buildah images --format '{{.Digest}}' "$1" | head -n 1)
  else
    docker pull --quiet "$1" >/dev/null 2>&1 && digest=$(docker image inspect --format '{{index .RepoDigests 0}}' "$1")
  fi
  if [ -n "$digest" ]; then
    echo "${1%:*}@${digest##*@}"
  else
    echo "▸ no registry has $1: taken as it is here, without a digest" >&2
    echo "$1"
  fi
}

build() {
  local folder=$1 image=${REGISTRY:+$REGISTRY/}$2:$TAG options
  shift 2
  # The docker format, since OCI's has no HEALTHCHECK. --pull=false: the base is here by now.
  if [ $ENGINE = buildah ]; then options=(--layers --format docker); else options=(); fi
  DOCKER_BUILDKIT=1 $ENGINE build --pull=false "${options[@]}" "${secrets[@]}" --file "images/$folder/Dockerfile" \
    --build-arg "NODE_IMAGE=$NODE_IMAGE" --build-arg "TESSERA_CODE_VERSION=$CODE_VERSION" "$@" --tag "$image" .
  write_sbom "$image" "${SBOM:-.tessera/sbom}/$folder"
  echo "✓ $image, $(size "$image")"
  if [ "${PUSH:-}" = yes ]; then $ENGINE push "$image"; fi
}

write_sbom() {
  local from=/usr/share/doc/tessera container
  mkdir -p "$2"
  if [ $ENGINE = buildah ]; then
    container=$(buildah from --pull-never "$1")
    buildah run "$container" -- tar --create --directory $from . | tar --extract --directory "$2"
    buildah rm "$container" >/dev/null
  else
    docker run --rm --entrypoint tar "$1" --create --directory $from . | tar --extract --directory "$2"
  fi
}

size() {
  if [ $ENGINE = buildah ]; then
    buildah images --format '{{.Size}}' "$1"
  else
    docker image inspect --format '{{.Size}}' "$1" | numfmt --to si
  fi
}

main "$@"
