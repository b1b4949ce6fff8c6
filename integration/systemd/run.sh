#!/bin/bash
# run.sh BIN [STORY…]: the stories of examples/systemd/emperor.service, all or those that
# are named, in a virtual machine with a systemd of its own. EMPEROR_VM is the directory
# of what runs such machines
# (build-image.sh and vm-run.sh), EMPEROR_VM_CACHE that of its image. Without that directory
# no story runs, and the exit status is 77.
set -euo pipefail
here=$(dirname "$(realpath "$0")")
root=$(realpath "$here/../..")
vm=${EMPEROR_VM:-$root/../shared/vm}
if [ ! -x "$vm/vm-run.sh" ]; then
  echo "make systemd: not run, there is no vm-run.sh in $vm (EMPEROR_VM names another directory)" >&2
  exit 77 # skipped, and no success
fi
cache=${EMPEROR_VM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/emperor-vm}
payload=$(mktemp -d)
trap 'rm -rf "$payload"' EXIT
cp "$root"/examples/systemd/emperor.service "$root"/examples/systemd/emperor.ini "$payload/"
cp -r "$here/vassals" "$here"/*.sh "$payload/"
programs=$1
shift
[ $# -gt 0 ] || set -- service user
cp "$programs"/emperor "$programs"/emperor-dns "$programs"/vassal "$programs"/vassal-server "$programs"/vassal-helper "$payload/"
echo "$@" >"$payload/which"
"$vm/build-image.sh" "$cache"
"$vm/vm-run.sh" "$cache" "$payload" "$here/stories.sh"
