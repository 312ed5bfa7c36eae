#!/bin/sh
# Installs the Debian packages named on the command line; says nothing when they are all there.
# A slapd or nginx that comes with them is neither configured nor started: ours are private ones.
set -eu

missing=
for package; do
    state=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$state" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
    exec sudo sh "$0" "$@"
fi

policy=/usr/sbin/policy-rc.d
kept=$(mktemp -d)
restore() {
    rm -f "$policy"
    [ ! -e "$kept/policy-rc.d" ] || mv "$kept/policy-rc.d" "$policy"
    rm -rf "$kept"
}
[ ! -e "$policy" ] || mv "$policy" "$kept/policy-rc.d"
trap restore EXIT
trap 'exit 1' INT TERM HUP
printf '#!/bin/sh\nexit 101\n' >"$policy"
chmod 755 "$policy"

echo "installing:$missing"
echo 'slapd slapd/no_configuration boolean true' | debconf-set-selections
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
# shellcheck disable=SC2086 # one word a package
apt-get install -q -y --no-install-recommends $missing
