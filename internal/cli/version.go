package cli

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/emperor-go/emperor/internal/control"
	"github.com/emperor-go/emperor/internal/version"
)

// versionWait is the longest wait for the version of a running emperor.
const versionWait = time.Second

// PrintVersion prints the version of this program, and the running emperor's if it is another
// one. An emperor that does not answer is as good as none.
func PrintVersion(w io.Writer) {
	_, _ = fmt.Fprintln(w, version.Line("emperor"))
	ctx, cancel := context.WithTimeout(context.Background(), versionWait)
	defer cancel()
	client := control.NewClient(askedRuntimeDir())
	var info control.Info
	if client.Call(ctx, "GET", "/emperor", &info) == nil && otherVersion(client) {
		_, _ = fmt.Fprintf(w, "running: emperor %s, pid %d\n", client.Version(), info.PID)
	}
}

// otherVersion reports whether the emperor that has answered is of another build.
func otherVersion(c *control.Client) bool { return c.Version() != "" && c.Version() != version.Text() }

// noteVersion says, beside the output, that the emperor is of another build than this command: after an
// upgrade it goes on with its programs until it is started again.
func (o *operator) noteVersion(c *cobra.Command) {
	if o.asked != nil && otherVersion(o.asked) {
		c.PrintErrf("emperor: note: the running emperor is version %s, this command is %s (restart the emperor to use it)\n", o.asked.Version(), version.Text())
	}
}
