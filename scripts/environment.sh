#!/bin/sh
# Make a virtual environment fit a requirements file; do nothing, and need no network, when it already does.
#
#   scripts/environment.sh .venv requirements.lock --with-checkout
#   scripts/environment.sh .bench-venv benchmarks/peers.txt
#
# Owns: finding a Python, making the environment, knowing when it is stale.
# Must not know: what the packages are for.
set -eu

folder=$1
requirements=$2
checkout=${3:-}
python=$folder/bin/python
stamp=$folder/.installed

say() { printf '%s\n' "$*" >&2; }

runs_here() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' >/dev/null 2>&1; }

# A stamp is the content it was installed from and the place: an environment's scripts hold absolute paths.
content=$(cat "$requirements" pyproject.toml "$0" | cksum)
place=$(pwd -P)
wanted="$content
$place"

if [ "$(cat "$stamp" 2>/dev/null || :)" = "$wanted" ] && [ -x "$python" ]; then
  exit 0
fi

make_environment() {
  found=
  for candidate in ${PYTHON:-} python3.13 python3.12 python3.11 python3 python; do
    runs_here "$candidate" || continue
    found=$candidate
    # Debian ships venv without ensurepip unless python3-venv is installed.
    if "$candidate" -c 'import ensurepip, venv' >/dev/null 2>&1; then
      say "Making $folder with $candidate"
      "$candidate" -m venv --clear "$folder"
      return
    fi
  done
  if command -v uv >/dev/null 2>&1; then
    say "Making $folder with uv"
    uv venv --quiet --clear --python "${found:->=3.11,<3.14}" "$folder"
  elif [ -n "$found" ]; then
    say "$found cannot make virtual environments: install its venv module (Debian, Ubuntu: apt-get install python3-venv)"
    exit 1
  else
    say "No Python 3.11, 3.12 or 3.13 found: install one (Debian, Ubuntu: apt-get install python3 python3-venv) or set PYTHON=/path/to/python"
    exit 1
  fi
}

moved() { [ -f "$stamp" ] && [ "$(tail -n 1 "$stamp")" != "$place" ]; }

if ! runs_here "$python" || moved; then
  make_environment
fi

say "Installing $requirements into $folder"
# Modules of a lock are compiled when they are first imported: most never are.
case $requirements in
  *.lock) options="--require-hashes --no-compile" ;;
  *) options= ;;
esac
if "$python" -m pip --version >/dev/null 2>&1; then
  install() { "$python" -m pip install --quiet --disable-pip-version-check "$@"; }
  offline=--no-index
else
  install() { uv pip install --quiet --python "$python" "$@"; }
  offline=--offline
fi
# The pip that comes with a Python may be years old, and then reads an index's long pages several times as slowly.
newer=$(mktemp)
sed -n '/^pip==/,/[^\\]$/p' "$requirements" >"$newer"
if [ "$offline" = --no-index ] && [ -s "$newer" ]; then
  install --require-hashes --requirement "$newer" || say "Going on with the pip that is there"
fi
rm -f "$newer"
# shellcheck disable=SC2086  # one word each, or none
install $options --requirement "$requirements"
if [ "$checkout" = --with-checkout ]; then
  install $offline --no-deps --no-build-isolation --editable .
fi
printf '%s\n' "$wanted" >"$stamp"
