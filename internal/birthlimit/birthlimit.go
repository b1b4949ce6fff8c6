// Package birthlimit has the limit of descriptors with which this process began. Package os raises
// the soft limit to the hard one when it is initialized, and hides the change from programs that
// package os starts, but not from others.
package birthlimit

import "syscall"

// Files is the limit of descriptors (RLIMIT_NOFILE) before package os has changed it. A package
// that imports only syscall is initialized before os, because packages are initialized in the order
// of their import paths as soon as all that they import are (The Go Programming Language
// Specification, "Program initialization").
var Files = files()

func files() (l syscall.Rlimit) {
	_ = syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l)
	return l
}
