// Package procname answers one question: what do process lists show? It gives the
// calling process another name. It is a leaf.
package procname

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"unsafe"
)

// Set makes process lists show name: as the name of the process, which the kernel cuts
// off at 15 bytes (proc_pid_comm(5)), and in the place of its arguments. alone says that
// no C library shares the memory of the process: a long name may then take the place of
// the environment too.
func Set(name string, alone bool) error {
	// Of the process, whichever of its threads this is.
	if err := os.WriteFile("/proc/self/comm", []byte(name), 0); err != nil {
		return fmt.Errorf("cannot name the process: %w", err)
	}
	overwriteArgs(name, alone)
	return nil
}

// overwriteArgs writes the name over the memory in which the kernel put the
// arguments, which is what ps(1) shows. The runtime's strings point there
// (runtime.goargs), one behind the other. A longer name goes on in the environment
// behind them, of which the runtime has copies (runtime.goenvs_unix) but a C library
// has none: where the byte in between is not zero, the kernel reads on (see
// get_mm_cmdline in fs/proc/base.c).
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

// roomFrom returns how many bytes arguments and environment take, if the kernel
// agrees about where the first ones are and the others follow (proc_pid_stat(5),
// from arg_start on); zero: nobody knows.
func roomFrom(start uintptr, args int) int {
	text, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:])) // from the third on
	if len(fields) < 49 {
		return 0
	}
	var at [4]uintptr // arg_start, arg_end, env_start, env_end
	for i := range at {
		n, err := strconv.ParseUint(fields[45+i], 10, 64)
		if err != nil {
			return 0
		}
		at[i] = uintptr(n)
	}
	if at[0] != start || at[1] != start+uintptr(args) || at[2] != at[1] || at[3] < at[2] {
		return 0
	}
	return int(at[3] - start)
}
