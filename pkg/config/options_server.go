package config

// serverOptions are those of the built-in server.
func serverOptions() table[Vassal] {
	return table[Vassal]{
		{name: "static-map", group: "Static files", arg: "/MOUNT=DIR", repeat: true, tyrant: true, change: Reload,
			help: "serve the files of a directory by the built-in server",
			set: func(v *Vassal, t value) error {
				m, err := parseStaticMap(t.text)
				v.StaticMaps = append(v.StaticMaps, m)
				return err
			}},
	}
}
