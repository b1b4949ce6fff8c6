package config

import (
	"slices"
	"strings"
)

// sounding are parts of words by which other programs confine a process, spelt
// without signs and capitals: those of systemd (systemd.exec(5),
// systemd.resource-control(5)), of the OCI runtime specification, and of docker,
// bwrap and firejail.
var sounding = []string{
	"apparmor", "blockio", "cgroup", "chroot", "dynamicuser", "inaccessiblepath", "jail", "keyring", "landlock", "lockpersonality", "maskedpath",
	"memorydenywrite", "networknamespace", "nonewpriv", "passenvironment", "pivotroot", "privilege", "readonlypath", "readonlyroot", "readwritepath", "rlimit",
	"rootfs", "sandbox", "seccomp", "securebits", "selinux", "smackprocess", "supplementarygroup", "systemcall", "temporaryfilesystem", "ulimit",
	"unshare", "usernamespace", "userns",
}

// soundingFirst are beginnings of such words.
var soundingFirst = []string{
	"allowedcpu", "allowedmemory", "ambientcap", "bindpath", "bindreadonly", "blkio", "boundingset", "capabilit", "capadd", "capbound", "capdrop", "cpumax",
	"cpuperiod", "cpuquota", "cpuset", "cpushare", "cpuweight", "deviceallow", "devicepolicy", "dropcap", "execpath", "gidmap", "ioread", "ioweight", "iowrite",
	"ipaddressallow", "ipaddressdeny", "joinsnamespace", "limitas", "limitcore", "limitcpu", "limitdata", "limitfsize", "limitlocks", "limitmemlock",
	"limitmsgqueue", "limitnice", "limitnofile", "limitnproc", "limitrss", "limitrt", "limitsigpending", "limitstack", "memlimit", "memoryhigh",
	"memorylimit", "memorylow", "memorymax", "memorymin", "memoryreservation", "memoryswap", "noexecpath", "oompolicy", "oomscore", "pidlimit", "pidslimit", "pidsmax",
	"privatebpf", "privatedevice", "privateipc", "privatemount", "privatenetwork", "privatepids", "privatetmp", "privateuser", "procsubset", "protectclock",
	"protectcontrol", "protecthome", "protecthostname", "protectkernel", "protectproc", "protectsystem", "removeipc", "restrictaddress",
	"restrictfilesystem", "restrictnamespace", "restrictnetwork", "restrictrealtime", "restrictsuid", "rootdirectory", "rootimage", "securityopt", "socketbind",
	"taskslimit", "tasksmax", "uidmap",
}

// soundingWhole are such words that mean nothing as a part.
var soundingWhole = []string{"caps", "cpus", "memory", "namespaces", "netns", "nnp", "noroot", "privileged", "readonly"}

// sounds reports whether a key that no table knows sounds like the confinement of a
// process, in whatever spelling: NoNewPrivileges, no_new_privs or seccomp.profile.
func sounds(key string) bool {
	word := squeezed(key)
	return slices.Contains(soundingWhole, word) ||
		slices.ContainsFunc(sounding, func(part string) bool { return strings.Contains(word, part) }) ||
		slices.ContainsFunc(soundingFirst, func(part string) bool { return strings.HasPrefix(word, part) })
}

// squeezed is a word without signs and capitals.
func squeezed(key string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case 'A' <= c && c <= 'Z':
			return c + 'a' - 'A'
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
			return c
		}
		return -1
	}, key)
}

// respelt is a word of CamelCase, or with other signs, as options are written:
// KeyringMode and keyring_mode are keyring-mode.
func respelt(key string) string {
	var b strings.Builder
	for i := range len(key) {
		c := key[i]
		switch {
		case 'A' <= c && c <= 'Z':
			if i > 0 && key[i-1] >= 'a' && key[i-1] <= 'z' {
				b.WriteByte('-')
			}
			b.WriteByte(c + 'a' - 'A')
		case c == '_' || c == '.' || c == ' ':
			b.WriteByte('-')
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
