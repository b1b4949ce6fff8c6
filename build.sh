#!/bin/sh
# Builds the programs into a directory (bin), as static binaries: sh build.sh [DIR].
# It needs Go and a shell. GO names another go command.
set -eu
case ${1:-bin} in
/*) bin=$1 ;;
*) bin=$PWD/${1:-bin} ;;
esac
cd "$(dirname "$0")"
go=${GO:-go}
while read -r word value; do [ "$word" != go ] || version=$value; done <go.mod
$go list -m >/dev/null 2>&1 || {
	echo "build.sh: Go $version or later is needed, and here is: $($go version 2>/dev/null || echo none) (https://go.dev/dl)" >&2
	exit 1
}

# Without asynchronous preemption the Go runtime sends no SIGURG to itself, which is
# a signal of the operator's to the emperor. Without room for profiles of contention,
# which nothing takes, each thread of each vassal is 2 kB smaller.
flags='-s -w -X runtime.godebugDefault=asyncpreemptoff=1,profstackdepth=0 -X github.com/emperor-go/emperor/pkg/emperord.exactURG=yes'

# What --version prints beside the number. A package of the sources without git has no commit
# unless COMMIT and DATE name one.
commit=${COMMIT-$(git rev-parse --short=12 HEAD 2>/dev/null || true)}
date=${DATE-$(git log -1 --format=%cs 2>/dev/null || true)}
flags="$flags -X github.com/emperor-go/emperor/internal/version.commit=$commit -X github.com/emperor-go/emperor/internal/version.date=$date"
export CGO_ENABLED="${CGO_ENABLED:-0}"

# Functions of the network run once for each launch, and most of their time is the kernel's. Without inlining
# emperor is 0.2 MB smaller.
module=github.com/emperor-go/emperor
cold="-gcflags=$module/pkg/network/...=-l -gcflags=$module/internal/cni=-l -gcflags=$module/internal/dns/...=-l"
for library in google/nftables vishvananda mdlayher containernetworking; do
	cold="$cold -gcflags=github.com/$library/...=-l"
done

# vassal boots once and then waits. Each vassal loads it: without inlining, and with functions at multiples of
# 16 bytes, it is 0.3 MB smaller and starts no slower.
small=
for package in github.com/emperor-go/emperor/... encoding/json log/slog os/exec net; do
	small="$small -gcflags=$package=-l"
done

# The clients, the report of check, metrics, YAML and certificates are not in the way of a launch or of a
# request. Without inlining there, and with functions at multiples of 16 bytes, emperor is 0.8 MB smaller.
rare=
for package in spf13 coreos; do
	rare="$rare -gcflags=github.com/$package/...=-l"
done
for package in google.golang.org/... go.yaml.in/... crypto/x509 crypto/tls encoding/asn1 encoding/xml \
	$module/internal/cli $module/internal/inspect $module/internal/optiondocs $module/pkg/emperord; do
	rare="$rare -gcflags=$package=-l"
done

# shellcheck disable=SC2086 # words of their own
build() { $go build -trimpath -buildvcs=false $cold -ldflags "$flags" "$@"; }
# shellcheck disable=SC2086 # the same
build_emperor() { $go build -trimpath -buildvcs=false $cold $rare -ldflags "$flags -funcalign=16" "$@"; }
# shellcheck disable=SC2086 # the same
build_small() { $go build -trimpath -buildvcs=false $cold $small -ldflags "$flags -funcalign=16" "$@"; }

# Programs of earlier versions must not look like ours.
rm -f "$bin/vassal-pty" "$bin/vassal-parse"
build -o "$bin/" ./cmd/emperor-dns ./cmd/vassal-helper ./cmd/vassal-server
build_emperor -o "$bin/emperor" ./cmd/emperor
build_small -o "$bin/vassal" ./cmd/vassal
# The twins load functions of C.
build_emperor -tags native -o "$bin/emperor-native" ./cmd/emperor
build_small -tags native -o "$bin/vassal-native" ./cmd/vassal

# No tenant reads the programs that run as one (see the Makefile).
chmod 711 "$bin/vassal" "$bin/vassal-server" "$bin/vassal-helper" "$bin/vassal-native"
