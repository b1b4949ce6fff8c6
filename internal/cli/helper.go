package cli

import (
	"os"

	"github.com/emperor-go/emperor/pkg/namespaces"
)

// Helper runs a helper process of a command, if this process is one, and returns its exit code. A
// visitor changes namespaces and rights of the calling thread, so the caller must be the first
// goroutine.
func Helper() (code int, is bool) {
	switch {
	case namespaces.IsVisitor():
		return visit(), true
	case os.Args[0] == guardName:
		return guardTerminal(), true
	}
	return 0, false
}
