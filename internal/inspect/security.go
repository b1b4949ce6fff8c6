package inspect

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/emperor-go/emperor/internal/accounts"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// Fact is one fact about the confinement of a vassal.
type Fact struct {
	// Name of the fact, and its text as it is now.
	Name string `json:"name"`
	Text string `json:"text"`
	// Weight is added to the exposure while Exposed is true. Option changes the fact.
	Weight  float64 `json:"weight"`
	Exposed bool    `json:"exposed"`
	Option  string  `json:"option"`
}

// Exposure is the sum of the weights of the exposed facts.
func Exposure(facts []Fact) (sum float64) {
	for _, f := range facts {
		if f.Exposed {
			sum += f.Weight
		}
	}
	return sum
}

// securityRows are all facts, the heaviest first within a subject.
var securityRows = []struct {
	name          string
	weight        float64
	exposed, safe string
	option        string
}{
	{"root", 3.0, "its programs are root", "its programs are not root", "uid = USER"},
	{"identity", 2.0, "its user namespace maps each id to itself", "its user namespace does not map each id to itself", "emperor-id-range in the emperor's file"},
	{"new-privileges", 0.8, "set-user-id programs give rights", "no program gets more rights", "no-new-privileges = true"},
	{"system-calls", 0.8, "no filter of system calls", "system calls are filtered", "system-call-filter = default"},
	{"id-range", 0.5, "root in it is root of the host", "root in it is no user of the host", "user in emperor-use-clone, and emperor-id-range"},
	{
		"bounding-set", 0.5, "programs with rights of their files can have capabilities that it does not have",
		"the bounding set of capabilities is reduced", "cap = none, or emperor-cap in the emperor's file",
	},
	{"shared-user", 0.6, "another vassal has the same user", "no other vassal has its user", "uid = ANOTHER USER, or private-ids = true"},
	{"pid-namespace", 0.4, "it sees the processes of the host", "a pid namespace of its own", "pid in emperor-use-clone"},
	{"net-namespace", 0.4, "it has the network of the host", "a network of its own", "net in emperor-use-clone"},
	{"mount-namespace", 0.4, "it has the mounts of the host", "mounts of its own", "fs in emperor-use-clone"},
	{"memory", 0.4, "no limit of memory", "memory is limited", "memory-max = BYTES"},
	{"tasks", 0.4, "no limit of processes", "processes are limited", "tasks-max = N"},
	{"processor", 0.4, "no limit of processor time", "processor time is limited", "cpu-quota = PERCENT"},
	{"tmp", 0.3, "it shares /tmp with the host", "temporary files of its own", "private-tmp = true"},
	{"devices", 0.2, "it has the devices of the host", "a /dev of its own", "private-devices = true"},
	{"proc", 0.2, "it sees processes of other users", "processes of other users are hidden", "protect-proc = invisible"},
	{"system", 0.3, "it can write wherever its user may", "the system is read-only", "protect-system = strict"},
	{
		"environment", 0.3, "it gets the environment of the emperor", "it gets no variables of the emperor but a few",
		"pass-environment without * in the emperor's file",
	},
	{
		"tenants-text", 1.0, "a user other than root writes lines that root executes", "no user other than root writes lines that root executes",
		"emperor-tyrant, without emperor-tyrant-allow, in the emperor's file",
	},
	{"file", 0.2, "every user can read its file, which sets variables", "variables are not in a file that every user can read", "chmod o-r FILE"},
}

// facts returns the rows whose state is known.
func facts(exposed map[string]bool) (list []Fact) {
	for _, r := range securityRows {
		is, known := exposed[r.name]
		if !known {
			continue
		}
		f := Fact{r.name, r.safe, r.weight, is, r.option}
		if is {
			f.Text = r.exposed
		}
		list = append(list, f)
	}
	return list
}

// Security returns the facts that the configuration of a vassal, its emperor and the other vassals
// decide. Without an emperor's configuration, facts that depend on it are left out.
func Security(s Subject, all []Subject) []Fact {
	v, h := s.Vassal, s.Vassal.Hardening
	set := v.Settings(false)
	unlimited := func(option string, byDefault bool) bool {
		for _, one := range set {
			if one.Name == option {
				byDefault = one.Value == "infinity" || one.Value == "max"
			}
		}
		return byDefault
	}
	exposed := map[string]bool{
		"root": isRoot(userOf(v)), "new-privileges": !h.NoNewPrivileges && !h.Restricted(), "system-calls": h.Filter == nil,
		"bounding-set": !v.Capabilities.Set && (s.Emperor == nil || !s.Emperor.Capabilities.Set),
		"shared-user":  sharesUser(s, all), "memory": unlimited("memory-max", true), "tasks": unlimited("tasks-max", false),
		"processor": unlimited("cpu-quota", true),
		"file":      len(Legible(set, map[string]bool{})) > 0,
	}
	if e := s.Emperor; e != nil {
		exposed["tmp"], exposed["devices"] = !v.Files.Tmp, !v.Files.Devices
		exposed["proc"], exposed["system"] = v.Files.Proc.Hide == "", !v.Files.ReadOnlyRoot()
		exposed["pid-namespace"] = !e.Clone.Has(namespaces.NewPID)
		exposed["net-namespace"] = !e.Clone.Has(namespaces.NewNet)
		exposed["mount-namespace"] = !e.Clone.Has(namespaces.NewMount)
		exposed["identity"], exposed["id-range"] = e.IDs.Identity, !e.IDs.Given()
		exposed["tenants-text"] = len(v.Granted()) > 0 || !e.Tyrant.On && writtenByOthers(s.File)
		exposed["environment"] = e.Pass.Has("ANY_VARIABLE_OF_THE_EMPEROR")
	}
	return facts(exposed)
}

