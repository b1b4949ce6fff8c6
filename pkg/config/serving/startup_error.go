package serving

import (
	"fmt"
	"os"
	"strconv"
	"syscall"
)

// StartupErrorEnv names the descriptor to which a server writes the reason why it cannot serve, for
// the master to pass on. It is closed when the server is ready.
const StartupErrorEnv = "VASSAL_SERVER_EXCUSE"

// StartupError returns the descriptor of StartupErrorEnv. The caller owns it, and no other program
// inherits it. It returns nil without the variable, and removes the variable from the
// environment.
func StartupError() (*os.File, error) {
	text, ok := os.LookupEnv(StartupErrorEnv)
	if !ok {
		return nil, nil
	}
	if err := os.Unsetenv(StartupErrorEnv); err != nil {
		return nil, err
	}
	fd, err := strconv.Atoi(text)
	if err != nil || fd < 3 {
		return nil, fmt.Errorf("cannot use %s=%q: not a descriptor", StartupErrorEnv, text)
	}
	syscall.CloseOnExec(fd)
	return os.NewFile(uintptr(fd), "startup error"), nil
}
