package config

import (
	"github.com/emperor-go/emperor/pkg/config/option"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// bootOptions delay a vassal before its own first step.
var bootOptions = option.Rows[Vassal]{
	{
		Name: "wait-for-interface", Aliases: []string{"wait-for-iface", "wait-iface", "wait-interface"}, Group: "Boot", Arg: "NAME[:up|:address]",
		Repeat: true, Tyrant: true,
		Help: "wait for the network interface before the as-root hooks: until it exists, is up, or has an address", Set: setInterface,
	},
	{
		Name: "wait-for-interface-timeout", Aliases: []string{"wait-for-iface-timeout", "wait-iface-timeout", "wait-interface-timeout"},
		Group: "Boot", Arg: "TIME", Def: "60", Tyrant: true, Help: "how long to wait for interfaces",
		Into: func(v *Vassal) option.Field { return (*option.Duration)(&v.WaitForInterfaceTimeout) },
	},
}

func setInterface(v *Vassal, t option.Value) error {
	w, err := namespaces.ParseLinkWait(t.Text)
	if err != nil {
		return option.Wrong(err.Error(), "eth0, eth0:up or eth0:address")
	}
	v.WaitForInterface = append(v.WaitForInterface, w)
	return nil
}
