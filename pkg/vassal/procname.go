package vassal

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/hooks"
)

// nameProcess makes process lists show the name that the options give.
func (v *Vassal) nameProcess(context.Context) error {
	name := processName(v.options.Names, filepath.Base(os.Args[0]), v.source())
	if name == "" {
		return nil
	}
	text := append([]byte(name), 0)
	if err := unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(&text[0])), 0, 0, 0); err != nil {
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
// (runtime.goargs), one behind the other. A longer name goes on in the environment
// behind them, of which the runtime has copies (runtime.goenvs_unix) but a C library
// has none: where the byte in between is not zero, the kernel reads on (see
// get_mm_cmdline in fs/proc/base.c).
func overwriteArgs(name string) {
	args := 0
	for _, a := range os.Args {
		args += len(a) + 1
	}
	start := unsafe.StringData(os.Args[0])
	for i, a := range os.Args { // copies, before they are overwritten
		os.Args[i] = string([]byte(a))
	}
	room := args
	if len(name) >= args && !hooks.IsNative {
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
