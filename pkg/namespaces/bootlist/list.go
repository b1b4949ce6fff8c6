// Package bootlist boots a process without a program of ours in it: the child of a fork carries out
// a prepared list of system calls, of which the last one executes its program. A small process
// forks, the Forker's, because a fork copies the page tables of its caller.
package bootlist

import (
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// List is the boot of one child: calls in order, each a part of a named step. The zero value is
// empty. Methods add calls; the first call that fails ends the child with exit code 1, and no later
// call is made. The last call must be Exec.
type List struct {
	// Files are the child's descriptors, by number. The caller keeps and closes them.
	Files []*os.File
	// Report is the descriptor of the child, a socket, over which it reports a call that fails.
	Report int

	step  string
	calls []call
	steps []string            // the step of each call
	whys  []func(error) error // the message of each call; nil: there is none
	data  []byte              // texts, and room for results
	cut   bool                // a text has a zero byte, with which the kernel would end it
	unfit error               // a call cannot be added
	words []uint32            // where data has a pointer, as an offset in data
	mask  arg                 // a path at which an empty directory is mounted; the zero value: none
}

// call is one system call, as the child reads it.
type call struct {
	number uint64
	args   [6]uint64
	// pointers has a bit for each argument that is an offset in the data.
	pointers uint32
	// demand is the condition under which the next call follows.
	demand demand
	// result is the wanted result.
	result uint64
	// After the call the bits of mask are compared in size bytes of the data: those at found with
	// those at wanted.
	found, wanted, size, mask uint32
	// skip is the number of calls that are left out after this one (unless).
	skip, _ uint32
}

// demand is a condition on the result of a call.
type demand uint32

const (
	succeeds demand = iota // no error, and the compared bytes are equal
	returns                // the same, and the result is the wanted one
	attempt                // none
	// The next two end the child without a failure, with exit code 0, when they are not met.
	delivers // a result above zero
	waits    // EAGAIN
	// The next two want the error that result is. After unless a success is as good, which leaves out calls, and for the result 0
	// any error is.
	refused
	unless
)

// arg is an argument of a call.
type arg struct {
	value   uint64
	pointer bool
}

func number[T ~int | ~uint | ~int32 | ~uint32 | ~uintptr | ~uint64](n T) arg {
	return arg{value: uint64(n)}
}

// bytes puts bytes into the data.
func (l *List) bytes(b []byte) arg {
	for len(l.data)%8 != 0 {
		l.data = append(l.data, 0)
	}
	at := len(l.data)
	l.data = append(l.data, b...)
	return arg{uint64(at), true}
}

// text puts a C string into the data.
func (l *List) text(s string) arg {
	l.cut = l.cut || strings.ContainsRune(s, 0)
	return l.bytes(append([]byte(s), 0))
}

// texts puts an array of C strings into the data, which ends with a null pointer (execve(2)).
func (l *List) texts(list []string) arg {
	array := make([]byte, 8*(len(list)+1))
	for i, s := range list {
		binary.NativeEndian.PutUint64(array[8*i:], l.text(s).value)
	}
	a := l.bytes(array)
	for i := range list {
		l.words = append(l.words, uint32(a.value)+8*uint32(i))
	}
	return a
}

// add adds a call. why makes the message of its failure; nil: it has none.
func (l *List) add(why func(error) error, d demand, number uintptr, args ...arg) *call {
	c := call{number: uint64(number), demand: d}
	for i, a := range args {
		c.args[i] = a.value
		if a.pointer {
			c.pointers |= 1 << i
		}
	}
	l.calls, l.steps, l.whys = append(l.calls, c), append(l.steps, l.step), append(l.whys, why)
	return &l.calls[len(l.calls)-1]
}

// compare makes a call fail unless it has written the wanted bytes at an offset of the data.
func (l *List) compare(c *call, found arg, offset int, wanted []byte) {
	c.found, c.size, c.mask = uint32(found.value)+uint32(offset), uint32(len(wanted)), 0xff
	c.wanted = uint32(l.bytes(wanted).value)
}

// Step begins a step. Its name is one of the boot's (docs/boot.md).
func (l *List) Step(name string) { l.step = name }

// Steps returns the names of the steps, in order.
func (l *List) Steps() (names []string) {
	for i, s := range l.steps {
		if i == 0 || s != l.steps[i-1] {
			names = append(names, s)
		}
	}
	return names
}

// Explain returns the step of a call that has failed, and the error. Errno 0 means that the call
// had another result than the kernel promises. It returns an error for any call also when the list
// has none of that number.
func (l *List) Explain(at int, errno syscall.Errno) (step string, err error) {
	if at < 0 || at >= len(l.calls) {
		return "", fmt.Errorf("system call %d of the boot failed: %w", at, errno)
	}
	err = errUnexpected
	if errno != 0 {
		err = errno
	}
	if why := l.whys[at]; why != nil {
		return l.steps[at], why(err)
	}
	return l.steps[at], fmt.Errorf("cannot %s: %w", l.steps[at], err)
}
