#!/bin/sh
# Builds the programs and runs one vassal in namespaces of its own, with a page
# to look at. It needs root, Go and a shell, and leaves nothing behind but bin/.
set -eu

fail() {
	echo "quickstart: $*" >&2
	exit 1
}

[ "$(uname -s)" = Linux ] || fail "namespaces are Linux's; this is $(uname -s)"
[ "$(id -u)" = 0 ] || fail "not root: making namespaces and links needs it (try: sudo env PATH=\"\$PATH\" sh $0)"
PATH=$PATH:/usr/local/go/bin
command -v go >/dev/null 2>&1 || fail "there is no Go: https://go.dev/dl"

example=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d "${TMPDIR:-/tmp}/emperor-quickstart.XXXXXX")
emperor=
terminal=
clean() {
	[ -z "$terminal" ] || kill "$terminal" 2>/dev/null || true
	rm -rf "$dir"
}
trap clean EXIT
# Ctrl-C reaches the emperor by itself; other signals are handed on.
trap : INT
trap '[ -z "$emperor" ] && exit 143; kill -TERM "$emperor" 2>/dev/null || true' TERM HUP

# The vassal is to be nobody, who may not see the place where this clone is.
umask 022
chmod 755 "$dir"
mkdir "$dir/bin" "$dir/site"
cd "$example/../.."
echo "quickstart: building into bin/ (the first time takes a minute or two)"
sh build.sh || fail "cannot build the programs"
cp bin/emperor bin/emperor-dns bin/vassal bin/vassal-helper bin/vassal-server "$dir/bin/"
cp "$example/page.sh" "$example/up.sh" "$dir/"
mkdir "$dir/vassals"
ln -s "$example/vassals"/*.ini "$dir/vassals/" # what is changed there counts here
chmod 755 "$dir/bin/emperor" "$dir"/*.sh
"$dir/bin/emperor" --version >/dev/null || fail "programs in $dir cannot be run: is it mounted noexec? (give another TMPDIR)"

QUICKSTART_DIR=$dir
QUICKSTART_HOST_NETNS=$(readlink /proc/self/ns/net)
export QUICKSTART_DIR QUICKSTART_HOST_NETNS

# By this the vassal says plainly that it is up, between the lines of the log.
mkfifo "$dir/terminal"
chmod 622 "$dir/terminal"
cat <>"$dir/terminal" &
terminal=$!

"$dir/bin/emperor" --ini "$example/emperor.ini" &
emperor=$!
status=0
wait "$emperor" || status=$?
while kill -0 "$emperor" 2>/dev/null; do # a signal ended the wait, not the emperor
	status=0
	wait "$emperor" || status=$?
done
exit "$status"
