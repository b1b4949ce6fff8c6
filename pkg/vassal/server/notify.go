package server

import (
	"log/slog"
	"net"
	"os"
	"strings"
)

// Notifier returns what tells the parent about this process (sd_notify(3)), and
// takes the variable out of the environment. Without a parent that listens it
// returns nil.
func Notifier(log *slog.Logger) func(state string) {
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
		log.Warn("cannot reach whoever wants to be notified", "error", err)
		return nil
	}
	return func(state string) {
		if _, err := c.Write([]byte(state)); err != nil {
			log.Warn("cannot notify", "state", state, "error", err)
		}
	}
}
