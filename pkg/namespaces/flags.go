// Package namespaces wraps the kernel's system calls. It clones processes into namespaces,
// prepares the inside, moves links, waits for them, drops privileges and tracks process trees.
// It contains nothing about configurations, hooks or vassals.
package namespaces

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Flags is a set of namespaces, as the CLONE_NEW* bits of clone(2).
type Flags uintptr

// The namespaces of Linux (namespaces(7)).
const (
	NewPID    Flags = unix.CLONE_NEWPID
	NewUTS    Flags = unix.CLONE_NEWUTS
	NewNet    Flags = unix.CLONE_NEWNET
	NewIPC    Flags = unix.CLONE_NEWIPC
	NewMount  Flags = unix.CLONE_NEWNS
	NewUser   Flags = unix.CLONE_NEWUSER
	NewCgroup Flags = unix.CLONE_NEWCGROUP
	NewTime   Flags = unix.CLONE_NEWTIME
)

// names lists the namespaces in the order in which they are printed: the name in uWSGI's
// documentation, the entry in /proc/PID/ns, and accepted aliases.
var names = []struct {
	flag    Flags
	name    string
	entry   string
	aliases []string
}{
	{NewPID, "pid", "pid", nil},
	{NewUTS, "uts", "uts", nil},
	{NewNet, "net", "net", nil},
	{NewIPC, "ipc", "ipc", nil},
	{NewMount, "fs", "mnt", []string{"mnt", "mount", "ns"}},
	{NewUser, "user", "user", nil},
	{NewCgroup, "cgroup", "cgroup", nil},
	{NewTime, "time", "time", nil},
}

// ParseFlags parses a list of names separated by commas or spaces, such as uWSGI's
// `pid,uts,net,ipc,fs`; mnt, mount and ns mean fs. A name may occur twice. An empty list and
// an unknown name are errors.
func ParseFlags(list string) (Flags, error) {
	words := strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' })
	if len(words) == 0 {
		return 0, fmt.Errorf("no namespace given (known: %s)", known())
	}
	var f Flags
	for _, word := range words {
		flag, ok := lookup(word)
		if !ok {
			return 0, &UnknownFlagError{word, strings.Split(known(), ",")}
		}
		f |= flag
	}
	return f, nil
}

// UnknownFlagError is about a word that names no kind of namespace. Known are the words
// that do.
type UnknownFlagError struct {
	Word  string
	Known []string
}

func (e *UnknownFlagError) Error() string {
	return fmt.Sprintf("unknown namespace %q (known: %s)", e.Word, strings.Join(e.Known, ","))
}

func lookup(word string) (Flags, bool) {
	for _, n := range names {
		if n.name == word || slices.Contains(n.aliases, word) {
			return n.flag, true
		}
	}
	return 0, false
}

func known() string {
	return (NewPID | NewUTS | NewNet | NewIPC | NewMount | NewUser | NewCgroup | NewTime).String()
}

// Has reports whether f contains all of o.
func (f Flags) Has(o Flags) bool { return f&o == o }

// String prints the names in a fixed order, in the syntax of ParseFlags. It is empty for an
// empty set.
func (f Flags) String() string {
	var words []string
	for _, n := range names {
		if f.Has(n.flag) {
			words = append(words, n.name)
		}
	}
	return strings.Join(words, ",")
}
