package config

import (
	"slices"
	"strings"

	"github.com/emperor-go/emperor/internal/dialect"
)

// sounding are parts of words by which other programs confine a process, without signs and
// capitals: of systemd (systemd.exec(5), systemd.resource-control(5)), of the OCI runtime
// specification, and of docker, bwrap and firejail.
var sounding = []string{
	"apparmor", "apparmour", "blockio", "cgroup", "chroot", "dynamicuser", "inaccessibledirector", "inaccessiblepath", "ipcnamespace", "jail",
	"keyring", "landlock", "limitmemory", "lockpersonality", "maskedpath", "maxpids", "memorydenywrite", "mountnamespace", "networknamespace",
	"nonetwork", "nonewpriv", "passenvironment", "pidnamespace", "pivotroot", "privilege", "readonlydirector", "readonlypath", "readonlyroot",
	"readwritedirector", "readwritepath", "rlimit", "rootfs", "sandbox", "seccomp", "securebits", "securitycontext", "selinux",
	"smackprocess", "supplementarygroup", "syscall", "systemcall", "temporaryfilesystem", "ulimit", "unshare", "usernamespace", "userns",
	"utsnamespace",
}

// soundingFirst are prefixes of such words.
var soundingFirst = []string{
	"allowedcpu", "allowedmemory", "ambientcap", "bindpath", "bindreadonly", "blkio", "boundingset", "bpfprogram", "capabilit", "capadd",
	"capbound", "capbset", "capdrop", "cpumax", "cpuperiod", "cpuquota", "cpuset", "cpushare", "cpuweight", "deviceallow", "devicepolicy",
	"dropcap", "execpath", "gidmap", "hidepid", "idmap", "idrange", "iodevice", "iomax", "ioread", "ioweight", "iowrite", "ipaddressallow",
	"ipaddressdeny", "ipegressfilter", "ipingressfilter", "joinsnamespace", "keepcap", "limitas", "limitcore", "limitcpu", "limitdata",
	"limitfsize", "limitlocks", "limitmemlock", "limitmsgqueue", "limitnice", "limitnofile", "limitnproc", "limitrss", "limitrt",
	"limitsigpending", "limitstack", "maxmemory", "memlimit", "memmax", "memoryhigh", "memorylimit", "memorylow", "memorymax", "memorymin",
	"memoryreservation", "memoryswap", "memoryzswap", "memreservation", "memswap", "networkmode", "noexecpath", "oompolicy", "oomscore",
	"pidlimit", "pidslimit", "pidsmax", "privatebpf", "privatedev", "privateipc", "privatemount", "privatenetwork", "privatepids",
	"privatetmp", "privateuser", "procsubset", "protectclock", "protectcontrol", "protecthome", "protecthostname", "protectkernel",
	"protectproc", "protectsystem", "removeipc", "restrictaddress", "restrictfilesystem", "restrictnamespace", "restrictnetwork",
	"restrictrealtime", "restrictsuid", "rootdir", "rootimage", "securityopt", "socketbind", "startupallowed", "startupcpu", "startupio",
	"startupmemory", "taskslimit", "tasksmax", "uidmap",
}

// soundingWhole are such words that have no meaning as a part.
var soundingWhole = []string{
	"cap", "caps", "clone", "clones", "cpus", "maxmem", "mem", "memory", "namespaces", "netns", "nnp", "nodev", "noexec", "nofile", "noroot",
	"nosuid", "nproc", "privileged", "readonly", "useclone",
}

// ociMember reports whether the OCI runtime specification (config.md, config-linux.md)
// confines a container by a member of that object. A word that sounds like confinement by
// itself needs no entry here.
func ociMember(object, member string) bool {
	var members []string
	switch object {
	case "linux":
		members = []string{
			"devices", "gidmappings", "intelrdt", "memorypolicy", "mountlabel", "namespaces", "netdevices", "personality", "resources", "sysctl", "timeoffsets",
			"uidmappings",
		}
	case "process":
		members = []string{"capabilities", "iopriority", "rlimits", "scheduler", "selinuxlabel", "user"}
	case "root":
		members = []string{"readonly"}
	}
	return slices.Contains(members, member)
}

// sounds reports whether a key that no table knows sounds like the confinement of a process,
// in any spelling: NoNewPrivileges, no_new_privs, seccomp.profile, linux.resources or
// emperor-namespaces.
func sounds(key string) bool {
	if object, inside, ok := strings.Cut(key, "."); ok {
		member, _, _ := strings.Cut(inside, ".")
		if ociMember(squeezed(object), squeezed(member)) || sounds(inside) {
			return true
		}
	}
	word := bare(squeezed(key))
	return slices.Contains(soundingWhole, word) ||
		slices.ContainsFunc(sounding, func(part string) bool { return strings.Contains(word, part) }) ||
		slices.ContainsFunc(soundingFirst, func(part string) bool { return strings.HasPrefix(word, part) })
}

// bare returns a squeezed word without the name of our program in front, with which options may
// be written.
func bare(word string) string {
	for _, program := range []string{"vassal", "emperor"} {
		if rest, ok := strings.CutPrefix(word, program); ok {
			return rest
		}
	}
	return word
}

// soundsInside returns the part of a path through mappings, a.b.c, up to the first key at
// which it sounds like confinement; or "".
func soundsInside(path string) string {
	for at := 0; at < len(path); at++ {
		if path[at] == '.' && sounds(path[:at]) {
			return path[:at]
		}
	}
	if sounds(path) {
		return path
	}
	return ""
}

// insideOf adds a mistake for each key of a nested mapping at which it sounds like confinement.
// The value of a scalar counts as if it was not nested, so that it is checked with the options.
func insideOf(r *dialect.Result) {
	told := map[string]bool{}
	for _, e := range r.Nested {
		key := soundsInside(e.Key)
		last := e.Key[strings.LastIndexByte(e.Key, '.')+1:]
		if key == "" || told[e.Origin.File+":"+key] || e.Value != "" && sounds(last) {
			continue
		}
		told[e.Origin.File+":"+key] = true
		r.Problems.Add(e.Origin, key, soundsText, "remove it only if it may run without")
	}
}

// squeezed returns a word without signs and capitals.
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

// respelt returns a word of CamelCase, or with other signs, in the spelling of options:
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
