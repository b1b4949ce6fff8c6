package namespaces

import "testing"

func TestLinkCounters(t *testing.T) {
	const text = "Inter-|   Receive                                                |  Transmit\n" +
		" face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n" +
		"    lo:     100       2    0    0    0     0          0         0      100       2    0    0    0     0       0          0\n" +
		"evs1a2b3c4d5e6f:18446744073709551615 7 0 3 0 0 0 0 900 9 0 0 0 0 0 0\n"
	got := countersOf(text)
	if len(got) != 2 || got["lo"] != (Counters{100, 2, 100, 2}) || got["evs1a2b3c4d5e6f"] != (Counters{1<<64 - 1, 7, 900, 9}) {
		t.Errorf("%+v", got)
	}
	if _, there := LinkCounters()["lo"]; !there {
		t.Error("there is no loopback interface")
	}
}
