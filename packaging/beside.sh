#!/bin/sh
# Refuses `make install` and `make uninstall` where they and the package would hide or remove each other's files:
# packaging/beside.sh install|uninstall ROOT PREFIX [FORCE]. ROOT is empty, or the directory of another system.
set -eu
target=$1 root=$2 prefix=$3 force=${4:-}
[ -z "$force" ] || exit 0

packaged() {
	grep -qsx /usr/bin/emperor "$root/var/lib/dpkg/info/emperor.list" && return
	command -v rpm >/dev/null 2>&1 && [ -d "$root/var/lib/rpm" ] && rpm --root "${root:-/}" -q emperor >/dev/null 2>&1
}

case $prefix in
/usr) ;;
/usr/local) [ "$target" = install ] || exit 0 ;;
*) exit 0 ;; # a copy for one user, or below a directory of its own
esac
packaged || exit 0
{
	case $target$prefix in
	install/usr) echo "make install: /usr has the files of the package emperor, which the next upgrade puts back" ;;
	uninstall/usr) echo "make uninstall: /usr has the files of the package emperor" ;;
	*) echo "make install: the package emperor is installed, and $prefix/bin/emperor would run in place of /usr/bin/emperor" ;;
	esac
	echo "  remove the package first (apt remove emperor, rpm -e emperor): it keeps /etc/emperor.ini and /etc/vassals"
	echo "  or: make $target FORCE=yes"
} >&2
exit 1
