package uwsginames

import (
	"slices"
	"strings"
)

// Unsupported are the options of uWSGI that confine or prepare a process as root and that are
// not in the tables. If one was ignored, the vassal would start with more rights, or less
// isolation, than in its file. Some are in the table of the other program: they are errors
// in the wrong file.
var Unsupported = []string{
	"cap", "cgroup", "cgroup-opt", "drop-after-apps", "drop-after-init", "emperor-cap", "emperor-root", "emperor-tyrant",
	"emperor-tyrant-nofollow", "emperor-use-clone", "immediate-gid", "immediate-uid", "keyring-mode", "namespace", "namespace-keep-mount",
	"ns", "refork", "refork-as-root", "refork-post-jail",
	"re-fork", "re-fork-as-root", "re-fork-post-jail", "umask", "vassal-cap", "vassals-cap",
}

// Confines reports whether a key that no table knows is one of those, or a hook of a phase or
// kind that does not exist here.
func Confines(key string) bool {
	kind, phase, _ := strings.Cut(key, "-")
	switch kind {
	case "hook", "exec", "call", "mount", "umount":
		return slices.Contains(hookPhases, strings.TrimRight(phase, "0123456789"))
	}
	return slices.Contains(Unsupported, key)
}

// hookPhases are the phases of uWSGI in which hooks prepare a process.
var hookPhases = []string{
	"accepting", "accepting-once", "accepting1-once", "as-emperor", "as-emperor-before-vassal", "as-emperor-setns",
	"as-gateway", "as-mule", "as-root", "as-user", "as-user-atexit", "as-vassal", "as-vassal-before-drop", "asap",
	"emperor-start", "in-jail", "master-start", "post-app", "post-fork", "post-jail", "pre-app", "pre-jail",
}
