# The unit as it is, with an emperor that is root.
systemctl daemon-reload

expect "systemd finds nothing wrong with the unit" systemd-analyze verify --man=no emperor.service
expect "systemctl start returns when the emperor is ready" systemctl start emperor
expect "it is running" is SubState running
expect "its status tells how many vassals there are" is StatusText "governing 2 vassals"
expect "both were launched before it was ready" test "$(vassals)" -ge 2
expect "a vassal answers inside its own network namespace" soon answers
expect "nobody answers outside" bash -c '! (exec 3<>/dev/tcp/127.0.0.1/8080) 2>/dev/null'
expect "its cgroup is below that of the service" grep -q "/emperor.service/" "/proc/$(pid_of web.ini)/cgroup"
talker="journalctl -u emperor -t talker.ini EMPEROR_VASSAL=talker.ini --no-pager -o cat"
expect "the journal has what a vassal prints" soon bash -c "$talker | grep -qx 'the talker has come'"
expect "and its level" soon bash -c "$talker -p err | grep -qx 'and complains'"
expect "and the levels of the emperor" bash -c "journalctl -u emperor -t emperor --no-pager -p 6..6 -o cat | grep -q '^talker.ini: starting -> running'"

expect "the kernel would take the emperor last" test "$(score "$(property MainPID)")" = -900
expect "and its vassals as any service" test "$(score "$(pid_of web.ini)")" = 0

web=$(pid_of web.ini)
expect "systemctl reload succeeds" systemctl reload emperor
expect "it kept the vassal's process" test "$(pid_of web.ini)" = "$web"
expect "and reloaded it" journal_has "web.ini: reloading -> running"
expect "it answers" soon answers

expect "systemctl restart succeeds" systemctl restart emperor
expect "its vassals are new ones" test "$(pid_of web.ini)" != "$web"
expect "there are two of them" test "$(pgrep -cx vassal)" = 2
expect "it answers" soon answers

main=$(property MainPID)
web=$(pid_of web.ini)
kill -9 "$main"
fresh() { [ "$(property MainPID)" != "$main" ] && [ "$(property MainPID)" != 0 ] && is SubState running >/dev/null; }
expect "an emperor that was killed is started again" soon fresh
expect "its old vassals are gone" bash -c "! kill -0 $web 2>/dev/null"
two() { [ "$(pgrep -cx vassal)" = 2 ]; }
expect "nothing is doubled" soon two
expect "nothing is orphaned" bash -c "! pgrep -x -P 1 'vassal|vassal-server|sleep' >/dev/null"
expect "the cgroups of the dead emperor are gone" test "$(find /sys/fs/cgroup/system.slice/emperor.service -maxdepth 1 -name 'emperor-*' | wc -l)" = 1
expect "it answers" soon answers

cat >/etc/vassals/hog.ini <<'END'
[uwsgi]
log = journal
uid = root
memory-max = 32m
memory-swap-max = 0
exec-as-root = echo I am hungry
unprivileged-binary-patch-arg = tail /dev/zero
END
starved() { emperor status hog 2>&1 | grep -q "out of memory: the kernel killed [0-9]* of its processes"; }
expect "a vassal that takes too much memory is said to have" soon starved
shown() { journalctl EMPEROR_VASSAL=hog.ini --no-pager -o cat | grep -q "I am hungry"; }
expect "a vassal's own journal has its lines" soon shown
rm /etc/vassals/hog.ini
gone() { ! emperor status hog >/dev/null 2>&1; }
expect "it goes when its file does" soon gone

mkdir /etc/systemd/system/emperor.service.d
printf '[Service]\nOOMScoreAdjust=-300\n' >/etc/systemd/system/emperor.service.d/oom.conf
systemctl daemon-reload
expect "it is restarted with an OOMScoreAdjust= of its unit" systemctl restart emperor
expect "which is that of its vassals" test "$(score "$(pid_of web.ini)")" = -300
expect "and not of the emperor" test "$(score "$(property MainPID)")" = -900
rm -r /etc/systemd/system/emperor.service.d
systemctl daemon-reload
expect "it is restarted without" systemctl restart emperor
expect "its vassals are as any service again" test "$(score "$(pid_of web.ini)")" = 0

printf '[uwsgi]\nuid = nobody\ncommand = sh -c "seq -f said%%%%.0f 12000; exec sleep 1000000"\n' >/etc/vassals/crier.ini
cried() { [ "$(journalctl -u emperor EMPEROR_VASSAL=crier.ini --no-pager -o cat | grep -c '^said')" = 12000 ]; }
expect "the journal limits no vassal: it has 12000 lines of one" soon cried
rm /etc/vassals/crier.ini

rm /etc/vassals/talker.ini
expect "a vassal that is removed goes, and the status says so" soon is StatusText "governing 1 vassal"

restarts=$(property NRestarts)
sleep 35 # longer than the watchdog bears
expect "the watchdog is content" is NRestarts "$restarts"

expect "systemctl stop succeeds" systemctl stop emperor
expect "it ended as it should" is Result success
expect "nothing is left" bash -c "! pgrep -x 'emperor|vassal|vassal-server' && ! [ -e /run/emperor/lock ] && ! [ -e /sys/fs/cgroup/system.slice/emperor.service ]"
