# Customers who write their own vassals: the emperor's file of docs/containment.md, and a file that
# belongs to a customer. The facts are read from the kernel.
systemctl daemon-reload
rm -rf /etc/vassals /srv/vassals && mkdir -p /etc/vassals && install -d -m 1777 /srv/vassals
useradd --create-home shop
useradd --create-home other
cat >/etc/emperor.ini <<'END'
[uwsgi]                                   ; /etc/emperor.ini
emperor = /srv/vassals
emperor-use-clone = pid,uts,net,ipc,fs,user,cgroup
emperor-tyrant = true
emperor-id-range = 1000000:65536
emperor-network = routed
END
echo "the shop" >/home/shop/page
chmod 711 /home/shop
printf '[uwsgi]\nhttp-socket = :8080\nstatic-map = /=/home/shop\n' >/tmp/shop.ini
customer() { install -o "$1" -g "$1" -m 644 "$2" "/srv/vassals/$3"; }
customer shop /tmp/shop.ini shop.ini
printf '[uwsgi]\ncommand = sh -c "touch /tmp/of-other; exec sleep 1000000"\n' >/tmp/other.ini
customer other /tmp/other.ini other.ini
at() { echo "/sys/fs/cgroup$(sed -n 's/^0:://p' "/proc/$1/cgroup")"; }
holds() { [ "$(cat "$(at "$(pid_of "$1")")/$2")" = "$3" ]; }
address() { emperor status --json shop | jq -r '.network.addresses[0]'; }
page() { curl -s --max-time 20 "http://$(address):8080/page" | grep -q "the shop"; }
status_of() { [ "$(awk -v key="$2:" '$1 == key { print $2; exit }' "/proc/$1/status")" = "$3" ] || { grep "$2" "/proc/$1/status"; return 1; }; }
inside() { emperor enter shop sh -c "$1"; }
refused() { inside "! { $1; }"; }
quarter=$(($(awk '/^MemTotal/ { print $2 }' /proc/meminfo) * 256))
near_a_quarter() { local max; max=$(cat "$(at "$shop")/memory.max") && [ "$max" -le $((quarter + 8192)) ] && [ "$max" -ge $((quarter - 8192)) ]; }

expect "the emperor starts" systemctl start emperor || return
expect "the customer's vassal answers" soon page || return
shop=$(pid_of shop.ini)
expect "it runs as its owner" status_of "$shop" Uid "$(id -u shop)"
expect "with 512 tasks at most" holds shop.ini pids.max 512
expect "and a quarter of the memory" near_a_quarter
expect "and no swap" holds shop.ini memory.swap.max 0
for key in CapInh CapPrm CapEff CapBnd CapAmb; do expect "its $key is empty" status_of "$shop" $key 0000000000000000; done
expect "no new privileges" status_of "$shop" NoNewPrivs 1
expect "a filter on system calls" status_of "$shop" Seccomp 2
expect "its /tmp is private" inside 'test ! -e /tmp/shop.ini && touch /tmp/x'
expect "and not that of its neighbour" refused 'test -e /tmp/of-other'
expect "its /dev is private" inside 'test ! -e /dev/kmsg && test ! -e /dev/vda && test -c /dev/null'
expect "the system is read-only" refused 'touch /usr/x || touch /etc/x || touch /srv/x || touch /var/x'
expect "the home of its owner is writable" inside 'touch ~/x'
expect "that of its neighbour is not visible" refused 'ls /home/other'
expect "it sees its own link only" test "$(inside 'ls /sys/class/net | xargs')" = "eth0 lo"
expect "the list shows the owner" bash -c 'emperor list shop.ini | grep -q "running .* shop "'
expect "and the use of tasks against the limit" bash -c 'emperor list shop.ini | grep -q "[0-9]/512"'
expect "and of memory" bash -c 'emperor list shop.ini | grep -Eq "[0-9.]+M/[0-9]+M"'
emperor list | sed 's/^/      /'
emperor check --security shop >/tmp/security
sed 's/^/      /' /tmp/security
for fact in "its programs are not root" "no program gets more rights" "system calls are filtered" "root in it is no user of the host" "memory is limited" "processes are limited" "temporary files of its own" "the system is read-only"; do
  expect "check --security has: $fact" grep -q -- "-  $fact" /tmp/security
done

sed 's/static-map.*/&\nexec-as-root = id/' /tmp/shop.ini >/tmp/root.ini
customer shop /tmp/root.ini shop.ini
expect "a line that acts as root is refused with file and line" soon journal_has "/srv/vassals/shop.ini:4: exec-as-root: not permitted in a tenant's own file"
expect "and the vassal runs on" page
printf 'tasks-max = 1000\nmemory-max = 64m\n' | cat /tmp/shop.ini - >/tmp/wide.ini
customer shop /tmp/wide.ini shop.ini
expect "a customer makes a limit stricter" soon holds shop.ini memory.max 67108864
expect "and not wider" holds shop.ini pids.max 512
expect "with the same process" test "$(pid_of shop.ini)" = "$shop"
expect "systemctl stop succeeds" systemctl stop emperor
