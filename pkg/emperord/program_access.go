package emperord

import (
	"log/slog"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/libexec"
	"github.com/emperor-go/emperor/pkg/hooks"
)

// companions are the programs that the vassal program finds beside itself, and tenantPrograms all
// that run as the user of a vassal.
var (
	companions     = []string{libexec.Server, libexec.Helper, hooks.TwinOf("vassal")}
	tenantPrograms = append([]string{"vassal"}, companions...)
)

// warnReaders warns when tenants can read the programs of vassals, or when an emperor that
// needs to cannot. A user who can read the file of a program can access a process of that user
// that has just executed it (ptrace(2)).
func warnReaders(log *slog.Logger, program string) {
	if os.Geteuid() != 0 {
		if unix.Access(program, unix.R_OK) != nil {
			log.Warn("the kernel hides vassals from this emperor, whose user cannot read their program: hooks in their namespaces, probes and enter "+
				"fail (set emperor-vassal to a copy of its own)",
				"program", program)
		}
		return
	}
	var open []string
	for _, name := range tenantPrograms {
		path, err := libexec.FindFor(program, name)
		if err != nil {
			continue
		}
		if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o044 != 0 {
			open = append(open, path)
		}
	}
	if len(open) > 0 {
		log.Warn("programs that vassals can read are not protected from their user while they start (chmod 711, as make install does)",
			"programs", strings.Join(open, " "))
	}
}
