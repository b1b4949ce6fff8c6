# An upgrade: the unit of an earlier version, without limits and leaves, is replaced while the
# emperor runs. The programs are replaced as well, as a package does it.
rm -f /etc/vassals/*
printf '[uwsgi]\nemperor = /etc/vassals\n' >/etc/emperor.ini
printf '[uwsgi]\nhttp-socket = 127.0.0.1:8093\nstatic-map = /=/srv\nuid = nobody\n' >/etc/vassals/page.ini
answers_page() { curl -s --max-time 20 http://127.0.0.1:8093/page | grep -q "hello from inside"; }
sed '/^DelegateSubgroup=/d; /^MemoryMin=/d' emperor.service >/etc/systemd/system/emperor.service
systemctl daemon-reload
expect "the emperor starts with the earlier unit" systemctl start emperor
expect "its vassal answers" soon answers_page
expect "it has made its leaf itself" grep -q "emperor.service/supervisor" "/proc/$(property MainPID)/cgroup"
page=$(pid_of page.ini)

install -m644 emperor.service /etc/systemd/system/
for program in emperor vassal; do
  install -m711 $program /usr/local/bin/$program.new && mv /usr/local/bin/$program.new /usr/local/bin/$program
done
expect "systemctl daemon-reload succeeds with the new unit" systemctl daemon-reload
expect "the vassal was not touched" test "$(pid_of page.ini)" = "$page"
expect "systemctl reload succeeds" systemctl reload emperor
expect "with the same process" test "$(pid_of page.ini)" = "$page"
expect "systemctl restart succeeds" systemctl restart emperor
expect "the vassal answers again" soon answers_page
expect "it is a new one" test "$(pid_of page.ini)" != "$page"
expect "the emperor's memory is protected" test "$(cat /sys/fs/cgroup/system.slice/emperor.service/memory.min)" = 67108864
expect "there is one vassal" test "$(pgrep -cx vassal)" = 1
systemd-analyze security emperor --no-pager | tail -1
expect "systemctl stop succeeds" systemctl stop emperor
