package namespaces

import (
	"os"
	"strconv"
	"strings"
)

// Counters are the bytes and packets that an interface has received and sent.
type Counters struct {
	ReceivedBytes, ReceivedPackets, SentBytes, SentPackets uint64
}

// LinkCounters returns the counters of all interfaces of this process's network, by name (proc_pid_net(5)). Without the
// right to read them it is empty.
func LinkCounters() map[string]Counters {
	text, _ := os.ReadFile("/proc/self/net/dev")
	return countersOf(string(text))
}

func countersOf(text string) map[string]Counters {
	list := map[string]Counters{}
	for line := range strings.Lines(text) {
		name, numbers, found := strings.Cut(line, ":")
		f := strings.Fields(numbers)
		if !found || len(f) < 10 {
			continue
		}
		number := func(i int) uint64 {
			n, _ := strconv.ParseUint(f[i], 10, 64)
			return n
		}
		list[strings.TrimSpace(name)] = Counters{number(0), number(1), number(8), number(9)}
	}
	return list
}
