package namespaces

import (
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// ParseSignal reads a number up to 64, or a name with or without SIG. 0 is the signal
// that only asks whether there is somebody (kill(2)).
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
