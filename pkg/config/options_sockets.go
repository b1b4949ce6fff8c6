package config

// socketOptions are the addresses a vassal listens on, in the order in which
// they are bound.
func socketOptions() table[Vassal] {
	return table[Vassal]{
		{name: "fastcgi-socket", group: "Sockets", arg: "ADDRESS", repeat: true, tyrant: true, help: "listen for FastCGI", set: setSocket("fastcgi-socket")},
		{name: "http-socket", group: "Sockets", arg: "ADDRESS", repeat: true, tyrant: true, help: "listen for HTTP on :PORT, HOST:PORT or a path", set: setSocket("http-socket")},
		{name: "https-socket", group: "Sockets", arg: "ADDRESS,CERT,KEY[,,CLIENT-CA]", repeat: true, tyrant: true, help: "listen for HTTP/1.1 and HTTP/2 over TLS", set: setHTTPS},
		{name: "socket", group: "Sockets", arg: "ADDRESS", repeat: true, tyrant: true, help: "listen on :PORT, HOST:PORT or a path", set: setSocket("socket")},
		{name: "stats", aliases: []string{"stats-server"}, group: "Sockets", arg: "ADDRESS", repeat: true, tyrant: true, help: "tell statistics of the built-in server on an address", set: setSocket("stats")},
		{name: "uwsgi-socket", group: "Sockets", arg: "ADDRESS", repeat: true, tyrant: true, help: "listen for the uwsgi protocol", set: setSocket("uwsgi-socket")},
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
