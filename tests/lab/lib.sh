# Shared by the scripts of the lab: its names, its addresses, its state, and how to start and end a host.
# Sourced, not run; sourcing it changes nothing.
# shellcheck shell=bash disable=SC2034  # its constants are used where it is sourced

default_lab_dir=/var/tmp/hostsplit-lab
lab_dir=${HOSTSPLIT_LAB:-$default_lab_dir}
image_cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/hostsplit/images
# The scripts of the lab, wherever they are called from.
lab_bin=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
fabric_ns=hostsplit-lab
fabric_bridge=fabric
prefix=10.77.0
fabric_address=$prefix.1
max_hosts=20
ready_seconds=60

say() { printf 'lab: %s\n' "$*" >&2; }
fail() {
  printf 'lab: error: %s\n' "$1" >&2
  shift
  for hint in "$@"; do printf '     %s\n' "$hint" >&2; done
  exit 1
}

# The state directory must be an absolute path that leaves room for a socket's name (107 bytes at most).
check_lab_dir() {
  [[ $lab_dir == /?* && ! $lab_dir =~ [[:space:]] ]] \
    || fail "HOSTSPLIT_LAB must be an absolute path without blanks, not '$lab_dir'"
  [[ $lab_dir != /run/* && $lab_dir != /var/run/* ]] || fail "HOSTSPLIT_LAB cannot lie below /run, which each host has for itself"
  [ "${#lab_dir}" -le 70 ] || fail "HOSTSPLIT_LAB is too long for a unix socket below it: '$lab_dir' (70 characters at most)"
}

# An `up` that was killed right after it made its directory: ours by its name, if it is empty. A directory of
# another name is somebody's until it carries the lab's mark.
forget_empty_lab_dir() { [ "$lab_dir" = "$default_lab_dir" ] && rmdir "$lab_dir" 2> /dev/null; }

need_root() {
  [ "$(id -u)" = 0 ] || fail "the lab makes network namespaces and mounts: run this as root" "sudo $0 $*"
}

need_commands() {
  local command missing=()
  for command in "$@"; do
    PATH=$PATH:/usr/sbin:/sbin command -v "$command" > /dev/null || missing+=("$command")
  done
  [ ${#missing[@]} = 0 ] || fail "not installed: ${missing[*]}" "$lab_bin/install installs what the lab needs"
}

# One command at a time changes the lab. The lock is on the directory of the scripts, so it leaves no file.
take_lock() {
  exec 9< "$lab_bin"
  flock --wait 90 9 || fail "another command of the lab has been at work for 90 s; wait for it, then try again"
}

host_ns() { printf '%s-%s\n' "$fabric_ns" "$1"; }
host_number() { printf '%s\n' "${1#h}"; }
host_address() { printf '%s.%s\n' "$prefix" "$((10 + $(host_number "$1")))"; }
host_uri() { printf 'qemu+unix:///system?socket=%s/%s/sock/libvirt-sock\n' "$lab_dir" "$1"; }
has_ns() { [ -e "/run/netns/$1" ]; }

# The namespaces of the lab that exist, one a line, hosts first.
lab_namespaces() {
  local path
  for path in "/run/netns/$fabric_ns"-h* "/run/netns/$fabric_ns"; do
    [ ! -e "$path" ] || basename "$path"
  done
}

# Where the lab that is up keeps its state: its bridge remembers it. Empty if there is none.
lab_state() {
  has_ns "$fabric_ns" || return 0
  ip -n "$fabric_ns" -o link show "$fabric_bridge" 2> /dev/null | sed -n 's/.*alias //p'
}
# Refuses to work on a lab whose state lies elsewhere.
same_state() {
  local state
  state=$(lab_state)
  [ -z "$state" ] || [ "$state" = "$lab_dir" ] \
    || fail "the lab that is up keeps its state in $state, not in $lab_dir" "export HOSTSPLIT_LAB=$state"
}

# A host is named on the command line: refuse what is none of ours.
need_host() {
  [[ ${1:-} =~ ^h[1-9][0-9]?$ ]] || fail "which host? name one like h1" "usage: $0 hN"
  same_state
  { has_ns "$(host_ns "$1")" && [ -d "$lab_dir/$1" ]; } \
    || fail "there is no host $1 in this lab" "the hosts: $(known_hosts)" "$lab_bin/up N brings a lab up"
}
known_hosts() {
  if [ -s "$lab_dir/hosts" ]; then cut -d ' ' -f 1 "$lab_dir/hosts" | paste -sd ' '; else echo none; fi
}

# Us and those who called us, one pid a line: `exec` may have put us into the lab's network ourselves.
own_pids() {
  local pid=$$
  while [ "${pid:-0}" -gt 1 ]; do
    echo "$pid"
    # One that has ended meanwhile has no callers any more.
    pid=$(awk '$1 == "PPid:" { print $2 }' "/proc/$pid/status" 2> /dev/null || true)
  done
}
# Ends every process of a namespace but us, by pid, until none is left.
kill_ns() {
  local ns=$1 try pid own listed alive
  own=$(own_pids)
  for try in $(seq 100); do
    alive=()
    # The command that lists them may be in that network itself; it is gone by the time we look.
    listed=$(ip netns pids "$ns" 2> /dev/null || true)
    for pid in $listed; do
      if [[ $'\n'$own$'\n' != *$'\n'$pid$'\n'* ]] && kill -KILL "$pid" 2> /dev/null; then alive+=("$pid"); fi
    done
    [ ${#alive[@]} -gt 0 ] || return 0
    sleep 0.05
  done
  fail "after $try tries processes still run in $ns: ${alive[*]}"
}

# Removes a host and all that belongs to it. Its line leaves `etc-hosts` in place: hosts have that very file mounted.
remove_host() {
  local host=$1 ns file lines
  ns=$(host_ns "$host")
  if has_ns "$ns"; then
    kill_ns "$ns"
    ip netns delete "$ns"
  fi
  ip -n "$fabric_ns" link delete "$host" 2> /dev/null || true
  rm -rf --one-file-system "${lab_dir:?}/$host"
  for file in hosts etc-hosts; do
    lines=$(grep -v -w "$host" "$lab_dir/$file" || true)
    printf '%s' "${lines:+$lines$'\n'}" > "$lab_dir/$file"
  done
}

# Ends what runs on a host whose namespace has lost its name (somebody unmounted it, or it has that name only in
# another mount namespace): the daemons by the pids that they recorded, the rest by the network they share with them.
kill_nameless() {
  local file pid net process
  for file in "$lab_dir"/h*/pid/*; do
    pid=$(cat "$file" 2> /dev/null) || continue
    grep -q -a -F "$lab_dir/" "/proc/${pid:-none}/cmdline" 2> /dev/null || continue
    net=$(readlink "/proc/$pid/ns/net") || continue
    [ "$net" != "$(readlink /proc/self/ns/net)" ] || continue
    for process in /proc/[0-9]*; do
      [ "$(readlink "$process/ns/net" 2> /dev/null)" != "$net" ] || kill -KILL "${process#/proc/}" 2> /dev/null || true
    done
  done
}

# Starts libvirt in a host's namespaces; `wait_host` waits until it answers.
start_host() {
  local host=$1 ns
  ns=$(host_ns "$host")
  # Our lock and our terminal are not passed on; `host-init` closes whatever else a caller has left open.
  setsid ip netns exec "$ns" unshare --mount --uts --propagation private \
    "$lab_bin/host-init" "$host" 9<&- < /dev/null > "$lab_dir/$host/log/boot.log" 2>&1 &
}
wait_host() {
  local host=$1 uri until
  uri=$(host_uri "$host")
  until=$((SECONDS + ready_seconds))
  until virsh --quiet --connect "$uri" version > /dev/null 2>&1 9<&-; do
    if [ "$SECONDS" -ge "$until" ]; then
      tail -n 5 "$lab_dir/$host"/log/{boot,libvirtd}.log >&2 || true
      fail "libvirt on $host did not answer within $ready_seconds s; its last lines are above"
    fi
    sleep 0.1
  done
  # libvirt looks for bridges after it has begun to answer, and `discover` asks for those that are up.
  until virsh --quiet --connect "$uri" iface-dumpxml br0 2> /dev/null 9<&- | grep -q "type='bridge'" \
    && virsh --quiet --connect "$uri" iface-list 2> /dev/null 9<&- | grep -q -w br0; do
    [ "$SECONDS" -lt "$until" ] || fail "libvirt on $host does not list its bridge br0"
    sleep 0.1
  done
}

# Defines, autostarts and starts a pool of a host, unless it is there.
make_pool() {
  local host=$1 pool=$2 target=$3 uri step
  uri=$(host_uri "$host")
  virsh --quiet --connect "$uri" pool-info "$pool" > /dev/null 2>&1 9<&- && return
  for step in "pool-define-as $pool dir --target $target" "pool-autostart $pool" "pool-start $pool"; do
    # shellcheck disable=SC2086  # the words of a step
    virsh --quiet --connect "$uri" $step > /dev/null 9<&- || fail "$host refused: virsh $step"
  done
}
host_answers() { timeout 10 virsh --quiet --connect "$(host_uri "$1")" version > /dev/null 2>&1 9<&-; }
