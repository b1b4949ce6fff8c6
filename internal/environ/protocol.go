package environ

import "strings"

// OfProtocol reports whether a variable only concerns the protocols by which a vassal was started:
// its programs do not get it.
func OfProtocol(key string) bool {
	for _, prefix := range []string{"UWSGI_", "EMPEROR_", "LISTEN_"} {
		if strings.HasPrefix(key, prefix) {
			return true
		}
	}
	return key == "NOTIFY_SOCKET" || key == "WATCHDOG_USEC" || key == "WATCHDOG_PID"
}
