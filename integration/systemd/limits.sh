# Limits of vassals by the controllers that the unit delegates: the emperor's place, files of the
# cgroups, changes while vassals run, an end for want of memory, and bombs beside a neighbour.
at() { echo "/sys/fs/cgroup$(sed -n 's/^0:://p' "/proc/$1/cgroup")"; }
file_of() { cat "$(at "$(pid_of "$1")")/$2"; }
holds() { [ "$(file_of "$1" "$2")" = "$3" ] || { file_of "$1" "$2"; return 1; }; }
status_has() { emperor status "$1" 2>&1 | grep -q -- "$2" || { emperor status "$1"; return 1; }; }
service=/sys/fs/cgroup/system.slice/emperor.service

systemctl daemon-reload
rm -f /etc/vassals/*
cat >/etc/emperor.ini <<'END'
[uwsgi]
emperor = /etc/vassals
emperor-use-clone = pid,uts,ipc,fs
emperor-limit-group = shops: tasks-max=600, memory-max=512m
END
cat >/etc/vassals/shop.ini <<'END'
[uwsgi]
http-socket = 127.0.0.1:8091
static-map = /=/srv
uid = nobody
tasks-max = 300
memory-max = 128m
memory-high = 120m
memory-swap-max = 0
cpu-weight = 50
cpu-quota = 80
io-weight = 50
io-read-bandwidth-max = /srv 50m
cgroup-opt = cpuset.cpus=0
limit-group = shops
END
page() { curl -s --max-time 20 http://127.0.0.1:8091/page | grep -q "hello from inside"; }

expect "the emperor starts" systemctl start emperor
expect "it is in the leaf for the supervisor" test "$(at "$(property MainPID)")" = "$service/supervisor"
expect "which has a share of the processors" test "$(cat $service/supervisor/cpu.weight)" = 1000
expect "and memory of its own" test "$(cat $service/supervisor/memory.min)" = 67108864
expect "the vassal answers" soon page
main=$(property MainPID)
shop=$(pid_of shop.ini)
for line in "pids.max=300" "memory.max=134217728" "memory.high=125829120" "memory.swap.max=0" "memory.oom.group=1" "cpu.weight=50" "cpu.max=80000 100000" "cpuset.cpus=0"; do
  expect "its ${line%%=*} is ${line#*=}" holds shop.ini "${line%%=*}" "${line#*=}"
done
expect "its io.max is of the disk" grep -q "rbps=52428800" "$(at "$shop")/io.max"
expect "its group has limits of its own" test "$(cat "$(dirname "$(at "$shop")")/pids.max")" = 600
expect "the status shows use against limit" status_has shop "/300"

sed -i 's/^tasks-max.*/tasks-max = 400/; s/^memory-max.*/memory-max = 160m/; /^cpu-quota/d' /etc/vassals/shop.ini
expect "a changed limit is live" soon holds shop.ini pids.max 400
expect "and another one" soon holds shop.ini memory.max 167772160
expect "and one that was removed" soon holds shop.ini cpu.max "max 100000"
expect "with the same process" test "$(pid_of shop.ini)" = "$shop"
sed -i 's/tasks-max=600/tasks-max=700/' /etc/emperor.ini
kill -HUP "$main"
group_is() { [ "$(cat "$(dirname "$(at "$shop")")/pids.max")" = "$1" ]; }
expect "the limits of a group are live" soon group_is 700
expect "with the same process" test "$(pid_of shop.ini)" = "$shop"

cat >/etc/vassals/hog.ini <<'END'
[uwsgi]
uid = nobody
memory-max = 32m
memory-swap-max = 0
command = tail /dev/zero
END
starved() { emperor status hog 2>&1 | grep -q "out of memory: the kernel killed"; }
expect "a vassal that takes too much memory is said to have" soon starved
listed() { emperor list --wide hog.ini | grep -q "out of memory"; }
expect "the list has the cause, while it waits for its next start" soon listed
expect "and the log" journal_has "out of memory: the kernel killed"
expect "and the events" bash -c 'emperor events -n 200 2>/dev/null | grep -q "out of memory"'
rm /etc/vassals/hog.ini
expect "the neighbour runs on" test "$(pid_of shop.ini)" = "$shop"

sed -i '$aexec-as-emperor = sleep 1000002 &' /etc/emperor.ini
expect "the emperor restarts with a hook" systemctl restart emperor
left() { pgrep -f 'sleep 1000002' >/dev/null && [ "$(at "$(pgrep -f 'sleep 1000002' | head -1)")" = "$service/hooks" ]; }
expect "a process that the hook leaves behind is in the leaf of hooks" soon left
expect "which has a limit of tasks" test "$(cat $service/hooks/pids.max)" = 4096

expect "systemctl stop succeeds" systemctl stop emperor
