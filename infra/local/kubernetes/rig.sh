#!/bin/bash
# A real Kubernetes for tests, wholly on this machine: API server, controllers, scheduler, and nodes that run containers.
#
#   rig.sh run KUBE IMAGES NODE... -- COMMAND   runs COMMAND beside a fresh cluster, which ends with it
#   rig.sh start|kill COMPONENT                 from within COMMAND: etcd, apiserver, controller-manager, ...
#
# KUBE is the program built from kube/, IMAGES a folder with docker-archives (*.tar) that every node gets. NODE is a
# name, with labels and taints behind commas: `node-1,zone=a,nvidia.com/gpu=yes:NoSchedule`.
#
# Everything runs in network, mount and process namespaces of its own: nothing of it can be reached from outside, and
# it ends with this script. COMMAND listens on 10.99.0.1 for what pods shall reach. It sees KUBECONFIG, KUBE, and
# TESSERA_RIG: a folder with logs, and process ids (components/NAME.pid, nodes/NAME/*.pid). See node.sh for faults.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
HOST=10.99.0.1 FIRST_SERVICE_IP=10.0.0.1

main() {
  case "${1:-}" in
    run) shift && run "$@" ;;
    inside) shift && inside "$@" ;;
    start) start_component "$2" ;;
    kill) kill -KILL "$(cat "$TESSERA_RIG/components/$2.pid")" ;;
    *) echo 'usage: rig.sh run KUBE IMAGES NODE... -- COMMAND | rig.sh start|kill COMPONENT' >&2 && exit 2 ;;
  esac
}

# Outside of the namespaces: starts them, and clears away what the kernel doesn't.
run() {
  check_machine
  # In /tmp: sockets' paths must be short, and the nodes have a /var of their own.
  TESSERA_RIG=$(mktemp -d /tmp/tessera-rig-XXXXXX)
  chmod 755 "$TESSERA_RIG" # Pods' volumes lie in it, and pods aren't root.
  RIG_CGROUP=tessera-rig.$$
  export TESSERA_RIG RIG_CGROUP
  sweep_cgroups
  trap clean_up EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  trap 'exit 129' HUP
  # However we end, unshare ends, and then its child, the first process in there, and so all others.
  setpriv --pdeathsig KILL \
    unshare --net --mount --pid --fork --kill-child --mount-proc "${BASH_SOURCE[0]}" inside "$@" &
  unshare_pid=$!
  wait "$unshare_pid"
}

