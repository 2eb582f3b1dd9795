#!/bin/sh
# Install the programs that some tests start, where that is ours to do: as root, with apt. Always exits 0; a test whose
# program is still missing is skipped with the command that installs it (and fails under CI).
# HOLDFAST_NO_APT=1 switches this off.
set -u

# program       Debian package
table='
strace          strace
postgres        postgresql
redis-server    redis-server
pgbouncer       pgbouncer
chromium        chromium
'

found() { # also where Debian keeps PostgreSQL's programs, out of PATH, and daemons, out of most people's
  command -v "$1" >/dev/null 2>&1 || ls /usr/lib/postgresql/*/bin/"$1" /usr/sbin/"$1" 2>/dev/null | grep -q .
}

# Temporal's CLI is in no distribution. It is built once, where Go is, and kept: beside the tests, which leave it what they
# do not need of the processors; those that start it wait for the lock. It takes six minutes of a processor, which CI has not
# to spare: there HOLDFAST_BUILD_TEMPORAL=1 asks for it, and without the program those tests are skipped.
cache=${XDG_CACHE_HOME:-$HOME/.cache}/holdfast-tests
case "${CI:-}" in "" | 0 | false | no) build=1 ;; *) build=${HOLDFAST_BUILD_TEMPORAL:-0} ;; esac
if [ "$build" = 1 ] && [ ! -x "$cache/temporal" ] && [ -z "${HOLDFAST_TEMPORAL_CLI:-}" ] && ! found temporal && command -v go >/dev/null 2>&1; then
  echo "Building Temporal's CLI beside the tests, once, into $cache (some minutes)" >&2
  mkdir -p "$cache"
  { flock 9 && GOBIN=$cache exec nice -n 19 go install github.com/temporalio/cli/cmd/temporal@v1.5.1; } \
    9>"$cache/temporal.lock" >/dev/null 2>&1 </dev/null &
fi

packages=
while read -r program package; do
  [ -n "$program" ] || continue
  found "$program" || packages="$packages $package"
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

# The tests start servers of their own. What the packages would start on installation, and at every boot, stays off:
# policy-rc.d forbids the start, createcluster.d the making of a database cluster that would be started.
policy=/usr/sbin/policy-rc.d
cluster=/etc/postgresql-common/createcluster.d/holdfast-tests.conf
undo() {
  [ -z "${our_policy:-}" ] || rm -f "$policy"
  [ -z "${our_cluster:-}" ] || rm -f "$cluster"
}
trap undo EXIT
trap 'exit 0' HUP INT TERM
if [ ! -e "$policy" ]; then
  our_policy=1
  printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy"
fi
case " $packages " in *" postgresql "*)
  our_cluster=1
  mkdir -p "${cluster%/*}" && echo 'create_main_cluster = false' >"$cluster" ;;
esac

echo "Installing for the tests: $packages (HOLDFAST_NO_APT=1 switches this off)" >&2
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086  # a list of words
{ apt-get install --yes --no-install-recommends --quiet=2 $packages || { apt-get update --quiet=2 && apt-get install --yes --no-install-recommends --quiet=2 $packages; }; } \
  >/dev/null 2>&1 || echo "That failed; the tests that need them are skipped: $packages" >&2
for service in redis-server pgbouncer; do
  case " $packages " in *" $service "*)
    command -v systemctl >/dev/null 2>&1 && systemctl disable --quiet "$service" >/dev/null 2>&1 ;;
  esac
done
exit 0
