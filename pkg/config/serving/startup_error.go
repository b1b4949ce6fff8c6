package serving

import (
	"fmt"
	"os"
	"strconv"
	"syscall"
)

// StartupErrorEnv names the descriptor to which a server writes the reason why it cannot serve.
// The master reports it. The server closes the descriptor when it is ready.
const StartupErrorEnv = "VASSAL_SERVER_EXCUSE"

// StartupError returns the descriptor of StartupErrorEnv, which the caller owns and other
// programs do not inherit, and removes the variable from the environment. It returns nil without
// the variable.
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
