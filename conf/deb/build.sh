#!/bin/sh
# Builds the Debian package: build.sh STAGED_TREE VERSION FOLDER. What it was staged with is `make install`.
set -eu
here=$(dirname "$0")
root=$1 version=$2 folder=$3
architecture=$(dpkg --print-architecture)
maintainer=${MAINTAINER:-kiops-bridge <root@localhost>}
# The same sources give the same package.
: "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct 2>/dev/null || date +%s)}"
export SOURCE_DATE_EPOCH

strip --strip-unneeded "$root/usr/bin/kiops-bridge"
doc=$root/usr/share/doc/kiops-bridge
install -D -m 0644 "$here/copyright" "$doc/copyright"
printf 'kiops-bridge (%s) stable; urgency=medium\n\n  * Version %s.\n\n -- %s  %s\n' "$version" "$version" "$maintainer" \
    "$(LC_ALL=C date -u -R -d "@$SOURCE_DATE_EPOCH")" >"$doc/changelog"
gzip -9n "$doc/changelog" "$doc/README.md" "$root"/usr/share/man/man*/*

# dpkg-shlibdeps wants to see a source package.
mkdir -p "$folder/shlibs/debian"
printf 'Source: kiops-bridge\n\nPackage: kiops-bridge\nArchitecture: any\n' >"$folder/shlibs/debian/control"
binary=$(realpath "$root/usr/bin/kiops-bridge")
depends=$(cd "$folder/shlibs" && dpkg-shlibdeps -O "$binary" 2>/dev/null | sed -n 's/^shlibs:Depends=//p')

install -d -m 0755 "$root/DEBIAN"
size=$(du -sk --apparent-size "$root" | cut -f1)
sed -e "s/@VERSION@/$version/; s/@ARCHITECTURE@/$architecture/; s/@SIZE@/$size/; s/@DEPENDS@/$depends/" \
    -e "s/@MAINTAINER@/$maintainer/" "$here/control.in" >"$root/DEBIAN/control"
for script in postinst prerm postrm; do
    install -m 0755 "$here/$script" "$root/DEBIAN/$script"
done
echo /etc/kiops-bridge/kiops-bridge.conf >"$root/DEBIAN/conffiles"
(cd "$root" && find usr lib -type f -print0 | sort -z | xargs -0 md5sum >DEBIAN/md5sums)
dpkg-deb --root-owner-group -Zxz --build "$root" "$folder/kiops-bridge_${version}_$architecture.deb"
