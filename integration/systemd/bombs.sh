# Bombs in a vassal with limits: its neighbour answers on, the emperor is not restarted, and the
# bomb is gone soon after its file.
systemctl daemon-reload
rm -f /etc/vassals/*
cat >/etc/emperor.ini <<'END'
[uwsgi]
emperor = /etc/vassals
emperor-use-clone = pid,uts,ipc,fs
emperor-backoff = 1
metrics = 127.0.0.1:8094
reload-mercy = 2
END
cat >/etc/vassals/neighbour.ini <<'END'
[uwsgi]
http-socket = 127.0.0.1:8092
static-map = /=/srv
uid = nobody
END
ask() { curl -s --max-time 20 http://127.0.0.1:8092/page | grep -q "hello from inside"; }
# sample N: asks the neighbour N times, 20 a second; sets sample_failed, and sample_p50 in
# microseconds.
sample() {
  for _ in $(seq "$1"); do printf 'url = "http://127.0.0.1:8092/page"\noutput = "/dev/null"\n'; done >/tmp/urls
  curl -s -0 --rate 20/s --max-time 20 -w '%{http_code} %{time_total}\n' -K /tmp/urls >/tmp/times
  sample_failed=$(($1 - $(grep -c '^200 ' /tmp/times)))
  sample_p50=$(awk '$1 == 200 { print int($2 * 1e6) }' /tmp/times | sort -n | sed -n "$((($1 + 1) / 2))p")
  sample_p50=${sample_p50:-99999999}
}
calm() { [ "$(property NRestarts)" = 0 ] && [ "$(property MainPID)" = "$main" ]; }
gone_in_time() {
  local begin=${EPOCHREALTIME/./}
  rm /etc/vassals/bomb.ini
  while emperor status bomb >/dev/null 2>&1 || compgen -G '/sys/fs/cgroup/system.slice/emperor.service/emperor-*/vassal_bomb*' >/dev/null; do
    sleep 0.1
    [ $((${EPOCHREALTIME/./} - begin)) -lt 60000000 ] || break
  done
  took=$(((${EPOCHREALTIME/./} - begin) / 1000))
  [ $took -le 5000 ] || { echo "$took ms"; return 1; }
}

counted() { curl -s --max-time 20 http://127.0.0.1:8094/metrics | grep -q '^emperor_vassal_limit_hits_total{limit="tasks-max",vassal="bomb.ini"} [1-9]'; }

expect "the emperor starts" systemctl start emperor
expect "the neighbour answers" soon ask
main=$(property MainPID)
sample 100
base=$sample_p50
echo "      alone: p50 $base us"

bomb() { # NAME COMMAND [OPTION…]
  local name=$1 command=$2
  shift 2
  printf '%s\n' "[uwsgi]" "uid = nobody" "tasks-max = 200" "memory-max = 128m" "memory-swap-max = 0" "cpu-weight = 20" "$@" "command = $command" >/etc/vassals/bomb.ini
  soon bash -c 'emperor list bomb.ini 2>/dev/null | grep -q bomb' >/dev/null
  sleep 3
  sample 200
  echo "      $name: p50 $sample_p50 us ($(awk -v a="$sample_p50" -v b="$base" 'BEGIN { printf "%.1f", a / b }') x base), $sample_failed of 200 failed"
  expect "$name: no request fails" test "$sample_failed" = 0
  expect "$name: the neighbour's p50 is at most 4 times its base" test "$sample_p50" -le $((4 * base))
  expect "$name: the emperor is the same" calm
  [ $name != fork ] || expect "$name: the metric counts the limit" soon counted
  expect "$name: it is gone within 5 s" gone_in_time
  echo "      $name: gone after $took ms"
}
install -m755 bomb /usr/local/bin/
for kind in fork memory descriptor thread; do
  bomb $kind "bomb $kind"
done
expect "the neighbour answers still" ask
expect "systemctl stop succeeds" systemctl stop emperor
