#!/bin/sh
# Checks the packages of a directory: packaging/check.sh [DIR]. It needs dpkg-deb, lintian and promtool.
set -eu
dist=${1:-dist}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "packages-check: $*" >&2; exit 1; }

(cd "$dist" && sha256sum -c --quiet SHA256SUMS)
version=$(sed -n 's/^const Number = "\(.*\)"$/\1/p' internal/version/version.go)
for deb in "$dist"/emperor_*.deb; do
	dpkg-deb -x "$deb" "$work/root"
	dpkg-deb -e "$deb" "$work/control"
	grep -qx /etc/emperor.ini "$work/control/conffiles" || fail "$deb: /etc/emperor.ini is no conffile"
	for script in postinst prerm postrm; do sh -n "$work/control/$script"; done
	[ "$(stat -c %a "$work/root/usr/bin/vassal")" = 711 ] || fail "$deb: a tenant can read vassal"
	for program in bin/emperor bin/vassal libexec/emperor/vassal-server libexec/emperor/vassal-helper libexec/emperor/emperor-dns \
		libexec/emperor/emperor-native libexec/emperor/vassal-native; do
		[ -x "$work/root/usr/$program" ] || fail "$deb: there is no $program"
		case $deb in
		*_"$(dpkg --print-architecture)".deb)
			"$work/root/usr/$program" --version | grep -q " $version (.*, ....-..-..)$" || fail "$deb: the version of $program"
			;;
		esac
	done
	promtool test rules "$work/root/usr/share/doc/emperor/monitoring/emperor.rules.test.yml" || fail "$deb: the alerts"
	! grep -rl /usr/local "$work/root/usr/lib" || fail "$deb: a file names /usr/local"
	# It ends with 0, or with 2 for findings; any other status means that it did not judge.
	status=0
	found=$(lintian --allow-root "$deb" 2>"$work/lintian") || status=$?
	case $status in
	0 | 2) ;;
	*) fail "lintian ended with $status: $(cat "$work/lintian")" ;;
	esac
	[ -z "$found" ] || fail "lintian: $found"
	rm -rf "$work/root" "$work/control"
done
jq -e '.components | length > 0' "$dist/emperor-$version.cdx.json" >/dev/null || fail "the SBOM has no components"
echo "packages-check: $(ls "$dist" | grep -c '\.deb$') .deb, $(ls "$dist" | grep -c '\.rpm$') .rpm, version $version"
