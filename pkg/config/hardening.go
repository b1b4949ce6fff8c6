package config

import (
	"errors"
	"math"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/suggest"
	"github.com/emperor-go/emperor/pkg/config/option"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// Hardening lists the rights that a vassal gives up permanently when it drops its privileges. All
// later processes of the vassal inherit it.
type Hardening struct {
	// NoNewPrivileges prevents programs from getting rights that the vassal does not have.
	NoNewPrivileges bool
	// Filter lists the system calls that it may not make, with LogFilter in the kernel's log. Nil:
	// there is no filter.
	Filter namespaces.Filter
	// Profile is the path of a profile that is in effect beside Filter. Empty: there is none.
	Profile   string
	LogFilter bool
	// Landlocks restrict access to files and ports.
	Landlocks Landlocks
	// Files limits open descriptors. Core and Locked limit a core dump and locked memory, in
	// bytes.
	Files, Core, Locked Range
}

// Restricted reports whether a filter of system calls or landlock restricts the vassal. Both imply NoNewPrivileges: a
// set-user-id program must not run under the restrictions of another user.
func (h Hardening) Restricted() bool {
	return h.Filter != nil || !h.Landlocks[0].None() || !h.Landlocks[1].None()
}

// Range is a resource limit with its soft and its hard bound (setrlimit(2)). Its zero value does
// not change the inherited limit.
type Range struct {
	Soft, Hard uint64
	Set        bool
}

// leastFiles is the smallest number of descriptors with which a vassal works.
const leastFiles = 64

// Apply sets the resource limits of this process. An error names the line of the option. lower: a limit
// that is lower already stays.
func (h Hardening) Apply(v *Vassal, lower bool) error {
	for _, l := range []struct {
		name     string
		resource int
		Range
	}{{"limit-core", unix.RLIMIT_CORE, h.Core}, {"limit-memlock", unix.RLIMIT_MEMLOCK, h.Locked}, {"limit-nofile", unix.RLIMIT_NOFILE, h.Files}} {
		if !l.Set {
			continue
		}
		if lower || v.Origin(l.name).File == presetPlace { // a default only lowers
			most, err := namespaces.ResourceMax(l.resource)
			if err != nil {
				return v.Blame(l.name, "", err)
			}
			l.Hard = min(l.Hard, most)
			l.Soft = min(l.Soft, l.Hard)
		}
		if err := namespaces.SetResource(l.resource, l.Soft, l.Hard); err != nil {
			return v.Blame(l.name, "", err)
		}
	}
	return nil
}

// hardeningOptions are the options of Hardening.
var hardeningOptions = option.Rows[Vassal]{
	{
		Name: "limit-core", Group: "Privileges", Arg: "BYTES[:BYTES]", Guard: true, Tyrant: true,
		Help: "soft and hard limit of core dumps, also of the vassal itself, such as 0, 10m or infinity (RLIMIT_CORE)",
		Set:  func(v *Vassal, t option.Value) error { return v.Hardening.Core.set(t, parseBytes, 0) },
	},
	{
		Name: "limit-memlock", Group: "Privileges", Arg: "BYTES[:BYTES]", Guard: true, Tyrant: true,
		Help: "soft and hard limit of locked memory, such as 64k or infinity (RLIMIT_MEMLOCK)",
		Set:  func(v *Vassal, t option.Value) error { return v.Hardening.Locked.set(t, parseBytes, 0) },
	},
	{
		Name: "limit-nofile", Group: "Privileges", Arg: "N[:N]", Guard: true, Tyrant: true,
		Help: "soft and hard limit of open descriptors, also of the vassal itself, such as 1024:524288 (RLIMIT_NOFILE)",
		Set:  func(v *Vassal, t option.Value) error { return v.Hardening.Files.set(t, parseCount, leastFiles) },
	},
	{
		Name: "no-new-privileges", Group: "Privileges", Guard: true, Tyrant: true,
		Help: "after the drop no program gets rights that the vassal does not have: set-user-id bits and capabilities of files have no effect",
		Set: func(v *Vassal, t option.Value) error {
			v.Hardening.NoNewPrivileges = option.ParseBool(t.Text) || t.Tenant && v.Hardening.NoNewPrivileges
			return nil
		},
	},
	{
		Name: "system-call-filter", Group: "Privileges", Arg: "WORDS", Def: "off", Guard: true, Tyrant: true,
		Help: "system calls that fail with EPERM after the drop: default, @GROUP or NAME, all except ~NAME or ~@GROUP, or off; and the path of a " +
			"profile in the form of OCI (.json); it implies no-new-privileges (seccomp(2))",
		Set: setFilter,
	},
	{
		Name: "system-call-filter-log", Group: "Privileges", Help: "the kernel logs each refused system call",
		Into: func(v *Vassal) option.Field { return (*option.Flag)(&v.Hardening.LogFilter) },
	},
}

// setFilter sets the filter of system calls. A tenant's own file can only add to it.
func setFilter(v *Vassal, t option.Value) error {
	profile, words, err := profileOf(t)
	if err != nil {
		return err
	}
	f := namespaces.Filter{}
	if profile == "" || words != "" {
		f, err = namespaces.ParseFilter(words)
	}
	if unknown, ok := errors.AsType[*namespaces.UnknownCallError](err); ok {
		hint := "default, off, a group such as @mount, a system call of one, and ~ before one to permit it"
		if near := suggest.Near(unknown.Word, namespaces.FilterNames); near != nil {
			hint = suggest.Question("", near...)
		}
		return option.Wrong(err.Error(), hint)
	}
	if err != nil {
		return option.Wrong(err.Error(), "default, or off")
	}
	if t.Tenant && v.Hardening.Filter != nil {
		f = f.And(v.Hardening.Filter)
	}
	if v.Hardening.Filter = f; !t.Tenant {
		v.Hardening.Profile = profile
	}
	return nil
}

// profileOf splits a value into the path of a profile, which only the operator can give, and the other words.
func profileOf(t option.Value) (path, words string, err error) {
	var rest []string
	for _, word := range strings.FieldsFunc(t.Text, func(r rune) bool { return r == ' ' || r == ',' || r == '\t' }) {
		switch {
		case !strings.HasSuffix(word, ".json"):
			rest = append(rest, word)
		case t.Tenant:
			err = option.Wrong("a profile belongs to the operator", "default, @GROUP or NAME")
		case !strings.HasPrefix(word, "/"):
			err = option.Wrong(strconv.Quote(word)+" is no absolute path", "such as /etc/emperor/"+word)
		case path != "":
			err = option.Wrong("there is more than one profile", "one, and @GROUP or NAME")
		default:
			path = word
		}
	}
	return path, strings.Join(rest, " "), err
}

// set parses LIMIT or SOFT:HARD, the form of systemd.exec(5). A tenant's own file can only lower
// a limit.
func (r *Range) set(t option.Value, parse func(string) (uint64, error), least uint64) error {
	words := strings.Split(t.Text, ":")
	if len(words) > 2 {
		return option.Wrong(strconv.Quote(t.Text)+" is not a limit", "LIMIT, or SOFT:HARD")
	}
	soft, err := parse(words[0])
	if err != nil {
		return err
	}
	hard, err := parse(words[len(words)-1])
	switch {
	case err != nil:
		return err
	case soft > hard:
		return option.Wrong("the soft limit "+words[0]+" is above the hard one, "+words[1], "SOFT:HARD")
	case soft < least:
		return option.Wrong(words[0]+" is too low", strconv.FormatUint(least, 10)+" or more: the vassal itself needs some")
	case t.Tenant && r.Set:
		soft, hard = min(soft, r.Soft), min(hard, r.Hard)
	}
	*r = Range{soft, hard, true}
	return nil
}

const infinity = "infinity"

func parseCount(text string) (uint64, error) {
	if text == infinity {
		return namespaces.Infinity, nil
	}
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		return 0, option.Wrong(strconv.Quote(text)+" is not a number", "such as 1024, 1024:524288 or infinity")
	}
	return n, nil
}

func parseBytes(text string) (uint64, error) {
	if text == infinity {
		return namespaces.Infinity, nil
	}
	n, err := option.ParseSize(text)
	if err != nil || n == math.MaxInt64 {
		return 0, option.Wrong(strconv.Quote(text)+" is not a size", "bytes such as 0, 4096 or 64k, or infinity")
	}
	return uint64(n), nil
}
