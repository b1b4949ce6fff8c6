package namespaces

import (
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// ParseSignal parses a number up to 64, or a name with or without SIG. Signal 0 only tests
// whether a process exists (kill(2)).
func ParseSignal(text string) (s syscall.Signal, ok bool) {
	if n, err := strconv.Atoi(text); err == nil {
		return syscall.Signal(n), n >= 0 && n <= 64
	}
	name := strings.ToUpper(text)
	if !strings.HasPrefix(name, "SIG") {
		name = "SIG" + name
	}
	s = unix.SignalNum(name)
	return s, s != 0
}
