// Package procname changes the name of the calling process in process lists.
package procname

import (
	"fmt"
	"os"
	"unsafe"

	"github.com/emperor-go/emperor/internal/procstat"
)

// Set changes the name of the process, which the kernel cuts at 15 bytes (proc_pid_comm(5)),
// and overwrites its arguments with name. alone states that no C library shares the process's
// memory: a long name may then overwrite the environment too.
func Set(name string, alone bool) error {
	// The name of the process, not of the calling thread.
	if err := os.WriteFile("/proc/self/comm", []byte(name), 0); err != nil {
		return fmt.Errorf("cannot name the process: %w", err)
	}
	overwriteArgs(name, alone)
	return nil
}

// overwriteArgs writes the name over the memory in which the kernel put the arguments, which
// ps(1) shows. The runtime's strings point into this memory (runtime.goargs), one after the
// other. A longer name continues in the environment behind the arguments. The Go runtime has
// copies of the environment (runtime.goenvs_unix), a C library does not. When the byte in
// between is not zero, the kernel reads on (see get_mm_cmdline in fs/proc/base.c).
func overwriteArgs(name string, alone bool) {
	args := 0
	for _, a := range os.Args {
		args += len(a) + 1
	}
	start := unsafe.StringData(os.Args[0])
	for i, a := range os.Args { // copies, before they are overwritten
		os.Args[i] = string([]byte(a))
	}
	room := args
	if len(name) >= args && alone {
		room = max(args, roomFrom(uintptr(unsafe.Pointer(start)), args))
	}
	memory := unsafe.Slice(start, room)
	clear(memory[:max(args, min(room, len(name)+1))])
	copy(memory[:room-1], name)
}

// roomFrom returns the size of arguments and environment in bytes, when the kernel agrees
// about the place of the first argument and the others follow it (proc_pid_stat(5), from
// arg_start on). Zero: unknown.
func roomFrom(start uintptr, args int) int {
	s, _ := procstat.Read("self")
	at := func(field int) uintptr { return uintptr(s.Number(field)) }
	end := at(procstat.EnvEnd)
	if at(procstat.ArgStart) != start || at(procstat.ArgEnd) != start+uintptr(args) || at(procstat.EnvStart) != start+uintptr(args) || end < start+uintptr(args) {
		return 0
	}
	return int(end - start)
}
