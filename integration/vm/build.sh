#!/bin/bash
# build.sh CACHE: a virtual machine in CACHE, which is outside of the repository: vmlinuz,
# initrd.img, root.img, accelerator and versions.txt. It has a systemd as process 1 and a cgroup
# v2 hierarchy with all controllers, from packages of Debian bookworm. A second call with the same
# script and packages does nothing. It needs root and apt, and neither KVM nor loop devices.
#   EXTRA_PACKAGES="a b"  more packages for the image
#   MIRROR=URL            Debian's mirror; default: that of this host's apt, or deb.debian.org
# Exit status 77: this host has no apt, or no network to the mirror.
set -euo pipefail

[ $# -eq 1 ] || { sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 2; }
skip() { echo "vm: not built: $*" >&2; exit 77; }
[ "$(id -u)" -eq 0 ] || skip "it needs root"
[ "$(uname -m)" = x86_64 ] || skip "it is for x86_64"
command -v apt-get >/dev/null || skip "there is no apt-get"
mkdir -p "$1"
cache=$(realpath "$1")
mirror=${MIRROR:-$(apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' | awk '$1 == "bookworm" || $1 == "stable" { print $2; exit }')}
mirror=${mirror:-http://deb.debian.org/debian}
kernel_meta=linux-image-cloud-amd64
packages=systemd,systemd-sysv,dbus,udev,libpam-systemd,libnss-systemd,iproute2,iputils-ping
packages+=,procps,kmod,nftables,ca-certificates,libcap2-bin,curl,jq
for p in ${EXTRA_PACKAGES:-}; do packages+=,$p; done

exec 9>"$cache/.lock"
flock 9
stamp=$( { cat "$0"; echo "$packages $mirror"; } | sha256sum | cut -d' ' -f1)
if [ "$(cat "$cache/stamp" 2>/dev/null)" = "$stamp" ] && [ -s "$cache/root.img" ] &&
   [ -s "$cache/vmlinuz" ] && [ -s "$cache/initrd.img" ] && command -v qemu-system-x86_64 >/dev/null; then
  exit 0
fi

export DEBIAN_FRONTEND=noninteractive LC_ALL=C
need=()
for p in qemu-system-x86 debootstrap e2fsprogs kmod cpio; do
  [ "$(dpkg-query -Wf '${db:Status-Abbrev}' "$p" 2>/dev/null)" = "ii " ] || need+=("$p")
done
apt-get update -qq || skip "apt reaches no mirror"
[ ${#need[@]} -eq 0 ] || apt-get install -y -qq --no-install-recommends "${need[@]}" >/dev/null || skip "no package ${need[*]}"

work=$(mktemp -d "$cache/build.XXXXXX")
trap 'rm -rf --one-file-system "$work"' EXIT
chmod 755 "$work"
root=$work/root

echo "vm: debootstrap"
# In mount namespaces of its own: debootstrap mounts /proc, and mounts of the host stay as they are.
unshare -m debootstrap --variant=minbase --include="$packages" bookworm "$root" "$mirror" >"$work/debootstrap.log" 2>&1 ||
  { tail -20 "$work/debootstrap.log" >&2; skip "no system from $mirror"; }

echo "vm: kernel"
kernel=$(apt-cache depends $kernel_meta | awk '/Depends: linux-image-[0-9]/ {print $2; exit}')
[ -n "$kernel" ] || skip "apt has no package $kernel_meta"
(cd "$work" && apt-get -qq -o APT::Sandbox::User=root download "$kernel" busybox-static >/dev/null) || skip "no package $kernel"
dpkg-deb -x "$work/$kernel"_*.deb "$work/kernel"
dpkg-deb -x "$work"/busybox-static_*.deb "$work/busybox"
version=${kernel#linux-image-}
mkdir -p "$root/lib/modules"
cp -a "$work/kernel/lib/modules/$version" "$root/lib/modules/"
depmod -b "$root" "$version"

# A minimal initramfs: everything but the virtio disk driver is built in.
initrd=$work/initrd
mkdir -p "$initrd"/{bin,dev,proc,root,modules}
cp "$work/busybox/bin/busybox" "$initrd/bin/busybox"
n=10
for m in virtio_pci virtio_blk; do
  for ko in $(modprobe -d "$root" -S "$version" --show-depends $m | awk '$1=="insmod" {print $2}'); do
    ls "$initrd"/modules/*-"$(basename "$ko")" >/dev/null 2>&1 || cp "$ko" "$initrd/modules/$((n++))-$(basename "$ko")"
  done
done
cat >"$initrd/init" <<'INIT'
#!/bin/busybox sh
b=/bin/busybox
$b mount -t devtmpfs dev /dev
for m in /modules/*; do $b insmod $m; done
i=0
while [ ! -b /dev/vda ] && [ $i -lt 300 ]; do $b sleep 0.1; i=$((i+1)); done
$b mount -t ext4 -o rw,noatime,noinit_itable /dev/vda /root || $b poweroff -f
$b mount -o move /dev /root/dev
exec $b switch_root /root /sbin/init
INIT
chmod 755 "$initrd/init"
(cd "$initrd" && find . | cpio -o -H newc --quiet | gzip -1) >"$work/initrd.img"

echo "vm: root file system"
echo acceptance >"$root/etc/hostname"
printf '127.0.0.1 localhost acceptance\n::1 localhost\n' >"$root/etc/hosts"
tr -d - </proc/sys/kernel/random/uuid >"$root/etc/machine-id"
: >"$root/etc/fstab"
mkdir -p "$root/etc/systemd/journald.conf.d" "$root/payload" "$root/results"
printf '[Journal]\nStorage=volatile\n' >"$root/etc/systemd/journald.conf.d/volatile.conf"
for u in getty@.service serial-getty@.service console-getty.service apt-daily.timer \
  apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer; do
  ln -sf /dev/null "$root/etc/systemd/system/$u"
done
# A slice of its own, so that what the runner uses does not switch controllers on in
# system.slice. Type=simple lets the boot reach "running" before the script is over.
cat >"$root/etc/systemd/system/acceptance.service" <<'UNIT'
[Unit]
Description=Acceptance script
After=multi-user.target
[Service]
Type=simple
Slice=acceptance.slice
ExecStart=/usr/local/sbin/acceptance-run
Environment=HOME=/root
OOMPolicy=continue
TasksMax=infinity
KillMode=process
[Install]
WantedBy=multi-user.target
UNIT
mkdir -p "$root/etc/systemd/system/multi-user.target.wants"
ln -sf ../acceptance.service "$root/etc/systemd/system/multi-user.target.wants/acceptance.service"
cat >"$root/usr/local/sbin/acceptance-run" <<'RUN'
#!/bin/bash
# vda: root, vdb: payload (tar), vdc: results (tar). ttyS1 carries the script's output.
exec </dev/null
stty -F /dev/ttyS1 raw -echo
tar -xf /dev/vdb -C /payload
mv /payload/.acceptance-script /run/acceptance-script
chmod 755 /run/acceptance-script
for _ in $(seq 100); do   # our own start job is the last one of the boot
  case $(systemctl is-system-running) in running|degraded) break ;; esac
  sleep 0.1
done
printf '@@ACCEPTANCE BEGIN %s@@\n' "$(cut -d' ' -f1 /proc/uptime)" >/dev/ttyS1
cd /payload
/run/acceptance-script >/dev/ttyS1 2>&1
rc=$?
up=$(cut -d' ' -f1 /proc/uptime)
tar -C /results -cf /dev/vdc .
sync
printf '\n@@ACCEPTANCE END %d %s@@\n' $rc "$up" >/dev/ttyS1
systemctl poweroff -ff
RUN
chmod 755 "$root/usr/local/sbin/acceptance-run"
rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/usr/share/{doc,man,locale,info}/*

rm -f "$cache/stamp"
truncate -s 2G "$work/root.img"
mke2fs -q -F -t ext4 -O ^has_journal -E lazy_itable_init=0 -m 0 -L acceptance -d "$root" "$work/root.img"
{
  echo "kernel $version"
  chroot "$root" dpkg-query -Wf '${Package} ${Version}\n' systemd dbus iproute2 nftables
  qemu-system-x86_64 --version | head -1
} >"$cache/versions.txt"
mv "$work/kernel/boot/vmlinuz-$version" "$cache/vmlinuz"
mv "$work/initrd.img" "$work/root.img" "$cache/"
# KVM where a guest really boots with it: in a machine that is virtual itself it may not.
accelerator=tcg
if [ -w /dev/kvm ]; then
  TMPDIR=$work timeout -k 1 20 qemu-system-x86_64 -M pc -accel kvm -cpu host -m 256 -nodefaults -no-user-config -display none \
    -no-reboot -kernel "$cache/vmlinuz" -append "console=ttyS0 panic=-1" -serial "file:$work/kvm" >/dev/null 2>&1 || :
  ! grep -qs 'Linux version' "$work/kvm" || ! grep -qs 'VFS: Unable to mount root' "$work/kvm" || accelerator=kvm
fi
echo "$accelerator" >"$cache/accelerator"
echo "$stamp" >"$cache/stamp"
cat "$cache/versions.txt"
