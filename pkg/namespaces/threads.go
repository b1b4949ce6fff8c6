package namespaces

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// fields are lines of the status of a thread, in the format of proc_pid_status(5).
type fields map[string]string

// want returns an error unless a line is there and has the value.
func (f fields) want(key, value string) error {
	if got, ok := f[key]; !ok || got != value {
		return fmt.Errorf("%s is %q and not %q", key, got, value)
	}
	return nil
}

// eachThread calls check with the lines of those names of each thread of this process, and
// returns the first error. Threads with the same lines are checked once.
func eachThread(check func(fields) error, names ...string) error {
	const directory = "/proc/self/task"
	tasks, err := unix.Open(directory, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return errors.New("/proc shows no thread of this process")
	}
	defer unix.Close(tasks)
	buffer := make([]byte, 2<<10)
	threads, err := namesIn(tasks, buffer)
	if err != nil || len(threads) == 0 {
		return errors.New("/proc shows no thread of this process")
	}
	var right []byte // the lines of a thread that has been checked
	for _, thread := range threads {
		text, err := readAt(tasks, thread+"/status", buffer)
		if errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.ESRCH) {
			continue // the thread ended before open(2) or read(2)
		}
		if err != nil {
			return fmt.Errorf("cannot read %s: %w", directory, err)
		}
		lines := linesOf(text, names)
		if right != nil && bytes.Equal(lines, right) {
			continue
		}
		if err := check(fieldsOf(lines)); err != nil {
			return err
		}
		right = slices.Clone(lines)
	}
	return nil
}

// linesOf moves the lines of those names to the front of a status, and returns them.
func linesOf(status []byte, names []string) []byte {
	lines := status[:0]
	for line := range bytes.Lines(status) {
		if key, _, _ := bytes.Cut(line, []byte(":")); slices.Contains(names, string(key)) {
			lines = append(lines, line...)
		}
	}
	return lines
}

func fieldsOf(lines []byte) fields {
	f := fields{}
	for line := range strings.Lines(string(lines)) {
		key, value, _ := strings.Cut(line, ":")
		f[key] = strings.Join(strings.Fields(value), " ")
	}
	return f
}
