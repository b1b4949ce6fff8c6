# An emperor of an ordinary user, as docs/rootless.md describes it: namespaces without root, and
# limits in the cgroup that systemd delegates to the user.
systemctl daemon-reload
useradd --create-home --shell /bin/bash keeper2
uid=$(id -u keeper2)
loginctl enable-linger keeper2
as() { runuser -u keeper2 -- env XDG_RUNTIME_DIR="/run/user/$uid" HOME=/home/keeper2 PATH="/home/keeper2/bin:$PATH" "$@"; }
manager() { [ -S "/run/user/$uid/systemd/private" ]; }
expect "the user has a manager" soon manager || return
# The user's own programs: a program that its user cannot read can be examined by root only.
as mkdir -p /home/keeper2/vassals /home/keeper2/bin
install -o keeper2 -g keeper2 -m 755 -t /home/keeper2/bin emperor emperor-dns vassal vassal-server vassal-helper
cat >/home/keeper2/vassals/page.ini <<'END'
[uwsgi]
hook-as-root = hostname:%n
private-tmp = true
private-devices = true
protect-system = strict
protect-proc = invisible
no-new-privileges = true
system-call-filter = default
tasks-max = 50
memory-max = 64m
command = sh -c 'touch /tmp/mine; id -u; exec sleep 1000000'
END
cat >/home/keeper2/vassals/hog.ini <<'END'
[uwsgi]
memory-max = 32m
memory-swap-max = 0
command = tail /dev/zero
END
chown -R keeper2: /home/keeper2/vassals
at() { echo "/sys/fs/cgroup$(sed -n 's/^0:://p' "/proc/$1/cgroup")"; }
mine() { as emperor "$@"; }
pid_of_mine() { mine list --json | jq -r ".[] | select(.name == \"$1\") | .pid"; }
holds_mine() { [ "$(cat "$(at "$(pid_of_mine "$1")")/$2")" = "$3" ]; }
runs() { mine list page.ini | grep -q running; }
# A program moves to the cgroup of a vassal only from within the user's own cgroups.
inside() { as systemd-run --user --scope --quiet /home/keeper2/bin/emperor enter page sh -c "$1"; }
refused() { inside "! { $1; }"; }
remedy() { mine enter page true 2>&1 | grep -q "systemd-run --user --scope emperor enter"; }
starved() { mine status hog | grep -q "out of memory: the kernel killed"; }

expect "systemd starts it with a cgroup of its own" as systemd-run --user --unit=emperor -p Delegate=yes /home/keeper2/bin/emperor --emperor-use-clone pid,uts,net,ipc,fs,user /home/keeper2/vassals || return
expect "its vassal runs" soon runs || { as journalctl --user -u emperor --no-pager | tail -20; return; }
page=$(pid_of_mine page.ini)
expect "as the user" test "$(awk '$1 == "Uid:" { print $2 }' "/proc/$page/status")" = "$uid"
expect "with a limit of tasks" holds_mine page.ini pids.max 50
expect "and of memory" holds_mine page.ini memory.max 67108864
expect "root inside is that user" test "$(inside 'id -u')" = 0
expect "and reads nothing of root" refused 'cat /etc/shadow'
expect "a shell of another session gets the remedy" remedy
expect "its /tmp is private" inside 'test -e /tmp/mine'
expect "it has a host name of its own" test "$(inside 'uname -n')" = page
expect "it sees no link of the host" test "$(inside 'ls /sys/class/net')" = lo
expect "the system is read-only" refused 'touch /usr/x'
expect "a vassal that takes too much memory is said to have" soon starved
expect "its neighbour runs on" test "$(pid_of_mine page.ini)" = "$page"
expect "it stops" as systemctl --user stop emperor
nothing() { ! pgrep -u keeper2 -x 'emperor|vassal|sleep' >/dev/null; }
expect "nothing is left" soon nothing
loginctl disable-linger keeper2
ended() { ! pgrep -u keeper2 >/dev/null; }
expect "the user's manager ends" soon ended
userdel --remove keeper2
