# Bombs of a tenant, under the limits that tenants have without a line about them: its neighbour
# answers on, the emperor is not restarted, and the bomb is gone soon after its file.
systemctl daemon-reload
rm -rf /etc/vassals /srv/vassals && mkdir -p /etc/vassals && install -d -m 1777 /srv/vassals
id shop >/dev/null 2>&1 || useradd --create-home shop
useradd --create-home bomber
# A small file system stands for a quota of the disk.
truncate -s 64M /var/tmp/quota.img && mke2fs -q -F /var/tmp/quota.img && mount -o loop /var/tmp/quota.img /home/bomber && chown bomber: /home/bomber
cat >/etc/emperor.ini <<'END'
[uwsgi]
emperor = /srv/vassals
emperor-use-clone = pid,uts,net,ipc,fs,user,cgroup
emperor-tyrant = true
emperor-id-range = 1000000:65536
emperor-network = routed
reload-mercy = 1
metrics = 127.0.0.1:8094
END
echo "hello from inside" >/home/shop/page
chmod 711 /home/shop
printf '[uwsgi]\nhttp-socket = :8080\nstatic-map = /=/home/shop\ndisable-logging = true\n' >/tmp/neighbour.ini
install -o shop -g shop -m 644 /tmp/neighbour.ini /srv/vassals/neighbour.ini
ask() { url=http://$(emperor status --json neighbour | jq -r '.network.addresses[0]'):8080/page; curl -s --max-time 20 "$url" | grep -q "hello from inside"; }
# sample N: asks the neighbour N times, 20 a second; sets sample_failed, and sample_p50 in
# microseconds.
sample() {
  for _ in $(seq "$1"); do printf 'url = "%s"\noutput = "/dev/null"\n' "$url"; done >/tmp/urls
  curl -s -0 --rate 20/s --max-time 20 -w '%{http_code} %{time_total}\n' -K /tmp/urls >/tmp/times
  sample_failed=$(($1 - $(grep -c '^200 ' /tmp/times)))
  sample_p50=$(awk '$1 == 200 { print int($2 * 1e6) }' /tmp/times | sort -n | sed -n "$((($1 + 1) / 2))p")
  sample_p50=${sample_p50:-99999999}
}
calm() { [ "$(property NRestarts)" = 0 ] && [ "$(property MainPID)" = "$main" ]; }
# populated CGROUP: it has a process. No program: that would wait for the bomb.
populated() {
  while read -r key value; do [ "$key" != populated ] || return "$((1 - value))"; done <"$1/cgroup.events"
  return 1
} 2>/dev/null
# by_hand: sets hand, the milliseconds from a write to cgroup.kill until nothing of the bomb is left, which the
# kernel of this machine needs in any case. The emperor starts the bomb again.
by_hand() {
  local cgroup begin before=0
  for _ in $(seq 600); do # a bomb that the kernel ends for want of memory has none between two starts
    before=$(pid_of bomb.ini)
    begin=${EPOCHREALTIME/./}
    cgroup=$(compgen -G '/sys/fs/cgroup/system.slice/emperor.service/emperor-*/vassal_bomb*') &&
      populated "$cgroup" && echo 1 >"$cgroup/cgroup.kill" && break
    sleep 0.1
  done 2>/dev/null
  [ ! -e "$cgroup/cpu.max" ] || echo max >"$cgroup/cpu.max"
  while populated "$cgroup"; do :; done
  hand=$(((${EPOCHREALTIME/./} - begin) / 1000))
  soon another "$before" >/dev/null
}
another() { local now; now=$(pid_of bomb.ini); [ "${now:-0}" != 0 ] && [ "$now" != "$1" ]; }
# gone_in_time: sets took, in milliseconds until the emperor's log says so: commands are slow here. Five seconds are
# enough, or reload-mercy and twice what the end by hand took.
gone_in_time() {
  local begin=${EPOCHREALTIME/./}
  rm /srv/vassals/bomb.ini
  while emperor status bomb >/dev/null 2>&1 || compgen -G '/sys/fs/cgroup/system.slice/emperor.service/emperor-*/vassal_bomb*' >/dev/null; do
    sleep 0.1
    [ $((${EPOCHREALTIME/./} - begin)) -lt 60000000 ] || break
  done
  journalctl -u emperor -t emperor -n 500 -o short-unix --no-pager | awk -v begin="$begin" '/bomb.ini: / && $1 * 1000000 > begin { at = $1; $1 = $2 = $3 = ""; printf "      %5d ms %s\n", at * 1000 - begin / 1000, $0 }' >/tmp/steps
  took=$(journalctl -u emperor -t emperor -n 500 -o short-unix --no-pager | awk -v begin="$begin" '/bomb.ini: .*-> gone/ { at = $1 } END { print int(at * 1000 - begin / 1000) }')
  [ "$took" -gt 0 ] && { [ "$took" -le 5000 ] || [ "$took" -le $((1000 + 2 * hand)) ]; } || { echo "$took ms"; return 1; }
}

counted() { curl -s --max-time 20 http://127.0.0.1:8094/metrics | grep -q '^emperor_vassal_limit_hits_total{limit="tasks-max",vassal="bomb.ini"} [1-9]'; }

expect "the emperor starts" systemctl start emperor || return
expect "the neighbour answers" soon ask || return
main=$(property MainPID)
# bomb KIND [LINE…]: with these lines in its file. The base is measured before and after each bomb, because the
# load of the host changes: the bomb is compared with the slower one.
bomb() {
  local lost p50 base
  sample 100
  base=$sample_p50
  printf '%s\n' "[uwsgi]" "command = bomb $1" "${@:2}" >/tmp/bomb.ini
  install -o bomber -g bomber -m 644 /tmp/bomb.ini /srv/vassals/bomb.ini
  soon bash -c 'emperor list bomb.ini 2>/dev/null | grep -q bomb' >/dev/null
  sleep 3
  sample 100
  lost=$sample_failed p50=$sample_p50
  emperor list | sed 's/^/      /'
  expect "$1: no request fails" test "$lost" = 0
  expect "$1: the emperor is the same" calm
  # With a quota it needs minutes until it has so many processes.
  [ "$*" != fork ] || expect "$1: the metric counts the limit" soon counted
  expect "$1: the kernel ends it by hand" by_hand
  sleep 3
  expect "$1: it is gone in time" gone_in_time
  echo "      $1: gone after $took ms, by hand after $hand ms"
  cat /tmp/steps
  sample 100
  echo "      $1: p50 $p50 us, $base us before, $sample_p50 us after, $lost of 100 failed"
  [ "$sample_p50" -le "$base" ] || base=$sample_p50
  expect "$1: the neighbour's p50 is at most 4 times its base" test "$p50" -le $((4 * base))
}
install -m755 bomb /usr/local/bin/
for kind in fork memory descriptor thread zombie pipe file; do
  bomb $kind
done
bomb fork "cpu-quota = 5" # its processes need processor time to end
expect "the neighbour answers still" ask
expect "systemctl stop succeeds" systemctl stop emperor
umount /home/bomber
