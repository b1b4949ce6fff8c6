package serving

import (
	"fmt"
	"os"
	"strconv"
	"syscall"
)

// ExcuseEnv names the descriptor to which a server writes why it cannot serve, for the
// master to pass on. It is closed when the server is ready.
const ExcuseEnv = "VASSAL_SERVER_EXCUSE"

// Excuse is the descriptor that ExcuseEnv names, which the caller owns, and no other
// program inherits; nil: nobody wants to know. The variable is taken out of the
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
