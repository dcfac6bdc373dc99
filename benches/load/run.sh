#!/bin/sh
# The load bench: `make bench`. Checks what it needs, builds what is shipped, and hands over to measure.py.
# Options are those of measure.py: benches/load/run.sh --help
set -eu
cd "$(dirname "$0")/../.."

missing=0
need() {
    command -v "$1" >/dev/null 2>&1 && return
    echo "missing: $1. $2" >&2
    missing=1
}
need cargo "Install Rust with rustup: https://rustup.rs"
need python3 "Debian, Ubuntu: apt-get install python3"
need wrk "Debian, Ubuntu: apt-get install wrk. Elsewhere: https://github.com/wg/wrk"
if [ ! -r /proc/self/schedstat ]; then
    echo "missing: /proc with schedstat. The bench reads processor times there, so it runs on Linux only" >&2
    missing=1
fi
[ "$missing" -eq 0 ] || exit 1

cargo build --profile dist --locked --bin candor --example http_baseline --example ort_baseline
python3 benches/load/measure.py "$@"
