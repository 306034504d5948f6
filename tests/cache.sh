# shellcheck shell=bash
# Sourced: puts cargo on the PATH and its output into the user's cache, so that a
# fresh clone does not compile HiGHS again. A set CARGO_TARGET_DIR wins.
[ -d "$HOME/.cargo/bin" ] && PATH="$HOME/.cargo/bin:$PATH"
rust=$(rustc --version --verbose | sha256sum | cut -c1-12)
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/hostsplit/target-$rust}"
unset rust
