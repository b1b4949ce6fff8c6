package config

import (
	"slices"
	"strings"

	"github.com/emperor-go/emperor/internal/dialect"
)

// confinementParts are parts of the names that other programs give to options that confine a
// process, in lower case and without punctuation: systemd (systemd.exec(5),
// systemd.resource-control(5)), OCI runtimes, docker, bwrap and firejail.
var confinementParts = []string{
	"apparmor", "apparmour", "blockio", "cgroup", "chroot", "dynamicuser", "inaccessibledirector", "inaccessiblepath", "ipcnamespace", "jail",
	"keyring", "landlock", "limitmemory", "lockpersonality", "maskedpath", "maxpids", "memorydenywrite", "mountnamespace", "networknamespace",
	"nonetwork", "nonewpriv", "passenvironment", "pidnamespace", "pivotroot", "privilege", "readonlydirector", "readonlypath", "readonlyroot",
	"readwritedirector", "readwritepath", "rlimit", "rootfs", "sandbox", "seccomp", "securebits", "securitycontext", "selinux",
	"smackprocess", "supplementarygroup", "syscall", "systemcall", "temporaryfilesystem", "tyrant", "ulimit", "unshare", "usernamespace", "userns",
	"utsnamespace",
}

// confinementPrefixes are prefixes of such names.
var confinementPrefixes = []string{
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

// confinementWords are such names that prove nothing as a part of a longer word.
var confinementWords = []string{
	"cap", "caps", "clone", "clones", "cpus", "maxmem", "mem", "memory", "namespaces", "netns", "nnp", "nodev", "noexec", "nofile", "noroot",
	"nosuid", "nproc", "privileged", "readonly", "useclone",
}

// ociMember reports whether the OCI runtime specification (config.md, config-linux.md)
// confines a container by a member of an object. The list omits members that the other lists
// contain.
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

// namesConfinement reports whether the name of an unknown key suggests that it confines a
// process, in any spelling: NoNewPrivileges, no_new_privs, seccomp.profile, linux.resources or
// emperor-namespaces.
func namesConfinement(key string) bool {
	if object, inside, ok := strings.Cut(key, "."); ok {
		member, _, _ := strings.Cut(inside, ".")
		if ociMember(normalized(object), normalized(member)) || namesConfinement(inside) {
			return true
		}
	}
	word := bare(normalized(key))
	return slices.Contains(confinementWords, word) ||
		slices.ContainsFunc(confinementParts, func(part string) bool { return strings.Contains(word, part) }) ||
		slices.ContainsFunc(confinementPrefixes, func(part string) bool { return strings.HasPrefix(word, part) })
}

// bare returns a normalized word without the name of our program, which may precede an option.
func bare(word string) string {
	for _, program := range []string{"vassal", "emperor"} {
		if rest, ok := strings.CutPrefix(word, program); ok {
			return rest
		}
	}
	return word
}

// confinementInside returns the beginning of a path through mappings, a.b.c, up to the first key
// whose name suggests confinement, or "".
func confinementInside(path string) string {
	for at := 0; at < len(path); at++ {
		if path[at] == '.' && namesConfinement(path[:at]) {
			return path[:at]
		}
	}
	if namesConfinement(path) {
		return path
	}
	return ""
}

// checkNested adds a mistake for each key of a nested mapping whose name suggests confinement. It
// skips a scalar whose own name does, because decoding reports that.
func checkNested(r *dialect.Result) {
	reported := map[string]bool{}
	for _, e := range r.Nested {
		key := confinementInside(e.Key)
		last := e.Key[strings.LastIndexByte(e.Key, '.')+1:]
		if key == "" || reported[e.Origin.File+":"+key] || e.Value != "" && namesConfinement(last) {
			continue
		}
		reported[e.Origin.File+":"+key] = true
		r.Problems.Add(e.Origin, key, confinementText, "remove it only if running without it is safe")
	}
}

// normalized returns a word in lower case and without punctuation.
func normalized(key string) string {
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

// optionSpelling returns a word in the spelling of options: KeyringMode and keyring_mode become
// keyring-mode.
func optionSpelling(key string) string {
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
