# The unit with an emperor that becomes a user by its own file, as Debian's package of
# uWSGI has it: uid and gid, and a directory of vassals of that user.
systemctl daemon-reload
useradd --system keeper
rm -f /etc/vassals/*
cat >/etc/emperor.ini <<'END'
[uwsgi]
emperor = /etc/vassals
uid = keeper
gid = keeper
END
cat >/etc/vassals/page.ini <<'END'
[uwsgi]
http-socket = 127.0.0.1:8090
static-map = /=/srv
END
daemon_of() { ps -o user= -p "$(property MainPID)"; }
page() { (exec 3<>/dev/tcp/127.0.0.1/8090 && printf "GET /page HTTP/1.0\r\n\r\n" >&3 && grep -q "hello from inside" <&3) 2>/dev/null; }
main_is_new() { [ "$(property MainPID)" != "$main" ] && [ "$(property MainPID)" != 0 ] && is SubState running >/dev/null; }
one() { [ "$(pgrep -cx vassal)" = 1 ]; }
parts() { find /sys/fs/cgroup/system.slice/emperor.service -mindepth 1 -type d; }

expect "an emperor with uid and gid in its file starts" systemctl start emperor
expect "it is that user" test "$(daemon_of)" = keeper
expect "its vassal answers" soon page
page=$(pgrep -x vassal)
expect "the vassal is that user" test "$(ps -o user= -p "$page")" = keeper
expect "the vassal's cgroup is its own, below that of the service" grep -q "/emperor.service/.*page" "/proc/$page/cgroup"

expect "systemctl reload succeeds" systemctl reload emperor
expect "it kept the vassal's process" test "$(pgrep -x vassal)" = "$page"
expect "the vassal answers after it" soon page

main=$(property MainPID)
kill -9 "$main"
expect "killed, it is started again" soon main_is_new
expect "its old vassal is gone" bash -c "! kill -0 $page 2>/dev/null"
expect "one takes its place" soon one
expect "which answers" soon page
expect "its cgroup is its own again" grep -q "/emperor.service/.*page" "/proc/$(pgrep -x vassal)/cgroup"
expect "the cgroups of the dead emperor are gone" test "$(parts | grep -c page)" = 1

echo 'cheap = false' >>/etc/vassals/page.ini
page=$(pgrep -x vassal)
expect "systemctl reload after an edit succeeds" systemctl reload emperor
expect "and the vassal answers" soon page
expect "systemctl restart succeeds" systemctl restart emperor
expect "the vassal answers again" soon page
expect "it is a new one" test "$(pgrep -x vassal)" != "$page"

expect "systemctl stop succeeds" systemctl stop emperor
expect "it ended as it should" is Result success
expect "nothing is left" bash -c "! pgrep -x 'emperor|vassal|vassal-server' && ! [ -e /run/emperor ] && ! [ -e /sys/fs/cgroup/system.slice/emperor.service ]"
