package config

import (
	"strconv"
	"strings"

	"github.com/emperor-go/emperor/pkg/config/option"
)

// bootOptions are about what a vassal waits for before anything of it runs.
var bootOptions = option.Rows[Vassal]{
	{
		Name: "wait-for-interface", Aliases: []string{"wait-for-iface", "wait-iface", "wait-interface"}, Group: "Boot", Arg: "NAME", Repeat: true, Tyrant: true,
		Help: "wait for the network interface before the as-root hooks", Set: setInterface,
	},
	{
		Name: "wait-for-interface-timeout", Aliases: []string{"wait-for-iface-timeout", "wait-iface-timeout", "wait-interface-timeout"},
		Group: "Boot", Arg: "TIME", Def: "60", Tyrant: true, Help: "how long to wait for interfaces",
		Into: func(v *Vassal) option.Field { return (*option.Duration)(&v.WaitForInterfaceTimeout) },
	},
}

func setInterface(v *Vassal, t option.Value) error {
	// Names longer than the kernel's IFNAMSIZ-1 cannot appear (netdevice(7)).
	if t.Text == "" || len(t.Text) > 15 || strings.ContainsAny(t.Text, "/ \t") {
		return option.Wrong(strconv.Quote(t.Text)+" cannot be an interface", "1 to 15 characters")
	}
	v.WaitForInterface = append(v.WaitForInterface, t.Text)
	return nil
}
