#!/bin/bash
# The nodes of rig.sh: real ones, of containerd and a kubelet each. Only within the rig.
#
#   node.sh lose NAME    kills containerd and the kubelet: the cluster loses the node, while its containers run on
#   node.sh kill NAME    kills all that runs on it, as a power cut does
#   node.sh start NAME   starts what of it doesn't run
#   node.sh create SPEC NUMBER   for rig.sh
#
# A node has a /var of its own, and so a folder /var/cache/tessera of its own. Its GPUs are an extended resource that
# nothing checks: scheduler and quota count them, no device is there.
set -euo pipefail
HOST=10.99.0.1 GPUS=2
action=$1 name=${2%%,*}
dir=$TESSERA_RIG/nodes/$name

main() {
  case "$action" in
    create) create "$2" "$3" && take_unpacked && start && import_images && wait_until_ready ;;
    start) renewed=$(lease) && start && await_renewal && wait_until_ready ;;
    lose) kill -KILL "$(cat "$dir/kubelet.pid")" "$(cat "$dir/containerd.pid")" ;;
    kill) power_off ;;
    hold) echo $$ >"$dir/holder.pid" && exec sleep infinity ;;
    *) echo 'usage: node.sh lose|kill|start NAME' >&2 && exit 2 ;;
  esac
}

start() {
  is_alive holder || hold_namespace
  is_alive containerd || launch containerd containerd -c "$dir/containerd.toml"
  until ctr -a "$dir/containerd.sock" version >/dev/null 2>&1; do sleep 0.1; done
  is_alive kubelet || launch kubelet "$KUBE" kubelet --config "$dir/kubelet.yaml" --kubeconfig "$dir/kubeconfig" \
    --hostname-override "$name" --node-ip "$HOST" --node-labels "$(cat "$dir/labels")"
}

# A process that keeps the node's mounts when all others are killed, in a cgroup by which they are found again.
hold_namespace() {
  (
    echo $BASHPID >"$(leaf_cgroup)/cgroup.procs"
    exec unshare --mount --propagation private bash -c 'mount --rbind "$1/var" /var && exec "$2" hold "$3"' \
      - "$dir" "${BASH_SOURCE[0]}" "$name"
  ) &
  until is_alive holder; do sleep 0.05; done
}

launch() {
  local log=$1
  shift
  (
    echo $BASHPID >"$(leaf_cgroup)/cgroup.procs"
    exec nsenter --mount --target "$(cat "$dir/holder.pid")" "$@"
  ) >>"$dir/$log.log" 2>&1 &
  echo $! >"$dir/$log.pid"
  disown # Else bash would report its end.
}

is_alive() { [ -f "$dir/$1.pid" ] && kill -0 "$(cat "$dir/$1.pid")" 2>/dev/null; }

