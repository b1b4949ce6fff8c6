package config

import (
	"os"

	"github.com/emperor-go/emperor/pkg/config/option"
)

// OnDemand is the configuration of sockets that start vassals.
type OnDemand struct {
	// Extension names files: the content of NAME+Extension is the address of the vassal NAME.
	// Directory contains the unix sockets of all vassals. The command Exec prints the address.
	// Empty: none.
	Extension, Directory, Exec string
	// Mode, Owner and Group of unix sockets. Not set: the emperor's default.
	Mode         os.FileMode
	Owner, Group Identity
}

// onDemandOptions select the vassals that wait for their first connection, and their
// addresses.
var onDemandOptions = option.Rows[Emperor]{
	{
		Name: "emperor-on-demand-directory", Aliases: []string{"emperor-on-demand-dir"}, Group: "Sockets", Arg: "DIR",
		Help: "vassal NAME.ini starts with the first connection to DIR/NAME.socket",
		Into: func(e *Emperor) option.Field { return (*option.Text)(&e.OnDemand.Directory) },
	},
	{
		Name: "emperor-on-demand-exec", Group: "Sockets", Arg: "COMMAND", Help: "a command that prints the address that starts the vassal named by its argument",
		Misreads: func(_, _ string) bool { return true }, Into: func(e *Emperor) option.Field { return (*option.Text)(&e.OnDemand.Exec) },
	},
	{
		Name: "emperor-on-demand-extension", Aliases: []string{"emperor-on-demand-ext"}, Group: "Sockets", Arg: "EXT",
		Help: "vassal NAME starts with the first connection to the address in the file NAME+EXT, which must not be a link",
		Into: func(e *Emperor) option.Field { return (*option.Text)(&e.OnDemand.Extension) },
	},
	{
		Name: "emperor-on-demand-mode", Group: "Sockets", Arg: "OCTAL", Def: "666", Guard: true, Help: "mode of unix sockets that start vassals",
		Set: setOnDemandMode,
	},
	{Name: "emperor-on-demand-owner", Group: "Sockets", Arg: "USER[:GROUP]", Guard: true, Help: "owner of unix sockets that start vassals", Set: setOnDemandOwner},
}

func setOnDemandMode(e *Emperor, v option.Value) error {
	mode, err := parsePermissions(v.Text, "mode", "660")
	if err == nil {
		e.OnDemand.Mode = mode
	}
	return err
}

func setOnDemandOwner(e *Emperor, v option.Value) (err error) {
	e.OnDemand.Owner, e.OnDemand.Group, err = parseOwner(v.Text)
	return err
}
