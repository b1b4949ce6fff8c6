#!/bin/sh
# Builds packages of one commit into a directory (dist): .deb and .rpm for amd64 and arm64, their
# checksums, and an SBOM. The same commit gives the same bytes: packaging/build.sh [DIR [ARCH…]].
# FORMATS="deb" builds only those.
set -eu
cd "$(dirname "$0")/.."
case ${1:-dist} in
/*) dist=$1 ;;
*) dist=$PWD/${1:-dist} ;;
esac
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- amd64 arm64

NFPM=github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.43.0
SBOM=github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0
VERSION=$(sed -n 's/^const Number = "\(.*\)"$/\1/p' internal/version/version.go)
# Without a repository, as in an unpacked archive, the day is today.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}
DATE=$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%d)
export VERSION SOURCE_DATE_EPOCH DATE TZ=UTC LC_ALL=C
umask 022

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$dist"
rm -f "$dist"/emperor_* "$dist"/emperor-*.rpm "$dist"/SHA256SUMS "$dist"/*.cdx.json

# The scripts of completion are the same for every architecture.
go build -trimpath -buildvcs=false -o "$work/emperor" ./cmd/emperor

for ARCH in "$@"; do
	export ARCH
	stage=$work/$ARCH
	GOARCH=$ARCH make -s install BIN="$work/bin-$ARCH" DESTDIR="$stage" PREFIX=/usr >/dev/null
	share=$stage/usr/share
	install -d "$stage/etc/vassals" "$stage/etc/logrotate.d" "$stage/usr/lib/systemd/system" "$stage/usr/lib/tmpfiles.d" \
		"$share/bash-completion/completions" "$share/zsh/vendor-completions" "$share/fish/vendor_completions.d" "$share/doc/emperor" \
		"$share/lintian/overrides"
	sed 's|/usr/local/bin/|/usr/bin/|g; /^# To install:/,/^# systemctl daemon-reload/d' examples/systemd/emperor.service >"$stage/usr/lib/systemd/system/emperor.service"
	install -m 644 examples/systemd/emperor.ini "$stage/etc/emperor.ini"
	install -m 644 packaging/logrotate "$stage/etc/logrotate.d/emperor"
	install -m 644 packaging/tmpfiles.conf "$stage/usr/lib/tmpfiles.d/emperor.conf"
	for program in emperor vassal; do
		"$work/emperor" completion --program $program bash >"$share/bash-completion/completions/$program"
		"$work/emperor" completion --program $program zsh >"$share/zsh/vendor-completions/_$program"
		"$work/emperor" completion --program $program fish >"$share/fish/vendor_completions.d/$program.fish"
	done
	# Files of a vendor are below /usr, those of the administrator in /etc.
	install -d "$stage/usr/lib/NetworkManager"
	mv "$stage/etc/NetworkManager/conf.d" "$stage/usr/lib/NetworkManager/"
	rmdir "$stage/etc/NetworkManager"
	find "$share/man" -type f ! -name '*.gz' -exec gzip -9n {} +
	gzip -9nc CHANGELOG.md >"$share/doc/emperor/changelog.gz"
	install -m 644 packaging/copyright "$share/doc/emperor/copyright"
	install -m 644 README.md "$share/doc/emperor/README.md"
	install -D -m 644 -t "$share/doc/emperor/monitoring" contrib/monitoring/*
	install -m 644 packaging/lintian-overrides "$share/lintian/overrides/emperor"
	printf 'emperor (%s) unstable; urgency=medium\n\n  * See changelog.gz.\n\n -- Emperor maintainers <emperor@emperor-go.org>  %s\n' \
		"$VERSION" "$(date -u -R -d "@$SOURCE_DATE_EPOCH")" | gzip -9nc >"$share/doc/emperor/changelog.Debian.gz"
	find "$stage" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
	# Configuration files are listed on their own; the rest is taken as it is.
	export STAGE=$stage CONF=$work/conf-$ARCH
	mkdir -p "$CONF"
	mv "$stage/etc/emperor.ini" "$stage/etc/logrotate.d/emperor" "$CONF/" 2>/dev/null || true
	mv "$CONF/emperor" "$CONF/logrotate"
	rmdir "$stage/etc/logrotate.d" "$stage/etc/vassals" "$stage/etc"
	envsubst_nfpm() { sed "s|@STAGE@|$STAGE|g; s|@CONF@|$CONF|g; s|@ARCH@|$ARCH|g; s|@VERSION@|$VERSION|g; s|@MTIME@|$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)|g" packaging/nfpm.yaml; }
	envsubst_nfpm >"$work/nfpm-$ARCH.yaml"
	for format in ${FORMATS:-deb rpm}; do
		GOARCH='' go run "$NFPM" package -f "$work/nfpm-$ARCH.yaml" -p $format -t "$dist/" >/dev/null
	done
done

GOARCH='' go run "$SBOM" mod -licenses -json -noserial -output "$dist/emperor-$VERSION.cdx.json" .
(cd "$dist" && sha256sum emperor* >SHA256SUMS)
ls -l "$dist"
