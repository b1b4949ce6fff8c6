# The package: installed, upgraded under running vassals, removed and purged. run.sh has made two packages, of
# which the second has another emperor, and another /etc/emperor.ini.
old=$(ls packages/emperor_*-1_*.deb) new=$(ls packages/emperor_*-2_*.deb)
systemctl stop emperor 2>/dev/null
rm -f /etc/vassals/* /etc/emperor.ini
said() { grep -q -- "$1" /tmp/said; }
no_file() { [ ! -e "$1" ]; }
version_of() { dpkg-query -Wf '${Status} ${Version}' emperor; }
main_pid() { systemctl show -p MainPID --value emperor; }
serves() { curl -s --max-time 5 http://198.18.0.1:8094/page | grep -q "hello from inside"; }

# Beside programs of `make install`, which would run in place of the package's.
dpkg -i "$old" >/tmp/said 2>&1
expect "the package is installed" grep -q "install ok installed" <(version_of)
expect "it names the command of another installation" said "/usr/local/bin/emperor is found before /usr/bin/emperor"
expect "and the unit of another installation" said "/etc/systemd/system/emperor.service is used in place of"
rm -rf /usr/local/bin/emperor /usr/local/bin/vassal /usr/local/libexec/emperor /etc/systemd/system/emperor.service
hash -r
systemctl daemon-reload
dpkg -P emperor >/tmp/said 2>&1
expect "purge removes the package" no_file /etc/emperor.ini

dpkg -i "$old" >/tmp/said 2>&1
expect "it is installed again" grep -q "install ok installed" <(version_of)
expect "it prints the command that starts it" said "systemctl enable --now emperor"
expect "it names no other installation" bash -c '! grep -q "/usr/local\|/etc/systemd" /tmp/said'
expect "it starts nothing" bash -c '! systemctl -q is-active emperor && ! systemctl -q is-enabled emperor 2>/dev/null'
verified() { ! systemd-analyze verify --man=no /usr/lib/systemd/system/emperor.service 2>&1 | grep -v "Unknown key 'DelegateSubgroup'"; }
expect "systemd finds nothing wrong with its unit" verified
cat >/etc/emperor.ini <<'END'
; changed by the administrator
[emperor]
emperor = /etc/vassals
emperor-use-clone = pid,uts,net,ipc,fs,user
emperor-id-range = 1000000:65536
emperor-network = routed
END
cat >/etc/vassals/page.ini <<'END'
[uwsgi]
http-socket = :8095
network-publish = 8094:8095
static-map = /=/srv
uid = nobody
gid = nogroup
END
printf '[uwsgi]\nuid = nobody\ngid = nogroup\ncommand = sleep 1000000\n' >/etc/vassals/idle.ini
before=$(sysctl -n net.ipv4.ip_forward)
ip link add up0 type dummy && ip address add 198.18.0.1/30 dev up0 && ip link set up0 up # published ports are at addresses of the host
expect "enable --now starts it" systemctl enable --now emperor
systemctl -q is-active emperor || journalctl -u emperor --no-pager -o cat | tail -20
up() { [ "$(emperor list -q --state running 2>/dev/null | wc -l)" = 2 ]; }
expect "both vassals run" soon up
expect "a vassal answers at its published port" soon serves
expect "there is a table" bash -c "nft list tables | grep -q emperor"
expect "there are slots of ids" bash -c "[ -n \"\$(ls /var/lib/emperor)\" ]"

main=$(main_pid) page=$(pid_of page.ini) idle=$(pid_of idle.ini)
dpkg --force-confdef --force-confold -i "$new" >/tmp/said 2>&1
expect "the upgrade succeeds" grep -q -- "-2$" <(version_of)
expect "it prints the command, and does not run it" said "systemctl restart emperor"
expect "the emperor is the same" test "$(main_pid)" = "$main"
expect "the vassals are the same" test "$(pid_of page.ini) $(pid_of idle.ini)" = "$page $idle"
expect "the administrator's file is kept" grep -q "changed by the administrator" /etc/emperor.ini
expect "the new one is beside it" grep -q "of the second release" /etc/emperor.ini.dpkg-dist
expect "list notes the other version" bash -c "emperor list 2>&1 | grep -q 'note: the running emperor is version'"
kill -9 "$idle"
another() { now=$(pid_of idle.ini); [ -n "$now" ] && [ "$now" != 0 ] && [ "$now" != "$idle" ] && up; }
expect "a killed vassal is restarted" soon another
expect "by the program of the emperor's start" bash -c "readlink /proc/$(pid_of idle.ini)/exe | grep -q '(deleted)'"
cp /etc/vassals/idle.ini /etc/vassals/added.ini
added() { [ "$(pid_of added.ini)" -gt 1 ] 2>/dev/null; }
expect "a vassal that is added runs" soon added
expect "systemctl reload succeeds" systemctl reload emperor
expect "systemctl restart succeeds" systemctl restart emperor
expect "the versions agree now" bash -c "! emperor list 2>&1 | grep -q note:"

# An emperor that was killed leaves its table, its links and its settings: removal finds them.
systemctl kill -s KILL --kill-whom=main emperor
dpkg -r emperor >/tmp/said 2>&1
expect "removal succeeds" grep -q "deinstall ok config-files" <(version_of)
expect "no process is left" bash -c "! pgrep -x 'emperor|vassal|vassal-server|emperor-dns'"
expect "no table is left" bash -c "! nft list tables | grep -q emperor"
expect "no link is left" bash -c "! ip -br link | grep -q ^evs"
expect "forwarding is as before" test "$(sysctl -n net.ipv4.ip_forward)" = "$before"
expect "no file of sysctl is left" bash -c "! ls /run/sysctl.d/*emperor* 2>/dev/null"
expect "no cgroup is left" no_file /sys/fs/cgroup/system.slice/emperor.service
expect "it is not enabled" bash -c "! ls /etc/systemd/system/*.wants/emperor.service 2>/dev/null"
expect "the administrator's file is there" grep -q "changed by the administrator" /etc/emperor.ini
expect "the files of vassals are there" test -s /etc/vassals/page.ini
dpkg -P emperor >/tmp/said 2>&1
expect "purge removes its configuration" no_file /etc/emperor.ini
expect "and its leases and slots" bash -c "[ ! -e /var/lib/emperor ] && [ ! -e /run/emperor ] && [ ! -e /run/emperor.claims ]"
expect "not the files of vassals" test -s /etc/vassals/page.ini
traces() { find / -xdev \( -path /proc -o -path /payload -o -path /sys -o -path /etc/vassals \) -prune -o -name '*emperor*' -print | grep -v '^/tmp\|^/var/lib/dpkg\|^/run'; }
expect "nothing of it is left" bash -c "$(declare -f traces); ! traces"
