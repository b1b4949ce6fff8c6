// Package procstat reads the files /proc/PID/stat (proc_pid_stat(5)). It is light enough for a vassal, and imports no
// other package of this repository.
package procstat

import (
	"bytes"
	"os"
	"strconv"
	"strings"
)

// The numbers of fields, counted from 1 as in proc_pid_stat(5).
const (
	Flags          = 9
	UserTime       = 14
	SystemTime     = 15
	ChildUserTime  = 16
	ChildSystem    = 17
	StartTime      = 22
	ResidentPages  = 24
	PendingSignals = 31
	ArgStart       = 48
	ArgEnd         = 49
	EnvStart       = 50
	EnvEnd         = 51
)

// Stat is the content of one file.
type Stat struct {
	// Name is the name of the program, which may contain any byte.
	Name string
	// State is one letter, such as R, D or Z.
	State string

	fields []string // from the third, the state, on
}

// Parse parses the text of a file. ok is false when it has no name or no state.
func Parse(text []byte) (s Stat, ok bool) {
	// The name stands in parentheses, and may have some in it. No field after it has one.
	first, last := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	if first < 0 || last < first {
		return s, false
	}
	fields := strings.Fields(string(text[last+1:]))
	if len(fields) == 0 {
		return s, false
	}
	return Stat{Name: string(text[first+1 : last]), State: fields[0], fields: fields}, true
}

// Read reads the file of a process: its pid, or self. ok is false when there is no such process, or no such file here.
func Read(process string) (s Stat, ok bool) {
	text, err := os.ReadFile("/proc/" + process + "/stat")
	if err != nil {
		return s, false
	}
	return Parse(text)
}

// Number returns a field that is a number without a sign. Zero: the kernel does not report it, or it is hidden from
// this process.
func (s Stat) Number(field int) uint64 {
	if i := field - 3; i > 0 && i < len(s.fields) {
		n, _ := strconv.ParseUint(s.fields[i], 10, 64)
		return n
	}
	return 0
}
