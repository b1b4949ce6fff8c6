package vassal

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/config"
)

// nameProcess makes process lists show the name that the options give.
func (v *Vassal) nameProcess(context.Context) error {
	name := processName(v.options.Names, filepath.Base(os.Args[0]), v.source())
	if name == "" {
		return nil
	}
	bytes := append([]byte(name), 0)
	if err := unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(&bytes[0])), 0, 0, 0); err != nil {
		return fmt.Errorf("cannot name the process: %w", err)
	}
	overwriteArgs(name)
	return nil
}

// source is what the vassal is called: the emperor's name for it, or nothing.
func (v *Vassal) source() string {
	if v.order == nil {
		return ""
	}
	return string(v.order.Name)
}

// processName puts a name together; empty: leave it.
func processName(n config.Names, program, vassal string) string {
	name := n.Master
	if name == "" {
		name = n.Name
	}
	if name == "" && n.Auto {
		name = program + " master"
		if vassal != "" {
			name += " " + vassal
		}
	}
	if name == "" {
		if n.Prefix+n.Append == "" {
			return ""
		}
		name = program
	}
	return n.Prefix + name + n.Append
}

// overwriteArgs writes the name over the memory in which the kernel put the
// arguments, which is what ps(1) shows. The runtime's strings point there
// (runtime.goargs), one behind the other; no more than that is written.
func overwriteArgs(name string) {
	room := 0
	for _, a := range os.Args {
		room += len(a) + 1
	}
	start := unsafe.StringData(os.Args[0])
	for i, a := range os.Args { // copies, before they are overwritten
		os.Args[i] = string([]byte(a))
	}
	memory := unsafe.Slice(start, room)
	clear(memory)
	copy(memory[:room-1], name)
}
