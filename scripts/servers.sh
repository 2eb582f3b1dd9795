#!/bin/sh
# Install the programs that some tests start, where that is ours to do: as root, with apt. Always exits 0; a test whose
# program is still missing is skipped with the command that installs it (and fails under CI).
# HOLDFAST_NO_APT=1 switches this off.
set -u

# program   Debian package
table='
strace      strace
'

packages=
while read -r program package; do
  [ -n "$program" ] || continue
  command -v "$program" >/dev/null 2>&1 || packages="$packages $package"
done <<EOF
$table
EOF
packages=${packages# }

[ -n "$packages" ] || exit 0
[ "${HOLDFAST_NO_APT:-}" != 1 ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
  echo "Some tests will be skipped. To run them: apt-get install $packages" >&2
  exit 0
fi

echo "Installing for the tests: $packages (HOLDFAST_NO_APT=1 switches this off)" >&2
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086  # a list of words
{ apt-get install --yes --quiet=2 $packages || { apt-get update --quiet=2 && apt-get install --yes --quiet=2 $packages; }; } \
  >/dev/null 2>&1 || echo "That failed; the tests that need them are skipped: $packages" >&2
exit 0
