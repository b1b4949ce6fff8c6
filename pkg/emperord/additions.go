package emperord

import (
	"log/slog"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/emperor/monitor"
)

// Additions are a program's own monitors, metrics and network. The zero value adds nothing.
// Hooks in Go are registered by hooks.Register, before Main.
type Additions struct {
	// Monitors make sources of vassals by scheme: the function of "http" gets a name such as
	// http://HOST/PATH from the command line, or from an option emperor in the emperor's
	// file. It is called while the emperor has its first rights and returns at once; Run of
	// the monitor is called later, with the rights of the emperor's user. An error ends the
	// start. A monitor with a method Lock() error is asked to exclude other emperors.
	Monitors map[string]func(name string, log *slog.Logger) (monitor.Monitor, error)
	// Collectors are served with emperor's metrics, at the address of the option metrics.
	// Names that begin with emperor_ are reserved.
	Collectors []prometheus.Collector
	// Network connects vassals in place of the built-in network. The options of vassals are the
	// same, and the options emperor-network-* limit the options of their files. Nil: the built-in
	// network.
	Network emperor.Network
}

// monitor makes a monitor by the scheme of its name. Nil: no such scheme.
func (a Additions) monitor(name string, log *slog.Logger) (monitor.Monitor, error) {
	scheme, _, ok := strings.Cut(name, "://")
	if make := a.Monitors[scheme]; ok && make != nil {
		return make(name, log)
	}
	return nil, nil
}
