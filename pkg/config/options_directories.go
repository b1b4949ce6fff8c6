package config

import (
	"strconv"
	"strings"

	"github.com/emperor-go/emperor/pkg/config/option"
)

// directoryOptions are systemd's directories of a service.
var directoryOptions = option.Rows[Vassal]{
	{
		Name: "cache-directory", Group: "Boot", Arg: "NAME …", Repeat: true,
		Help: "make directories of the vassal's user in /var/cache before all hooks, and set CACHE_DIRECTORY",
		Set:  func(v *Vassal, t option.Value) error { return v.Directories[cacheKind].add(t.Text) },
	},
	{
		Name: "cache-directory-mode", Group: "Boot", Arg: "OCTAL", Def: "0755", Help: "mode of these directories",
		Set: func(v *Vassal, t option.Value) error { return v.Directories[cacheKind].setMode(t.Text) },
	},
	{
		Name: "logs-directory", Group: "Boot", Arg: "NAME …", Repeat: true,
		Help: "make directories of the vassal's user in /var/log before all hooks, and set LOGS_DIRECTORY",
		Set:  func(v *Vassal, t option.Value) error { return v.Directories[logsKind].add(t.Text) },
	},
	{
		Name: "logs-directory-mode", Group: "Boot", Arg: "OCTAL", Def: "0755", Help: "mode of these directories",
		Set: func(v *Vassal, t option.Value) error { return v.Directories[logsKind].setMode(t.Text) },
	},
	{
		Name: "runtime-directory", Group: "Boot", Arg: "NAME …", Repeat: true,
		Help: "make directories of the vassal's user in /run before all hooks, and set RUNTIME_DIRECTORY; they are removed at the end of the " +
			"vassal", Set: func(v *Vassal, t option.Value) error { return v.Directories[runtimeKind].add(t.Text) },
	},
	{
		Name: "runtime-directory-mode", Group: "Boot", Arg: "OCTAL", Def: "0755", Help: "mode of these directories",
		Set: func(v *Vassal, t option.Value) error { return v.Directories[runtimeKind].setMode(t.Text) },
	},
	{
		Name: "state-directory", Group: "Boot", Arg: "NAME …", Repeat: true,
		Help: "make directories of the vassal's user in /var/lib before all hooks, and set STATE_DIRECTORY",
		Set:  func(v *Vassal, t option.Value) error { return v.Directories[stateKind].add(t.Text) },
	},
	{
		Name: "state-directory-mode", Group: "Boot", Arg: "OCTAL", Def: "0755", Help: "mode of these directories",
		Set: func(v *Vassal, t option.Value) error { return v.Directories[stateKind].setMode(t.Text) },
	},
}

// add adds the names of a line.
func (d *Directories) add(text string) error {
	names := strings.Fields(text)
	if len(names) == 0 {
		return option.Wrong("no name given", "such as shop")
	}
	for _, name := range names {
		if !directoryName(name) {
			return option.Wrong(strconv.Quote(name)+" is not the name of a directory", "one word without / and :, such as shop")
		}
	}
	d.Names = append(d.Names, names...)
	return nil
}

// setMode sets the mode of the directories.
func (d *Directories) setMode(text string) (err error) {
	d.Mode, err = parsePermissions(text, "mode", "750")
	d.ModeSet = err == nil
	return err
}
