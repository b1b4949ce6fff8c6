package optiondocs

import (
	"github.com/emperor-go/emperor/internal/uwsginames"
	"github.com/emperor-go/emperor/pkg/config"
)

// Flag is an option for completions.
type Flag struct {
	Name, Help string
	// NeedsValue is false when it may stand alone.
	NeedsValue bool
}

// EmperorFlags lists the options of the emperor's command line, sorted as in the help.
func EmperorFlags() []Flag {
	var list []Flag
	for _, s := range config.EmperorOptions() {
		for _, o := range s.Options {
			list = append(list, Flag{o.Name, o.Help, o.Shape == uwsginames.NeedsValue})
		}
	}
	return append(list, Flag{"ini", "read options from a file, here", true}, Flag{"version", "print the version", false})
}
