package config

import (
	"strconv"
	"strings"
	"time"
)

// bootOptions are about what a vassal waits for before anything of it runs.
func bootOptions() table[Vassal] {
	return table[Vassal]{
		{
			name: "wait-for-interface", aliases: []string{"wait-for-iface", "wait-iface", "wait-interface"}, group: "Boot", arg: "NAME", repeat: true, tyrant: true,
			help: "wait for the network interface before the as-root hooks", set: setInterface,
		},
		{
			name: "wait-for-interface-timeout", aliases: []string{"wait-for-iface-timeout", "wait-iface-timeout", "wait-interface-timeout"},
			group: "Boot", arg: "TIME", def: "60", tyrant: true, help: "how long to wait for interfaces",
			set: duration(func(v *Vassal) *time.Duration { return &v.WaitForInterfaceTimeout }),
		},
	}
}

func setInterface(v *Vassal, t value) error {
	// Names longer than the kernel's IFNAMSIZ-1 cannot appear (netdevice(7)).
	if t.text == "" || len(t.text) > 15 || strings.ContainsAny(t.text, "/ \t") {
		return hinted{strconv.Quote(t.text) + " cannot be an interface", "1 to 15 characters"}
	}
	v.WaitForInterface = append(v.WaitForInterface, t.text)
	return nil
}
