// Package announce makes the message about a program that takes the place of a vassal, or runs as
// its child, and does not speak the emperor's protocol.
package announce

import (
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/wire"
)

// Program returns the message. child is the pid of a child that the vassal supervises, or zero.
// notifies: the program can notify the emperor (sd_notify(3)). Without a probe in the message the
// program is ready when it is executed.
func Program(o *config.Vassal, child int, notifies bool) wire.Notice {
	return wire.Notice{
		Kind: wire.Exec, Probe: probeOf(o.Ready, notifies), Program: child, StopSignal: int(o.Workers.StopSignal), Mercy: o.ReloadMercy,
	}
}

// probeOf returns the emperor's test for the readiness of the program. Nil: there is none.
func probeOf(ready config.Readiness, notifies bool) *wire.Probe {
	notifies = notifies && ready.Notify
	switch p := ready.Probe; {
	case p.Kind != "":
		probe := &wire.Probe{Kind: p.Kind, Address: []byte(p.Address), Path: []byte(p.Path), Timeout: ready.Timeout, Notify: notifies}
		for _, word := range p.Command {
			probe.Command = append(probe.Command, []byte(word))
		}
		return probe
	case notifies:
		return &wire.Probe{Kind: "notify", Timeout: ready.Timeout}
	}
	return nil
}
