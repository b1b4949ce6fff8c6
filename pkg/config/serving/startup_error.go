package serving

import (
	"fmt"
	"os"
	"strconv"
	"syscall"
)

// ExcuseEnv names the descriptor to which a server writes the reason why it cannot serve, for
// the master to pass on. It is closed when the server is ready.
const ExcuseEnv = "VASSAL_SERVER_EXCUSE"

// Excuse returns the descriptor of ExcuseEnv. The caller owns it, and no other program
// inherits it. It returns nil without the variable, and removes the variable from the
// environment.
func Excuse() (*os.File, error) {
	text, ok := os.LookupEnv(ExcuseEnv)
	if !ok {
		return nil, nil
	}
	if err := os.Unsetenv(ExcuseEnv); err != nil {
		return nil, err
	}
	fd, err := strconv.Atoi(text)
	if err != nil || fd < 3 {
		return nil, fmt.Errorf("cannot use %s=%q: not a descriptor", ExcuseEnv, text)
	}
	syscall.CloseOnExec(fd)
	return os.NewFile(uintptr(fd), "excuse"), nil
}
