# Gives a vassal a link of its own, called by its file: alpha.ini gets sv-alpha, the
# other end of which is eth0 inside. The emperor runs this while the vassal waits.
set -eu
export LC_ALL=C # ${#link} counts bytes
bridge=several0
name=${UWSGI_VASSAL_NAME%.ini}
link=sv-$name
# A link's name has at most 15 bytes: a longer one gets its beginning and a checksum.
if [ ${#link} -gt 15 ]; then
	sum=$(printf %s "$name" | cksum)
	link=$(printf 'sv-%.3s-%08x' "$name" "${sum% *}")
fi

# address WORDS: a hardware address that is always the same for the same words. One
# that is new with each start would be looked for in vain for up to half a minute.
address() {
	sum=$(printf %s "$*" | cksum)
	printf '%012x' "${sum% *}" | sed 's/^....\(..\)\(..\)\(..\)\(..\)$/02:00:\1:\2:\3:\4/'
}

# guard LINK: those behind it cannot tell this host its routes, nor send from
# addresses that are not reached by it. It is not switched on before.
guard() {
	for value in ipv6/accept_ra=0 ipv6/accept_redirects=0 ipv4/accept_redirects=0 ipv4/send_redirects=0 ipv4/rp_filter=1; do
		family=${value%/*} key=${value#*/}
		file=/proc/sys/net/$family/conf/$1/${key%=*}
		[ ! -e "$file" ] || echo "${key#*=}" >"$file" # a kernel without IPv6 has not got all
	done
}

# One bridge for all, made by whoever comes first.
if ip link add "$bridge" address "$(address "$bridge")" type bridge 2>/dev/null; then
	guard "$bridge"
	ip addr add 198.19.0.1/24 dev "$bridge"
	ip link set "$bridge" up
fi

ip link del "$link" 2>/dev/null || true
ip link add "$link" address "$(address "$link")" type veth peer name eth0 address "$(address "$link" eth0)" netns "$UWSGI_VASSAL_PID"
guard "$link"
ip link set "$link" master "$bridge" up
