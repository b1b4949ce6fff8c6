#!/bin/bash
# stories.sh runs in the machine, as root, beside the programs and the unit. The file
# which, beside it, names the stories to be run, each a file NAME.sh.
set -u
failed=0
ok() { echo "ok    $*"; }
bad() {
  echo "FAIL  $*"
  failed=1
}
# expect WHAT COMMAND...: the command succeeds. Its status is that of the command.
expect() {
  local what=$1
  shift
  if "$@" >/tmp/out 2>&1; then ok "$what"; else
    bad "$what"
    sed 's/^/      /' /tmp/out
    return 1
  fi
}
# soon COMMAND...: it succeeds within a minute; this machine is slow.
soon() {
  for _ in $(seq 120); do
    "$@" >/tmp/last && return 0
    sleep 0.5
  done
  cat /tmp/last
  return 1
}
property() { systemctl show -p "$1" --value emperor; }
is() { [ "$(property "$1")" = "$2" ] || { property "$1"; return 1; }; }
journal_has() { journalctl -u emperor --no-pager -o cat | grep -q -- "$1"; }
pid_of() { emperor list --json | sed -n "/\"name\": \"$1\"/,/}/s/.*\"pid\": \([0-9]*\).*/\1/p" | head -1; }
answers() {
  emperor enter web bash -c 'exec 3<>/dev/tcp/127.0.0.1/8080; printf "GET /page HTTP/1.0\r\n\r\n" >&3; cat <&3' | grep -q "hello from inside"
}
score() { cat "/proc/$1/oom_score_adj"; }
vassals() { pgrep -cx vassal; }

install -m711 emperor vassal /usr/local/bin/
install -D -m711 -t /usr/local/libexec/emperor emperor-dns vassal-server vassal-helper
install -m644 emperor.service /etc/systemd/system/
install -m644 emperor.ini /etc/
mkdir -p /etc/vassals /srv
cp vassals/*.ini /etc/vassals/
echo "hello from inside" >/srv/page
for story in $(cat which); do
  echo "      $story:"
  [ -s "$story.sh" ] || bad "there is no story $story"
  . "./$story.sh"
done

[ $failed = 0 ] || journalctl -u emperor --no-pager -o short-precise | tail -80
exit $failed
