#!/bin/bash
# run.sh BIN [STORY…]: the stories of examples/systemd/emperor.service, all or those that
# are named, in a virtual machine with a systemd and cgroups of its own (../vm). EMPEROR_VM_CACHE
# is the directory of its image, which is made when it is missing (about a minute and 300 MB; root,
# apt and a network). Without a machine no story runs, and the exit status is 77. make ends with 2
# after any failure of a recipe, this one too: call this script where the status counts.
set -euo pipefail
here=$(dirname "$(realpath "$0")")
root=$(realpath "$here/../..")
vm=$root/integration/vm
cache=${EMPEROR_VM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/emperor-vm}
programs=$(realpath "$1")
shift
[ $# -gt 0 ] || set -- service user rootless tenants limits bombs watchdog upgrade package
payload=$(mktemp -d)
trap 'rm -rf "$payload"' EXIT
built=0
"$vm/build.sh" "$cache" || built=$?
if [ $built != 0 ]; then
  echo "make systemd: no story was run, there is no virtual machine (exit status $built of integration/systemd/run.sh)" >&2
  exit "$built" # 77 is skipped, and no success
fi
cp "$root"/examples/systemd/emperor.service "$root"/examples/systemd/emperor.ini "$payload/"
cp -r "$here/vassals" "$here"/*.sh "$payload/"
cp "$programs"/emperor "$programs"/emperor-dns "$programs"/vassal "$programs"/vassal-server "$programs"/vassal-helper "$payload/"
(cd "$root" && CGO_ENABLED=0 "${GO:-go}" build -o "$payload/bomb" ./integration/systemd/bomb)
echo "$@" >"$payload/which"
case " $* " in *" package "*) "$here/packages.sh" "$payload/packages" ;; esac
VM_TIMEOUT=${VM_TIMEOUT:-3600} "$vm/run.sh" "$cache" "$payload" "$here/stories.sh"
