#!/bin/bash
# packages.sh DIR: two releases of the .deb of this machine's architecture in DIR. The second has an emperor
# of another commit, and another /etc/emperor.ini.
set -euo pipefail
root=$(dirname "$(realpath "$0")")/../..
mkdir -p "$1"
dir=$(realpath "$1")
(cd "$root" && FORMATS=deb packaging/build.sh "$dir" "$(dpkg --print-architecture)" >/dev/null)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
first=$(ls "$dir"/emperor_*-1_*.deb)
dpkg-deb -R "$first" "$work"
(cd "$root" && CGO_ENABLED=0 "${GO:-go}" build -trimpath -buildvcs=false -ldflags '-X github.com/emperor-go/emperor/internal/version.commit=abcdef' -o "$work/usr/bin/emperor" ./cmd/emperor)
echo "; of the second release" >>"$work/etc/emperor.ini"
sed -i 's/^Version: \(.*\)-1$/Version: \1-2/' "$work/DEBIAN/control"
rm -f "$work/DEBIAN/md5sums"
dpkg-deb --root-owner-group -Zxz -b "$work" "${first/-1_/-2_}" >/dev/null
