#!/bin/sh
# Makes .venv in this folder as the lock says, or does nothing if that was done: setup.sh run|test
set -eu
cd "$(dirname "$0")/.."

case "${1:-run}" in
  run) lock=requirements.lock ;;
  test) lock=requirements-test.lock ;;
  *) echo "usage: tools/setup.sh run|test" >&2; exit 2 ;;
esac

say() { printf '%s\n' "$*" >&2; }
stop() { say "erti: $*"; exit 1; }

# Some tests drive clients that others wrote for Node. Without npm they are listed as not run.
clients_for_node() {
  npm_folder=tests/interop/npm
  [ -f "$npm_folder/package-lock.json" ] && command -v npm >/dev/null 2>&1 || return 0
  npm_wanted=$(cksum <"$npm_folder/package-lock.json")
  [ "$npm_wanted" = "$(cat "$npm_folder/node_modules/.erti-ready" 2>/dev/null)" ] && return 0
  say "Installing the clients for Node that some tests drive ..."
  if (cd "$npm_folder" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) >/dev/null; then
    printf '%s\n' "$npm_wanted" >"$npm_folder/node_modules/.erti-ready"
  else
    rm -rf "$npm_folder/node_modules"
    say "They could not be installed; the tests that need them will be listed as not run."
  fi
}

# Two programs that others wrote check the ledger in the tests. Without them the tests are listed as not run.
oracles() {
  if [ -f tests/oracles/go/go.mod ] && command -v go >/dev/null 2>&1; then
    (cd tests/oracles/go && go mod download) >/dev/null 2>&1 || say "The Go oracle's module could not be fetched."
  fi
  oracle_lock=tests/oracles/aics.lock
  oracle=.venv/oracle-aics
  [ -f "$oracle_lock" ] || return 0
  oracle_wanted=$(cksum <"$oracle_lock")
  [ "$oracle_wanted" = "$(cat "$oracle/.erti-ready" 2>/dev/null)" ] && return 0
  say "Installing the oracle aics-tlog in an environment of its own ..."
  rm -rf "$oracle"
  # It asks for Python 3.12. Where there is none it runs on ours all the same, and its verdict says on which it ran.
  for oracle_python in python3.12 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.12*/bin/python3.12 python3.13 python3.14 .venv/bin/python; do
    command -v "$oracle_python" >/dev/null 2>&1 || continue
    "$oracle_python" -m venv --clear "$oracle" >/dev/null 2>&1 || continue
    if "$oracle/bin/python" -m pip --disable-pip-version-check --quiet install --require-hashes --no-deps \
        --only-binary :all: --ignore-requires-python -r "$oracle_lock" >/dev/null 2>&1; then
      printf '%s\n' "$oracle_wanted" >"$oracle/.erti-ready"
      return 0
    fi
  done
  rm -rf "$oracle"
  say "It could not be installed; the tests that need it will be listed as not run."
}

helpers() {
  clients_for_node
  oracles
}

# The larger set holds the smaller one, so `make run` after `make test` has nothing to do.
fingerprint() { cat "$1" pyproject.toml | cksum | tr ' ' '-'; }
wanted=$(fingerprint "$lock")
stamp=.venv/.erti-ready
if [ -x .venv/bin/python ] && .venv/bin/python -c '' 2>/dev/null; then
  if grep -qsxF -e "$lock $wanted" -e "requirements-test.lock $(fingerprint requirements-test.lock)" "$stamp"; then
    [ "$lock" = requirements.lock ] || helpers
    exit 0
  fi
  # A smaller set must not be laid over a larger one with other versions: take the larger again.
  if grep -qs '^requirements-test.lock ' "$stamp"; then
    lock=requirements-test.lock
    wanted=$(fingerprint "$lock")
  fi
fi

good_enough='import sys; sys.exit(sys.version_info < (3, 11))'
find_python() {
  for name in ${PYTHON:-python3 python3.13 python3.12 python3.11 python3.14 python}; do
    if command -v "$name" >/dev/null 2>&1 && "$name" -c "$good_enough" >/dev/null 2>&1; then
      command -v "$name"
      return
    fi
  done
}
python=$(find_python)
if [ -z "$python" ] && [ -n "${PYTHON:-}" ]; then
  stop "PYTHON names $PYTHON, which is not there or is no Python 3.11 or newer."
fi
if [ -z "$python" ]; then
  found=$(python3 --version 2>/dev/null || echo "no Python 3 at all")
  stop "Python 3.11 or newer is needed, and this machine has $found." \
    "Install it (on Debian and Ubuntu: apt install python3 python3-venv), or name one: make run PYTHON=/path/to/python3.12"
fi

if ! { mkdir -p .venv && : > .venv/.erti-probe; } 2>/dev/null; then
  stop "this folder cannot be written to by $(id -un), so nothing can be set up in it." \
    "Copy or clone it to a folder of your own and try again there."
fi
rm -f .venv/.erti-probe

if ! [ -x .venv/bin/python ] || ! .venv/bin/python -c "$good_enough" 2>/dev/null; then
  say "Making a Python environment in .venv with $("$python" --version) ..."
  if ! problem=$("$python" -m venv --clear .venv 2>&1); then
    rm -rf .venv
    case $problem in
      *ensurepip* | *"No module named venv"*)
        version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        stop "this Python comes without its venv module." \
          "Install it (on Debian and Ubuntu: apt install python$version-venv) and try again." ;;
      *"No space left"*) stop "the disk is full: about 600 MB are needed in this folder." ;;
      *) say "$problem"; stop "the Python environment could not be made; the lines above say why." ;;
    esac
  fi
fi

log=.venv/.erti-setup.log
say "Installing the locked packages (once; about half a minute) ..."
if ! .venv/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes --no-deps \
    -r "$lock" >"$log" 2>&1; then
  tail -n 15 "$log" >&2
  stop "a package could not be installed. Is the network there? The whole story is in $log." \
    "Running the same command again continues where it stopped."
fi
if ! .venv/bin/python -m pip --disable-pip-version-check --quiet install --no-deps --no-build-isolation \
    --editable . >"$log" 2>&1; then
  tail -n 15 "$log" >&2
  stop "Erti itself could not be installed; the whole story is in $log."
fi
printf '%s %s\n' "$lock" "$wanted" >"$stamp"
[ "$lock" = requirements.lock ] || helpers
