package config

import "github.com/emperor-go/emperor/pkg/config/option"

// privilegeOptions select the user and the groups of a vassal.
var privilegeOptions = option.Rows[Vassal]{
	{
		Name: "add-gid", Group: "Privileges", Arg: "GROUP", Repeat: true, Help: "supplementary group",
		Set: func(v *Vassal, t option.Value) error {
			id, err := parseIdentity(t.Text)
			v.AddGID = append(v.AddGID, id)
			return err
		},
	},
	{
		Name: "cap", Group: "Privileges", Arg: "CAPABILITY,…", Guard: true,
		Help: "capabilities that the vassal and its programs have after the drop, such as net_bind_service, or none; programs get no others (capabilities(7))",
		Into: func(v *Vassal) option.Field { return &v.Capabilities },
	},
	{Name: "gid", Group: "Privileges", Arg: "GROUP", Guard: true, Help: "group to run as", Into: func(v *Vassal) option.Field { return &v.GID }},
	{
		Name: "no-initgroups", Group: "Privileges", Help: "do not take the user's groups from the system's files",
		Into: func(v *Vassal) option.Field { return (*option.Flag)(&v.NoInitgroups) },
	},
	{Name: "uid", Group: "Privileges", Arg: "USER", Guard: true, Help: "user to run as", Into: func(v *Vassal) option.Field { return &v.UID }},
	{Name: "umask", Group: "Privileges", Arg: "OCTAL", Guard: true, Tyrant: true, Help: "file mode creation mask", Set: setUmask},
}

func setUmask(v *Vassal, t option.Value) error {
	mask, err := parsePermissions(t.Text, "mask", "022")
	if err == nil {
		v.Umask, v.UmaskSet = int(mask), true
	}
	return err
}
