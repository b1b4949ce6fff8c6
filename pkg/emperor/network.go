package emperor

import (
	"context"
	"net/netip"
	"strings"
	"time"

	"github.com/vishvananda/netns"

	"github.com/emperor-go/emperor/pkg/wire"
)

// Network connects vassals to the network of the host. Its methods are called from many
// goroutines at a time.
type Network interface {
	// Connect connects the network namespace of a parked vassal whose Plan asks for it. It
	// returns when packets pass, or when nothing is left of the attempt. Errors of a call that
	// ctx has ended need no details. lost is called from any goroutine when the connection
	// is lost while the vassal runs, and without a reason when it is there again. The caller
	// closes ns when Connect has returned.
	Connect(ctx context.Context, r Request, ns netns.NsHandle, lost func(reason string)) (Connection, error)
}

// Foreseer is a Network that can tell the place of a vassal before its process exists. A Network need not be one.
type Foreseer interface {
	// Foresee returns the Attachment that Connect will make, which may only lack its Mounts then. It leases the addresses
	// as Connect does. Nil: the place depends on more than the request, or there is none; Connect reports the cause.
	Foresee(r Request) *Attachment
}

// Connection is the network of one generation of a vassal.
type Connection interface {
	// Attachment describes it. It does not block.
	Attachment() Attachment
	// Change takes over the live options of a new configuration. After an error the former one is
	// in effect. The caller closes ns when Change has returned.
	Change(ctx context.Context, p Plan, ns netns.NsHandle) error
	// Close takes the connection back, and returns when that is confirmed. It is called once,
	// when all processes of the vassal have ended.
	Close() error
}

// Holder is a Connection whose clients can wait for the next generation. A Connection need not be one.
type Holder interface {
	// Hold makes clients of the published ports wait, from now on and after Close, until Admit of the
	// next generation. It is called before the process is asked to stop.
	Hold() error
	// Admit lets the clients that wait in: this generation accepts.
	Admit() error
}

// Attachment is the place of a vassal in the network, for people and hooks.
type Attachment struct {
	// Mode is how it is connected, such as routed.
	Mode string `json:"mode"`
	// Addresses are its own, and Gateways the way to others, IPv4 first.
	Addresses []netip.Addr `json:"addresses,omitempty"`
	Gateways  []netip.Addr `json:"gateways,omitempty"`
	// Interface is its interface inside, HostInterface the other end on the host.
	Interface     string `json:"interface,omitempty"`
	HostInterface string `json:"host_interface,omitempty"`
	// Group is the group of that interface, which all links of the emperor have (ip-link(8)). Zero: others make it.
	Group uint32 `json:"group,omitempty"`
	// Published are the ports of the host that lead to it, Allowed the clients that may reach
	// it, as they are written. Limit is its rate; empty: none.
	Published []string `json:"published,omitempty"`
	Allowed   []string `json:"allowed,omitempty"`
	Limit     string   `json:"limit,omitempty"`
	// Spoofed is the number of packets with forged sources that it has sent, in its status. Nil: they are not counted.
	Spoofed *uint64 `json:"spoofed_packets,omitempty"`
	// Why are the reasons why it may not answer, or may not reach others, in its status.
	Why []string `json:"why,omitempty"`
	// Mounts are files that the vassal sees in place of the host's.
	Mounts []wire.Mount `json:"-"`
}

// Vars returns the variables for hooks and for the programs of the vassal.
func (a *Attachment) Vars() (vars []string) {
	if a == nil {
		return nil
	}
	set := func(name, value string) {
		if value != "" {
			vars = append(vars, "UWSGI_VASSAL_"+name+"="+value)
		}
	}
	for _, list := range []struct {
		name string
		of   []netip.Addr
	}{{"ADDRESS", a.Addresses}, {"GATEWAY", a.Gateways}} {
		for _, ip := range list.of {
			name := list.name
			if ip.Is6() {
				name += "6"
			}
			set(name, ip.String())
		}
	}
	set("INTERFACE", a.Interface)
	set("HOST_INTERFACE", a.HostInterface)
	return vars
}

// attached is a Process with a connection that the emperor can change.
type attached interface {
	// Attachment is its place in the network. Nil: it has none. It does not block.
	Attachment() *Attachment
	// Adjust takes over the live options in a new configuration. After an error the former one is in
	// effect.
	Adjust(ctx context.Context, p Plan) error
}

// attachment returns the place of a vassal in the network. Nil: it has none.
func (v *vassal) attachment() *Attachment {
	if p, ok := v.living().(attached); ok {
		return p.Attachment()
	}
	return nil
}

// subject returns the objects that live options change: the network, the limits, or both.
func subject(options []string) string {
	var network, limits bool
	for _, name := range options {
		if strings.HasPrefix(name, "network") {
			network = true
		} else {
			limits = true
		}
	}
	switch {
	case network && limits:
		return "its limits and " + itsNetwork
	case limits:
		return "its limits"
	}
	return itsNetwork
}

const itsNetwork = "its network"

// disconnected: packets do not pass the link of a running vassal, or without a reason do so again.
type disconnected struct {
	generationOf
	reason string
}

func (d disconnected) apply(e *Emperor) {
	v := d.v
	if d.stale() || !v.takes(CutOff) {
		return
	}
	if d.reason == "" {
		text := "its network is there again"
		if v.history.loss.cutOff.IsZero() {
			text = "another program has changed its link or its routes; they are repaired"
		}
		v.history.loss = networkLoss{}
		v.log.Info(text)
		v.note(AboutNetwork, "%s", text)
		return
	}
	v.history.loss.cutOff, v.history.loss.cutReason = time.Now(), d.reason
	e.input(v, CutOff)
}

// noteCut reports that a vassal has lost its network.
func noteCut(_ *Options, v *vassal) {
	v.log.Error("it has no network any more", "reason", v.history.loss.cutReason)
	v.note(AboutNetwork, "no network: %s", v.history.loss.cutReason)
}

// cut handles the loss for a vassal that serves.
func (e *Emperor) cut(v *vassal) {
	noteCut(&e.options, v)
	if v.run.config.Network.RestartLost {
		v.outcome.unthrottle() // it is no change of the file
		e.replaceProcess(v)
	}
}
