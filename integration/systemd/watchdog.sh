# The watchdog of the unit: an emperor that hangs is started again, a busy one with limited vassals
# is not.
systemctl daemon-reload
rm -f /etc/vassals/*
printf '[uwsgi]\nemperor = /etc/vassals\n' >/etc/emperor.ini
printf '[uwsgi]\nuid = nobody\ncommand = sleep 1000000\n' >/etc/vassals/calm.ini
mkdir -p /etc/systemd/system/emperor.service.d
printf '[Service]\nWatchdogSec=8\nTimeoutAbortSec=5\n' >/etc/systemd/system/emperor.service.d/watchdog.conf
systemctl daemon-reload
expect "the emperor starts" systemctl start emperor
main=$(property MainPID)
sleep 12
expect "the watchdog is content" test "$(property MainPID)" = "$main"
kill -STOP "$main"
replaced() { [ "$(property MainPID)" != "$main" ] && [ "$(property MainPID)" != 0 ] && is SubState running >/dev/null; }
expect "an emperor that hangs is started again" soon replaced
expect "because of the watchdog" bash -c "journalctl -u emperor --no-pager -o cat | grep -qi watchdog"
calm_runs() { [ "$(pgrep -cx vassal)" = 1 ]; }
expect "its vassal runs once" soon calm_runs
expect "the emperor is in its leaf again" grep -q "emperor.service/supervisor" "/proc/$(property MainPID)/cgroup"
rm -r /etc/systemd/system/emperor.service.d
systemctl daemon-reload
expect "systemctl stop succeeds" systemctl stop emperor