power_off() {
  local tries
  for tries in 1 2 3 4 5; do
    find "$(node_cgroup)" -name cgroup.procs -exec cat {} + | xargs --no-run-if-empty kill -KILL 2>/dev/null || true
    sleep 0.1
    [ -n "$(find "$(node_cgroup)" -name cgroup.procs -exec cat {} +)" ] || break
  done
  rm -f "$dir"/*.pid
}

is_cgroup_v2() { [ -f /sys/fs/cgroup/cgroup.controllers ]; }
node_cgroup() { if is_cgroup_v2; then echo "/sys/fs/cgroup/$RIG_CGROUP/$name"; else echo "/sys/fs/cgroup/pids/$RIG_CGROUP/$name"; fi; }
leaf_cgroup() { echo "$(node_cgroup)/system"; }

make_cgroups() {
  local hierarchy file
  if is_cgroup_v2; then
    mkdir -p "$(node_cgroup)"
    for hierarchy in /sys/fs/cgroup "/sys/fs/cgroup/$RIG_CGROUP" "$(node_cgroup)"; do
      echo '+cpu +cpuset +io +memory +pids' >"$hierarchy/cgroup.subtree_control"
    done
  else
    for hierarchy in cpu cpuacct cpuset memory devices freezer blkio pids systemd; do
      [ -d "/sys/fs/cgroup/$hierarchy" ] && mkdir -p "/sys/fs/cgroup/$hierarchy/$RIG_CGROUP/$name"
    done
    # An empty cpuset takes no process.
    for file in cpuset.cpus cpuset.mems; do
      for hierarchy in "$RIG_CGROUP" "$RIG_CGROUP/$name"; do
        cat "/sys/fs/cgroup/cpuset/$file" >"/sys/fs/cgroup/cpuset/$hierarchy/$file"
      done
    done
  fi
  mkdir -p "$(leaf_cgroup)"
}

create() {
  local number=$2
  make_cgroups
  mkdir -p "$dir/cni" "$dir"/var/{log,tmp,lib/kubelet,cache/tessera}
  ln -s /run "$dir/var/run"
  chmod 1777 "$dir/var/tmp" "$dir/var/cache/tessera"
  # Of `node,label=value,taint=value:Effect`.
  tr , '\n' <<<"$1" | sed 1d | grep -v : | paste -sd, >"$dir/labels" || true
  cat >"$dir/containerd.toml" <<TOML
version = 2
root = "$dir/containerd"
state = "$dir/containerd-state"
[grpc]
  address = "$dir/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  disable_apparmor = true
  restrict_oom_score_adj = true
  stream_server_port = "0"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$dir/cni"
TOML
  cat >"$dir/cni/10-rig.conflist" <<JSON
{"cniVersion": "0.4.0", "name": "rig$number", "plugins": [
  {"type": "bridge", "bridge": "rig$number", "isGateway": true, "ipMasq": false, "hairpinMode": true,
   "ipam": {"type": "host-local", "dataDir": "$dir/ipam", "subnet": "10.88.$number.0/24", "routes": [{"dst": "0.0.0.0/0"}]}}]}
JSON
  cat >"$dir/kubelet.yaml" <<YAML
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
failSwapOn: false
failCgroupV1: false
cgroupDriver: cgroupfs
cgroupRoot: /$RIG_CGROUP/$name
cgroupsPerQOS: true
enforceNodeAllocatable: []
containerRuntimeEndpoint: unix://$dir/containerd.sock
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $TESSERA_RIG/ca.crt}}
authorization: {mode: Webhook}
address: $HOST
port: $((10250 + number))
readOnlyPort: 0
healthzPort: 0
clusterDNS: [$HOST]
clusterDomain: cluster.local
resolvConf: $TESSERA_RIG/resolv.conf
nodeStatusUpdateFrequency: 2s
evictionHard: {}
imageGCHighThresholdPercent: 100
registerWithTaints: [$(taints "$1")]
YAML
}

# `{key: "k", value: "v", effect: "E"}, ...` of `node,label=value,k=v:E`
taints() {
  tr , '\n' <<<"$1" | sed -nE '1d; s/^([^=:]+)=?([^:]*):(.+)$/{key: "\1", value: "\2", effect: "\3"}/p' | paste -sd,
}

# By hard links, which takes a second: nothing but its databases is ever written to again.
take_unpacked() {
  local from=$RIG_IMAGES/unpacked database
  [ -d "$from" ] && cp --archive --link "$from" "$dir/containerd" 2>/dev/null || { rm -rf "$dir/containerd" && return; }
  for database in io.containerd.metadata.v1.bolt/meta.db io.containerd.snapshotter.v1.overlayfs/metadata.db; do
    cp --remove-destination "$from/$database" "$dir/containerd/$database"
  done
}

# Without such a folder, or with one on another file system.
import_images() {
  local image
  [ ! -d "$dir/containerd/io.containerd.content.v1.content/blobs" ] || return 0
  for image in "$RIG_IMAGES"/*.tar; do
    ctr -a "$dir/containerd.sock" -n k8s.io images import "$image" >>"$dir/import.log" 2>&1
  done
}

lease() { "$KUBE" kubectl --namespace kube-node-lease get lease "$name" --output jsonpath='{.spec.renewTime}'; }

# The cluster takes a node for ready for a while after it is lost.
await_renewal() { until [ "$(lease)" != "$renewed" ]; do sleep 0.2; done; }

wait_until_ready() {
  until "$KUBE" kubectl get node "$name" >/dev/null 2>&1; do sleep 0.1; done
  "$KUBE" kubectl wait --for=condition=Ready "node/$name" --timeout=60s >/dev/null
  # A kubelet sets resources that no device plugin gives to none when it starts.
  "$KUBE" kubectl patch node "$name" --subresource=status --type=json \
    -p "[{\"op\":\"add\",\"path\":\"/status/capacity/nvidia.com~1gpu\",\"value\":\"$GPUS\"}]" >/dev/null
  "$KUBE" kubectl wait "--for=jsonpath={.status.allocatable.nvidia\.com/gpu}=$GPUS" "node/$name" --timeout=60s >/dev/null
}

main "$@"; exit
