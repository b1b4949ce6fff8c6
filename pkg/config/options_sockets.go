package config

// socketOptions are the addresses a vassal listens on, in the order in which
// they are bound.
func socketOptions() table[Vassal] {
	return table[Vassal]{
		{name: "http-socket", group: "Sockets", arg: "ADDRESS", repeat: true, tyrant: true, help: "listen for HTTP on :PORT, HOST:PORT or a path", set: setSocket("http-socket")},
		{name: "socket", group: "Sockets", arg: "ADDRESS", repeat: true, tyrant: true, help: "listen on :PORT, HOST:PORT or a path", set: setSocket("socket")},
	}
}

func setSocket(name string) func(*Vassal, value) error {
	return func(v *Vassal, t value) error {
		if err := nonempty(t.text, "no address given"); err != nil {
			return err
		}
		v.Sockets = append(v.Sockets, Socket{name, t.text})
		return nil
	}
}
