package webserver

import (
	"log/slog"
	"net"
	"os"
	"strings"
)

// notifier returns a function that sends a state to the parent of this process (sd_notify(3)),
// and removes the variable from the environment. It returns nil when no parent listens.
//
// It connects once, while the path can be reached. SdNotify of go-systemd, which this program does not link, connects
// for each state.
func notifier(log *slog.Logger) func(state string) {
	name := os.Getenv("NOTIFY_SOCKET")
	_ = os.Unsetenv("NOTIFY_SOCKET")
	if name == "" {
		return nil
	}
	if after, ok := strings.CutPrefix(name, "@"); ok {
		name = "\x00" + after
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		log.Warn("cannot connect to NOTIFY_SOCKET", "error", err)
		return nil
	}
	return func(state string) {
		if _, err := c.Write([]byte(state)); err != nil {
			log.Warn("cannot notify", "state", state, "error", err)
		}
	}
}
