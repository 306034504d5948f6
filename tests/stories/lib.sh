# Shared by the stories: a deployment in the lab, a client that writes, and what came of it. Sourced, not run.
# shellcheck shell=bash disable=SC2154  # what lab/lib.sh and a client's summary set
set -euo pipefail

stories=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
lab=$stories/../lab
# shellcheck source-path=SCRIPTDIR source=../lab/lib.sh
. "$lab/lib.sh"

# Where an operator would sit: spec, host files, plan, state. It goes with the lab.
work=$lab_dir/stories
story=${0##*/}
# What hand-overs are allowed: a refused request is acknowledged before that.
bound_ms=2000
# A failure that nobody announced: the node time-out (15 s), an election, and guests that emulation slows down.
# shellcheck disable=SC2034  # for the stories
failover_ms=60000
HOSTSPLIT=${HOSTSPLIT:-hostsplit}

bold='' plain=''
if [ -t 1 ]; then bold=$'\033[1m' plain=$'\033[0m'; fi
# What happens now, with the time since the story began.
note() { printf '\n%s# %4d s  %s%s\n' "$bold" "$SECONDS" "$*" "$plain"; }
# The story ends here, as failed.
failed() { printf '%s: FAILED: %s\n' "$story" "$*" >&2; exit 1; }
# Prints a command as it is typed, on stderr, then runs it.
typed() { printf '\n%s$ %s%s\n' "$bold" "$*" "$plain" >&2; "$@"; }
hostsplit() { command "$HOSTSPLIT" "$@"; }
# ends_with CODE COMMAND...: the command has to end so.
ends_with() {
  local expected=$1 code=0
  shift
  typed "$@" || code=$?
  [ "$code" = "$expected" ] || failed "'$*' ended with $code, not with $expected"
}
on() { local host=$1; shift; typed virsh --quiet --connect "$(host_uri "$host")" "$@"; }

# The lab has N hosts at least, each with a host file: small, so that plans fill them. All that it has are on.
hosts() {
  local host new=()
  [ "$(cat "$lab_dir/complete" 2> /dev/null || echo 0)" -ge "$1" ] || typed "$lab/up" "$1"
  mkdir -p "$work/hosts"
  cd "$work"
  for host in $(seq -f 'h%g' "$(cat "$lab_dir/complete")"); do
    host_answers "$host" || typed "$lab/power-on" "$host"
    [ -e "hosts/$host.yaml" ] || new+=("$host=$(host_uri "$host")")
  done
  [ ${#new[@]} -gt 0 ] || return 0
  typed hostsplit discover --hypervisor "$(cat "$lab_dir/hypervisor")" "${new[@]}"
  for host in "${new[@]%%=*}"; do
    sed -i 's/^    memory: .*/    memory: 3GiB/; s/^reserve: .*/reserve: { cores: 0, memory: 256MiB }/' "hosts/$host.yaml"
  done
}

# forget PLAN...: what other stories have deployed is gone, as hosts have room for one deployment. All are on.
forget() {
  local one
  for one in "$@"; do
    [ -e "$one" ] || continue
    (cd "$(dirname "$one")" && typed hostsplit destroy plan.json --data --yes && rm plan.json)
  done
}
# own_deployment [N]: a story with a deployment of its own is in its directory, which has the files of N hosts (of
# three) and nothing else.
own_deployment() {
  local host
  hosts "${1:-3}"
  forget plan.json ./*/plan.json
  rm -rf "$story"
  mkdir -p "$story/hosts"
  for host in $(seq "${1:-3}"); do cp "hosts/h$host.yaml" "$story/hosts"; done
  cd "$story"
}

# The deployment that the stories share is there and whole: three groups of two on three hosts. What a story that
# failed has left is changed back.
deployed() {
  local data code=0
  hosts 3
  forget ./*/plan.json
  if [ ! -e plan.json ]; then
    cp "$stories/spec.yaml" .
    typed hostsplit plan spec.yaml
  elif [ -e unfinished ]; then
    # But for the memory: nothing is wrong with more of it, and to change it takes minutes.
    data=$(grep -o 'data: [0-9]*MiB' spec.yaml)
    sed "s/data: [0-9]*MiB/$data/" "$stories/spec.yaml" > spec.yaml
    plan
  fi
  hostsplit deploy plan.json --dry-run --diff none > dry-run.log 2>&1 || code=$?
  case $code in
    0) ;;
    3) note "the deployment that stories share"; deploy plan.json ;;
    *) cat dry-run.log; failed "the deployment that stories share is in no state to begin with" ;;
  esac
  printf '%s\n' "$story" > unfinished
}
# edit SED: changes the spec.
edit() {
  cp spec.yaml spec.before
  typed sed -i "$1" spec.yaml
  ! cmp --quiet spec.before spec.yaml || failed "that changes nothing"
}
# Plans the spec as it is now, with the least change to what was deployed last.
plan() {
  cp .hostsplit/*/plan.json prior.json
  typed hostsplit plan spec.yaml --prior prior.json
}
# The planned change, before it is made.
preview() { ends_with 3 hostsplit deploy plan.json --dry-run --diff none; }
deploy() { ends_with 0 hostsplit deploy "$@" --yes; }

# The addresses of all planned instances, one a line; settings hold them as well.
addresses() { sed -n 's/.*"address": "\([0-9.]*\)".*/\1/p' plan.json | sort -u; }
# ask ADDRESS COMMAND...: what an instance answers; fails if it does not within 2 s.
ask() {
  local address=$1
  shift
  REDISCLI_AUTH=$(cat .hostsplit/stories/secrets/cache) "$lab/exec" timeout 2 redis-cli -h "$address" "$@" 2> /dev/null
}
client_dir() { printf '%s/clients/%s\n' "$work" "$story"; }
# start_client KEYS [PORT OPTION...]: starts the client; it has written KEYS keys and goes on when this returns.
start_client() {
  local keys=$1 port=${2:-6379} dir seeds
  dir=$(client_dir)
  rm -rf "$dir"
  mkdir -p "$dir"
  mapfile -t seeds < <(addresses)
  "$lab/exec" "$stories/client" "$dir" "${seeds[@]/%/:$port}" \
    --password-file "$work/.hostsplit/stories/secrets/cache" --preload "$keys" "${@:3}" \
    > "$dir/report" 2>&1 < /dev/null &
  client_pid=$!
  trap end_client EXIT
  "$lab/wait-for" 300 test -e "$dir/ready" || { cat "$dir/report"; failed "no key could be written"; }
  note "a client writes and reads"
}
# record SENT ACKNOWLEDGED REFUSED GAP_MS LOST: a line of the table that `run` prints.
record() { (IFS=$'\t' && printf '%s\n' "$story"$'\t'"$*"$'\t'"$SECONDS") >> "$work/results.tsv"; }
# Ends a client that runs, whatever has happened, and prints what it saw.
end_client() {
  local dir
  [ -n "${client_pid:-}" ] || return 0
  dir=$(client_dir)
  touch "$dir/stop"
  wait "$client_pid" || true
  client_pid=
  note "what the client saw"
  cat "$dir/report"
  [ -e "$dir/summary" ] || { printf 'the client died\n' >&2; return 1; }
  # shellcheck disable=SC1091  # NAME=NUMBER a line
  . "$dir/summary"
  record "$sent" "$acknowledged" "$refused" "$gap_ms" "$lost"
}
# Ends the client; the story has failed if a key is lost or a request was refused for longer than allowed.
finish_client() {
  end_client
  [ $((lost + wrong_reads)) = 0 ] || failed "$lost acknowledged keys are lost, $wrong_reads reads were wrong"
  [ "$longest_refusal_ms" -le "$bound_ms" ] || failed "a request was refused for longer than $bound_ms ms"
}
# Deployment and plan agree, and the cluster is whole.
whole() {
  ends_with 0 hostsplit verify plan.json --no-load
  ends_with 0 hostsplit deploy plan.json --dry-run --diff none
}
# Of stories about a database, `orders` of the deployment `shop`.
# Its client's option file: password and authority.
client_of_database() {
  printf '[client]\nuser = app\npassword = "%s"\nssl-ca = %s\nssl-verify-server-cert\n' \
    "$(cat .hostsplit/shop/secrets/orders)" "$PWD/.hostsplit/shop/secrets/ca.crt" > client.cnf
  chmod 600 client.cnf
}
# start_writer NAME [ADDRESS...]: somebody writes to the database, at the servers or at these addresses.
start_writer() {
  local name=$1
  dir=$work/clients/${story}_$name
  shift
  rm -rf "$dir"
  mkdir -p "$dir"
  addresses=("$@")
  [ $# -gt 0 ] || mapfile -t addresses < <(python3 -c 'import json
for one in json.load(open("plan.json"))["instances"]:
    if one["service"] == "orders": print(one["address"])')
  "$lab/exec" "$stories/writer" "$dir" "${addresses[@]}" --options "$PWD/client.cnf" > "$dir/report" 2>&1 < /dev/null &
  writer=$!
  "$lab/wait-for" 60 test -e "$dir/ready" || { cat "$dir/report"; failed "nobody takes writes"; }
  note "somebody writes: $name"
}
# end_writer BOUND_MS: nothing acknowledged is lost, and no write was refused for longer than that.
end_writer() {
  touch "$dir/stop"
  wait "$writer" || true
  cat "$dir/report"
  # shellcheck disable=SC1091  # NAME=NUMBER a line
  . "$dir/summary"
  record "$sent" "$acknowledged" "$refused" "$gap_ms" "$lost"
  [ "$lost" = 0 ] || failed "$lost acknowledged rows are not there"
  [ "$longest_refusal_ms" -le "$1" ] || failed "writes were refused for $longest_refusal_ms ms"
}
# The last row was acknowledged.
goes_on() { [[ $(tail -n 1 "$dir/requests.tsv") == *acknowledged* ]]; }
# The instance that takes writes, and its host.
primary() { hostsplit status plan.json | sed -n 's/^ *\(orders-[0-9]*\) *primary[^h]* \(h[0-9]\) .*/\1 \2/p' | head -n 1; }
# The last line of a story.
passed() {
  [ "$(cat "$work/unfinished" 2> /dev/null)" != "$story" ] || rm "$work/unfinished"
  printf '\n%s: passed after %d s\n' "$story" "$SECONDS"
}
# within SECONDS COMMAND...: waits until the command succeeds.
within() {
  local until=$((SECONDS + $1))
  shift
  until "$@"; do
    [ "$SECONDS" -lt "$until" ] || failed "not within the time: $*"
    sleep 1
  done
}