// writtenByOthers reports whether a user other than root and the user of this process can write to a file.
func writtenByOthers(file string) bool {
	info, err := os.Stat(file)
	if err != nil {
		return false
	}
	s, ok := info.Sys().(*syscall.Stat_t)
	return !ok || s.Uid != 0 && int(s.Uid) != os.Geteuid() || info.Mode().Perm()&0o022 != 0
}

// userOf returns the number of a vassal's user, or its name when no such user is known here. A vassal
// without a user is root.
func userOf(v *config.Vassal) string {
	if !v.UID.Set {
		return "0"
	}
	if id, err := accounts.UID(v.UID); err == nil {
		return strconv.FormatUint(uint64(id), 10)
	}
	return v.UID.String()
}

func isRoot(user string) bool { return user == "0" }

// sharesUser reports whether another vassal has the same user, other than root. With private-ids no other one has.
func sharesUser(s Subject, all []Subject) bool {
	user := userOf(s.Vassal)
	return !isRoot(user) && !s.Vassal.Files.PrivateIDs && slices.ContainsFunc(all, func(other Subject) bool { return other.File != s.File && userOf(other.Vassal) == user })
}

// SecurityOf returns the facts that /proc and the cgroup of a vassal's running process show, compared with this
// process and the users of the other vassals.
func SecurityOf(pid int, others []uint32) ([]Fact, error) {
	l, err := namespaces.LimitsOf(pid, false)
	if err != nil {
		return nil, err
	}
	own, err := namespaces.LimitsOf(os.Getpid(), false)
	if err != nil {
		return nil, err
	}
	exposed := map[string]bool{
		"root": l.UID == 0, "new-privileges": !l.NoNewPrivs, "system-calls": !l.Filtered, "bounding-set": l.Bounding == own.Bounding,
		"shared-user": l.UID != 0 && slices.Contains(others, l.UID),
	}
	if exposed["identity"], exposed["id-range"], err = namespaces.RootOf(pid); err != nil {
		return nil, err
	}
	view, err := namespaces.ViewOf(pid)
	if err != nil {
		return nil, err
	}
	exposed["tmp"], exposed["devices"], exposed["proc"], exposed["system"] = !view.Tmp, !view.Devices, !view.Proc, !view.System
	for name, file := range map[string]string{"pid-namespace": "pid_for_children", "net-namespace": "net", "mount-namespace": "mnt"} {
		if exposed[name], err = namespaces.Shares(pid, file); err != nil {
			return nil, err
		}
	}
	for name, file := range map[string]string{"memory": "memory.max", "tasks": "pids.max", "processor": "cpu.max"} {
		exposed[name] = !limited(pid, file)
	}
	return facts(exposed), nil
}

// Completed returns facts about a running vassal, and those facts about its file that its process does not show.
func Completed(running, file []Fact) (list []Fact) {
	for _, r := range securityRows {
		named := func(f Fact) bool { return f.Name == r.name }
		if i := slices.IndexFunc(running, named); i >= 0 {
			list = append(list, running[i])
		} else if i := slices.IndexFunc(file, named); i >= 0 {
			list = append(list, file[i])
		}
	}
	return list
}

// limited reports whether the cgroup of a process, or one around it, has a value in a file.
func limited(pid int, file string) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return false
	}
	_, path, ok := strings.Cut(string(text), "0::")
	for root := "/sys/fs/cgroup"; ok && path != "/" && path != "." && path != ""; path = filepath.Dir(path) {
		path, _, _ = strings.Cut(path, "\n")
		for _, at := range []string{root, root + "/unified"} {
			if value, err := os.ReadFile(filepath.Join(at, path, file)); err == nil && !strings.HasPrefix(string(value), "max") {
				return true
			}
		}
	}
	return false
}

// SecuritySubject is a vassal with its facts.
type SecuritySubject struct {
	Vassal   string  `json:"vassal"`
	Exposure float64 `json:"exposure"`
	Facts    []Fact  `json:"facts"`
}

// NewSecuritySubject adds the exposure, with one digit.
func NewSecuritySubject(name string, list []Fact) SecuritySubject {
	return SecuritySubject{name, float64(int(Exposure(list)*10+0.5)) / 10, list}
}

// Text returns a table: exposed facts have their weight and the option that changes them.
func (s SecuritySubject) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: exposure %.1f\n", s.Vassal, s.Exposure)
	for _, f := range s.Facts {
		if f.Exposed {
			fmt.Fprintf(&b, "  %.1f  %s (%s)\n", f.Weight, f.Text, f.Option)
		} else {
			fmt.Fprintf(&b, "    -  %s\n", f.Text)
		}
	}
	return b.String()
}