check_machine() {
  local tool missing=()
  [ "$(uname -s)" = Linux ] && [ "$(id -u)" = 0 ] || fail 'it needs Linux and root'
  for tool in containerd ctr runc iptables conntrack ip unshare setpriv nsenter openssl; do
    command -v "$tool" >/dev/null || missing+=("$tool")
  done
  [ -x /usr/lib/cni/bridge ] || missing+=(/usr/lib/cni/bridge)
  [ ${#missing[@]} = 0 ] || fail "this machine lacks ${missing[*]}"
}

fail() {
  echo "The test cluster can't start: $1." >&2
  exit 1
}

clean_up() {
  kill -KILL "${unshare_pid:-}" 2>/dev/null || true
  wait 2>/dev/null || true
  remove_cgroup "$RIG_CGROUP"
  # Processes that were just killed may still be writing.
  for _ in 1 2 3 4 5; do rm -rf --one-file-system "$TESSERA_RIG" 2>/dev/null && return; sleep 0.2; done
}

# Of rigs that were killed.
sweep_cgroups() {
  local folder name
  for folder in /sys/fs/cgroup/tessera-rig.* /sys/fs/cgroup/*/tessera-rig.*; do
    name=$(basename "$folder")
    if [ -d "$folder" ] && ! kill -0 "${name#tessera-rig.}" 2>/dev/null; then remove_cgroup "$name"; fi
  done
}

remove_cgroup() {
  local tries
  for tries in 1 2 3 4 5 6 7 8 9 10; do
    find /sys/fs/cgroup/"$1" /sys/fs/cgroup/*/"$1" -depth -type d -exec rmdir {} + 2>/dev/null || true
    compgen -G "/sys/fs/cgroup/$1" >/dev/null || compgen -G "/sys/fs/cgroup/*/$1" >/dev/null || return 0
    sleep 0.2
  done
}

# Within the namespaces.
inside() {
  local kube=$1 images=$2 folder=$PWD nodes=()
  shift 2
  while [ $# -gt 0 ] && [ "$1" != -- ]; do nodes+=("$1"); shift; done
  shift

  export KUBE=$TESSERA_RIG/kube KUBECONFIG=$TESSERA_RIG/kubeconfig
  cp --reflink=auto "$kube" "$KUBE" # The nodes see no /var, and the cache may be there.
  cd "$TESSERA_RIG"
  mkdir components nodes
  make_network
  mount -t tmpfs tmpfs /run # containerd's shims and CNI leave sockets and namespaces there.
  make_identities "${nodes[@]}"
  local component
  for component in etcd apiserver controller-manager scheduler; do start_component "$component"; done
  local number=0 node pids=()
  for node in "${nodes[@]}"; do
    number=$((number + 1))
    RIG_IMAGES=$images "$here/node.sh" create "$node" "$number" & pids+=($!)
  done
  for pid in "${pids[@]}"; do wait "$pid" || { tail -n 20 nodes/*/*.log >&2; fail 'a node did not become ready'; }; done
  start_component proxy
  start_component dns
  until kubectl -n default get serviceaccount default >/dev/null 2>&1; do sleep 0.1; done
  cd "$folder"
  "$@"
}

make_network() {
  ip link set lo up
  # Stands for a network card: the API server takes no loopback address, and not every kernel has dummy interfaces.
  ip link add rig type bridge
  ip addr add $HOST/24 dev rig
  ip link set rig up
  ip route add default dev rig
  sysctl -qw net.ipv4.ip_forward=1
  echo "nameserver $HOST" >resolv.conf
}

make_identities() {
  local key='-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30'
  openssl req -x509 $key -keyout ca.key -out ca.crt -subj /CN=rig-ca 2>openssl.log
  openssl req -x509 $key -keyout api.key -out api.crt -subj /CN=kube-apiserver -CA ca.crt -CAkey ca.key \
    -addext "subjectAltName=IP:$HOST,IP:$FIRST_SERVICE_IP,DNS:kubernetes.default.svc" 2>>openssl.log
  openssl req -x509 $key -keyout kubelet-client.key -out kubelet-client.crt -subj /O=system:masters/CN=apiserver \
    -CA ca.crt -CAkey ca.key 2>>openssl.log
  openssl genrsa -out service-accounts.key 2048 2>>openssl.log
  echo 'admin-token,admin,admin,"system:masters"' >tokens.csv
  write_kubeconfig admin-token >kubeconfig
  local node name
  for node in "$@"; do
    name=${node%%,*}
    mkdir -p "nodes/$name"
    echo "$name-token,system:node:$name,$name,\"system:nodes\"" >>tokens.csv
    write_kubeconfig "$name-token" >"nodes/$name/kubeconfig"
  done
}

write_kubeconfig() {
  cat <<YAML
apiVersion: v1
kind: Config
clusters: [{name: rig, cluster: {server: "https://$HOST:6443", certificate-authority: $TESSERA_RIG/ca.crt}}]
users: [{name: user, user: {token: $1}}]
contexts: [{name: rig, context: {cluster: rig, user: user}}]
current-context: rig
YAML
}

start_component() {
  cd "$TESSERA_RIG"
  case "$1" in
    etcd) launch etcd --data-dir etcd --unsafe-no-fsync --log-level warn ;;
    apiserver)
      launch apiserver --etcd-servers http://127.0.0.1:2379 --bind-address $HOST --secure-port 6443 --profiling=false \
        --tls-cert-file api.crt --tls-private-key-file api.key --client-ca-file ca.crt --token-auth-file tokens.csv \
        --authorization-mode Node,RBAC --enable-admission-plugins NodeRestriction --allow-privileged \
        --service-account-key-file service-accounts.key --service-account-signing-key-file service-accounts.key \
        --service-account-issuer https://kubernetes.default.svc --service-cluster-ip-range 10.0.0.0/24 \
        --kubelet-client-certificate kubelet-client.crt --kubelet-client-key kubelet-client.key \
        --kubelet-preferred-address-types InternalIP
      until kubectl get --raw /readyz >/dev/null 2>&1; do
        kill -0 "$(cat components/apiserver.pid)" || { tail -n 5 apiserver.log >&2; fail 'the API server ended'; }
        sleep 0.1
      done
      ;;
    controller-manager)
      launch controller-manager --kubeconfig kubeconfig --secure-port 0 --leader-elect=false \
        --service-account-private-key-file service-accounts.key --root-ca-file ca.crt \
        --use-service-account-credentials --node-monitor-grace-period 20s --node-monitor-period 2s
      ;;
    scheduler) launch scheduler --kubeconfig kubeconfig --secure-port 0 --leader-elect=false ;;
    # One for all nodes, since they share a network. All is masqueraded: pods of one node answer each other past it.
    proxy)
      launch proxy --kubeconfig kubeconfig --hostname-override "$(ls nodes | head -n 1)" --proxy-mode iptables \
        --masquerade-all --cluster-cidr 10.88.0.0/16 --conntrack-max-per-core 0
      ;;
    dns) launch dns --kubeconfig kubeconfig --listen $HOST:53 ;;
    *) echo "rig.sh: there is no component $1" >&2 && exit 2 ;;
  esac
}

launch() {
  "$KUBE" "$@" >>"$TESSERA_RIG/$1.log" 2>&1 &
  echo $! >"$TESSERA_RIG/components/$1.pid"
  disown # Else bash would report its end.
}

kubectl() { "$KUBE" kubectl "$@"; }

main "$@"; exit
