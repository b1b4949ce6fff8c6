package namespaces

import (
	"fmt"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// rateWindow is the time whose traffic may pass at once, and queueTime the time that a packet
// waits at most, in fractions of a second.
const (
	rateWindow = 100 // 10 ms
	queueTime  = 20  // 50 ms
	minBurst   = 16 << 10

	root = 0xFFFFFFFF // TC_H_ROOT of linux/pkt_sched.h
)

// Limit limits the bits per second that leave by the interface, with a token bucket
// (tc-tbf(8)). Zero removes the limit; that there is none is an error then.
func (l Index) Limit(bits uint64) Change {
	about := &nl.TcMsg{Family: unix.AF_UNSPEC, Ifindex: int32(l), Handle: 1 << 16, Parent: root}
	if bits == 0 {
		request := nl.NewNetlinkRequest(unix.RTM_DELQDISC, 0)
		request.AddData(about)
		return Change{About: "no rate", request: request}
	}
	bytes := bits / 8
	burst := max(bytes/rateWindow, minBurst)
	parameters := nl.TcTbfQopt{Limit: uint32(min(bytes/queueTime+burst, 1<<31))}
	parameters.Rate.Rate = uint32(min(bytes, 1<<32-1))
	request := nl.NewNetlinkRequest(unix.RTM_NEWQDISC, unix.NLM_F_CREATE|unix.NLM_F_REPLACE)
	request.AddData(about)
	request.AddData(nl.NewRtAttr(nl.TCA_KIND, nl.ZeroTerminated("tbf")))
	options := nl.NewRtAttr(nl.TCA_OPTIONS, nil)
	options.AddRtAttr(nl.TCA_TBF_PARMS, parameters.Serialize())
	options.AddRtAttr(nl.TCA_TBF_BURST, nl.Uint32Attr(uint32(min(burst, 1<<30))))
	if bytes >= 1<<32 {
		options.AddRtAttr(nl.TCA_TBF_RATE64, nl.Uint64Attr(bytes))
	}
	request.AddData(options)
	return Change{About: fmt.Sprintf("rate of %d bit/s", bits), request: request}
}
