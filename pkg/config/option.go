package config

import (
	"fmt"
	"slices"
	"strings"
)

// option is a row of a program's table. It drives the ini reader, the command
// line and the help.
type option[T any] struct {
	name    string
	aliases []string
	group   string // heading in the help
	arg     string // what the value is, for the help; empty: a flag
	def     string // default as shown in the help
	help    string // one line
	repeat  bool   // each one adds; otherwise the last counts
	guard   bool   // security-relevant: two different values in one file are a mistake
	set     func(*T, value) error
}

// value is an option's text as the setter gets it.
type value struct {
	text   string
	origin Origin
}

// table is all a program understands.
type table[T any] []option[T]

func (t table[T]) find(key string) *option[T] {
	for i := range t {
		if t[i].name == key || slices.Contains(t[i].aliases, key) {
			return &t[i]
		}
	}
	return nil
}

// decode puts the entries into into, in order, and reports every mistake.
func (t table[T]) decode(entries []entry, into *T) (warnings, problems Problems) {
	first := map[string]entry{}
	for _, e := range entries {
		if e.own {
			continue
		}
		o := t.find(e.key)
		if o == nil {
			unknown(e, &warnings, &problems)
			continue
		}
		if before, again := first[o.name]; again && o.guard && before.value != e.value && before.origin.File == e.origin.File {
			problems.add(e.origin, e.key, fmt.Sprintf("given twice: %q here, %q on line %d", e.value, before.value, before.origin.Line), "keep one")
			continue
		} else if !again {
			first[o.name] = e
		}
		if err := o.set(into, value{e.value, e.origin}); err != nil {
			what, hint := err.Error(), ""
			if h, ok := err.(hinted); ok {
				what, hint = h.what, h.hint
			}
			problems.add(e.origin, e.key, what, hint)
		}
	}
	return warnings, problems
}

// unknown decides what to make of a key that is in no table. Most are
// placeholders or options of uWSGI that change nothing here, but a file that
// asks to be confined must not run unconfined.
func unknown(e entry, warnings, problems *Problems) {
	if confines(e.key) {
		problems.add(e.origin, e.key, "this option confines a vassal in uWSGI and is not supported here", "remove it only if the vassal may run without")
		return
	}
	warnings.add(e.origin, e.key, "unknown option, taken as a placeholder", "")
}

// confining are the options of uWSGI by which a process is confined or prepared
// as root and that are not in the tables. Ignoring one would start a vassal with
// more rights, or with less around it, than its file says.
var confining = []string{
	"cap", "cgroup", "chroot", "drop-after-apps", "drop-after-init", "emperor-cap", "emperor-tyrant",
	"emperor-tyrant-nofollow", "immediate-gid", "immediate-uid", "jailed", "limit-as", "limit-nproc", "namespace",
	"namespace-net", "ns", "ns-net", "pivot-root", "pivot_root", "privileged-binary-patch",
	"privileged-binary-patch-arg", "refork", "refork-as-root", "refork-post-jail", "setns", "setns-preopen",
	"setns-socket", "unshare", "unshare2", "vassal-cap",
}

// confines reports whether a key that no table knows is one of those, or a hook
// of a phase or kind that does not exist here.
func confines(key string) bool {
	kind, phase, _ := strings.Cut(key, "-")
	switch kind {
	case "hook", "exec", "call", "mount", "umount":
		return slices.Contains(hookPhases, strings.TrimRight(phase, "0123456789"))
	}
	return slices.Contains(confining, key)
}

// hookPhases are the phases of uWSGI in which hooks prepare a process.
var hookPhases = []string{
	"accepting", "accepting-once", "accepting1-once", "as-emperor", "as-emperor-before-vassal", "as-emperor-setns",
	"as-gateway", "as-mule", "as-root", "as-user", "as-user-atexit", "as-vassal", "as-vassal-before-drop", "asap",
	"emperor-start", "in-jail", "master-start", "post-app", "post-fork", "post-jail", "pre-app", "pre-jail",
}

// hinted is an error that says what to do about it.
type hinted struct{ what, hint string }

func (h hinted) Error() string { return h.what }
