package config

// checks are what must hold between options, in the order in which mistakes are
// reported. They look at nothing but the options.
var checks = []struct {
	// key is the option whose line a mistake is reported on. Empty: none.
	key  string
	what string
	hint string
	// wrong reports whether it does not hold.
	wrong func(v *Vassal) bool
}{
	{
		"command", "there is a static-map or another option of the built-in server as well", "serve with one of them",
		func(v *Vassal) bool { return len(v.Command) > 0 && v.Server.Serves() },
	},
	{
		"unprivileged-binary-patch", "there is a command or a static-map as well", "nothing of the vassal stays to run it",
		func(v *Vassal) bool { return len(v.BinaryPatch) > 0 && (len(v.Command) > 0 || v.Server.Serves()) },
	},
	{
		"", "there is nothing to serve", "give static-map, command or unprivileged-binary-patch-arg",
		func(v *Vassal) bool { return !v.runs() && len(v.Daemons) == 0 },
	},
	{
		"static-map", "there is no socket to serve on", "such as http-socket = :8080",
		func(v *Vassal) bool {
			return v.Server.Serves() && len(v.Sockets) == 0 && !v.held && len(v.BinaryPatch)+len(v.RootPatch) == 0
		},
	},
}

// runs reports whether there is something to serve with.
func (v *Vassal) runs() bool {
	return len(v.Command)+len(v.Workers.Exec)+len(v.BinaryPatch)+len(v.RootPatch) > 0 || v.Server.Serves()
}

// check finds what no single option shows.
func (v *Vassal) check(file string, problems *Problems) {
	v.checkSockets(Origin{File: file}, problems)
	for _, c := range checks {
		if !c.wrong(v) {
			continue
		}
		origin := v.Origin(c.key)
		if origin == (Origin{}) {
			origin.File = file
		}
		problems.add(origin, c.key, c.what, c.hint)
	}
}
