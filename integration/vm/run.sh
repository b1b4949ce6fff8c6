#!/bin/bash
# run.sh CACHE PAYLOAD SCRIPT: boots the machine that build.sh made in CACHE, with a copy of the
# directory PAYLOAD in /payload, runs SCRIPT there as root, prints its output (stdout and stderr
# together) and exits with its status. 124: the time was up. 125: the machine ended without a
# status. Every run starts from the same disk; runs may overlap.
#   VM_TIMEOUT=900  seconds         VM_RESULTS=DIR   receives what SCRIPT left in /results
#   VM_MEM=2048     MiB             VM_CONSOLE=FILE  receives the kernel's and systemd's console
#   VM_CPUS=2       VM_NICE=10      VM_ACCEL=kvm|tcg default: what build.sh found to work
#   VM_BOOT=90      seconds; a boot that takes longer is given up and tried once more, with tcg
set -euo pipefail

[ $# -eq 3 ] || { sed -n '2,10s/^# \{0,1\}//p' "$0" >&2; exit 2; }
cache=$(realpath "$1") payload=$(realpath "$2") script=$(realpath "$3")
[ -s "$cache/stamp" ] || { echo "vm: no image in $1: run build.sh first" >&2; exit 2; }
[ -d "$payload" ] && [ -f "$script" ] || { echo "vm: no such payload or script" >&2; exit 2; }

accel=${VM_ACCEL:-$(cat "$cache/accelerator" 2>/dev/null || echo tcg)}
run=$(mktemp -d "$cache/run.XXXXXX")
qemu=
cleanup() {
  [ -z "$qemu" ] || kill "$qemu" 2>/dev/null || :
  [ -z "${VM_CONSOLE:-}" ] || cp "$run/console" "$VM_CONSOLE" 2>/dev/null || :
  rm -rf "$run"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

install -m755 "$script" "$run/.acceptance-script"
tar --owner=0 --group=0 --numeric-owner -cf "$run/payload.tar" -C "$payload" . -C "$run" .acceptance-script
truncate -s 256M "$run/results.img"
mkfifo "$run/out"

start_machine() {
  local machine=(-accel tcg,thread=multi -cpu max,la57=off)
  [ "$accel" != kvm ] || machine=(-accel kvm -cpu host)
  TMPDIR=$run timeout -k 5 "${VM_TIMEOUT:-900}" nice -n "${VM_NICE:-10}" qemu-system-x86_64 \
    -M pc "${machine[@]}" -smp "${VM_CPUS:-2}" -m "${VM_MEM:-2048}" \
    -nodefaults -no-user-config -display none -no-reboot -nic none \
    -kernel "$cache/vmlinuz" -initrd "$cache/initrd.img" \
    -append "console=ttyS0 loglevel=4 panic=-1 mitigations=off systemd.show_status=1" \
    -drive "file=$cache/root.img,format=raw,if=virtio,snapshot=on,cache=unsafe" \
    -drive "file=$run/payload.tar,format=raw,if=virtio,readonly=on" \
    -drive "file=$run/results.img,format=raw,if=virtio,cache=unsafe" \
    -device virtio-rng-pci \
    -serial "file:$run/console" -chardev stdio,id=out,signal=off -serial chardev:out \
    </dev/null >"$run/out" 2>"$run/qemu.err" &
  qemu=$!
}

# Prints what is between the markers as it comes. The newline before END is the
# runner's: a line is held back until its successor shows that it is complete.
show() {
  local line='' held='' have=0 up r
  while [[ $line != '@@ACCEPTANCE BEGIN '* ]]; do
    r=0
    IFS= read -r -t "${VM_BOOT:-90}" line || r=$?
    if [ $r -gt 128 ]; then
      echo "slow boot" >"$run/slow"
      kill "$qemu" || :
      return
    fi
    [ $r -eq 0 ] || return 0
  done
  up=${line##* }
  while IFS= read -r line; do
    if [[ $line == '@@ACCEPTANCE END '* ]]; then
      printf %s "$held"
      echo "${line#*END }" "$up" | tr -d @ >"$run/status"
      timeout 10 cat >/dev/null || kill "$qemu" || :   # it powers itself off by now
      return
    fi
    [ $have -eq 0 ] || printf '%s\n' "$held"
    held=$line have=1
  done
  [ $have -eq 0 ] || printf '%s\n' "$held"
}

since=$EPOCHREALTIME
for try in 1 2; do
  rm -f "$run/slow"
  start_machine
  show <"$run/out" &
  filter=$!
  ended=0
  wait "$qemu" || ended=$?
  qemu=
  wait "$filter" || :
  [ -e "$run/slow" ] || [ "$accel" = kvm ] && [ ! -s "$run/status" ] || break
  accel=tcg
  { echo "vm: try $try: no sign of the script after ${VM_BOOT:-90} s"; tail -n 15 "$run/console"; } >&2
done
total=$(awk "BEGIN { printf \"%.1f\", $EPOCHREALTIME - $since }")

if [ ! -s "$run/status" ]; then
  { cat "$run/qemu.err"; echo "vm: last lines of the console:"; tail -n 30 "$run/console"; } >&2 || :
  if [ ! -e "$run/slow" ] && { [ $ended -eq 124 ] || [ $ended -eq 137 ]; }; then
    echo "vm: timeout after $total s" >&2
    exit 124
  fi
  echo "vm: the machine ended without a status after $total s (qemu: $ended)" >&2
  exit 125
fi
read -r rc end boot <"$run/status"
if [ -n "${VM_RESULTS:-}" ]; then
  mkdir -p "$VM_RESULTS"
  tar -xf "$run/results.img" -C "$VM_RESULTS" --no-same-owner
fi
ran=$(awk "BEGIN { print $end - $boot }")
echo "vm: boot $boot s, script $ran s, total $total s, status $rc" >&2
exit "$rc"
