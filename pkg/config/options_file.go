package config

// fileOptions are about the configuration itself, of either program.
func fileOptions[T any]() table[T] {
	return table[T]{
		{
			name: "strict", group: "Other", tyrant: true, change: Reload, help: "an unknown option is a mistake, not a placeholder",
			set: func(*T, value) error { return nil },
		}, // decode has seen it
	}
}
