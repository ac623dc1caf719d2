#!/bin/bash
# Makes the test cluster's images with buildah, without a registry. For images.mjs:
#
#   images.sh base CACHE NODE         Debian and this machine's Node, under the name from which the Dockerfiles start
#   images.sh tools CACHE VERSITYGW   the S3 server under its publisher's name, and what holds a pod's network
#   images.sh tessera CACHE ROOT      our own, by images/build.sh, tagged `test`
#   images.sh unpack CACHE            all of them as containerd keeps them, which nodes take over by hard links
set -euo pipefail
action=$1 cache=$2 argument=${3:-}
BASE=localhost/node:24-bookworm-slim
VERSITYGW=versity/versitygw:v1.8.0

# A store of our own: the user's is left alone, and all goes with the cache.
mkdir -p "$cache"
cat >"$cache/storage.conf" <<TOML
[storage]
driver = "overlay"
graphroot = "$cache/store"
runroot = "/run/tessera-images"
TOML
export CONTAINERS_STORAGE_CONF=$cache/storage.conf
export BUILDAH_ISOLATION=chroot # Works within containers too.

# What an interrupted build left.
buildah rm --all >/dev/null

base() {
  local container folder npm
  npm=$(dirname "$(dirname "$(readlink -f "$(command -v npm)")")")
  mmdebstrap --quiet --variant=minbase --include=ca-certificates,libstdc++6,libatomic1 bookworm "$cache/debian.tar"
  container=$(buildah from scratch)
  buildah add --quiet "$container" "$cache/debian.tar" /
  buildah copy --quiet "$container" "$argument" /usr/local/bin/node
  buildah copy --quiet "$container" "$npm" /usr/local/lib/node_modules/npm
  folder=$(buildah mount "$container")
  ln -s ../lib/node_modules/npm/bin/npm-cli.js "$folder/usr/local/bin/npm"
  rm -rf "$folder"/var/cache/apt/* "$folder"/var/lib/apt/lists/*
  find "$folder/usr/share/doc" -type f ! -name copyright -delete
  rm -rf "$folder"/usr/share/{man,locale,info}
  buildah umount "$container" >/dev/null
  buildah config --cmd node --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
  buildah commit --quiet --rm "$container" $BASE
  rm "$cache/debian.tar"
}

tools() {
  single_program "$argument" /usr/local/bin/versitygw '["/usr/local/bin/versitygw"]' $VERSITYGW versitygw
  single_program /bin/busybox /bin/busybox '["/bin/busybox", "sleep", "infinity"]' localhost/pause:1 pause
}

# single_program FILE PLACE ENTRYPOINT IMAGE ARCHIVE: statically linked, so that nothing else is needed.
single_program() {
  local container
  container=$(buildah from scratch)
  buildah copy --quiet --chmod 755 "$container" "$1" "$2"
  buildah config --entrypoint "$3" --cmd '' "$container"
  buildah commit --quiet --rm "$container" "$4"
  archive "$4" "$5"
}

tessera() {
  # Layers of earlier states are kept for the next build, but not without end: at the price of one full build.
  if [ "$(du --summarize --block-size=G "$cache/store" | cut -d G -f 1)" -ge 5 ]; then buildah rmi --prune --force; fi
  NODE_IMAGE=$BASE TAG=test CODE_VERSION=test SBOM=$cache/sbom "$argument/images/build.sh" control worker
  archive tessera-control:test tessera-control
  archive tessera-worker:test tessera-worker
}

# Into what is there from before, so that a change of code costs a layer. Nodes that took it over keep what they have.
unpack() {
  local run containerd image
  run=$(mktemp -d /tmp/tessera-unpack-XXXXXX)
  cat >"$run/containerd.toml" <<TOML
version = 2
root = "$cache/images/unpacked"
state = "$run/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"] # It would name images by their ids too, and so keep replaced ones.
[grpc]
  address = "$run/containerd.sock"
TOML
  containerd --config "$run/containerd.toml" >"$run/log" 2>&1 &
  containerd=$!
  ctr() { command ctr --address "$run/containerd.sock" --namespace k8s.io "$@"; }
  until ctr version >/dev/null 2>&1; do
    kill -0 $containerd || { cat "$run/log" >&2; exit 1; }
    sleep 0.1
  done
  for image in "$cache"/images/*.tar; do ctr images import "$image"; done
  # What was replaced goes with the next name that is removed in this way.
  ctr images tag localhost/pause:1 localhost/unneeded:1
  ctr images rm --sync localhost/unneeded:1
  kill $containerd
  wait $containerd || true
  rm -rf "$run"
}

archive() {
  rm -f "$cache/draft.tar"
  buildah push --quiet "$1" "docker-archive:$cache/draft.tar:$1"
  mv "$cache/draft.tar" "$cache/images/$2.tar"
}

"$action"
