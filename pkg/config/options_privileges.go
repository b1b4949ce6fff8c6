package config

import "strconv"

// privilegeOptions are about what a vassal gives up before it serves.
func privilegeOptions() table[Vassal] {
	return table[Vassal]{
		{
			name: "add-gid", group: "Privileges", arg: "GROUP", repeat: true, help: "supplementary group",
			set: func(v *Vassal, t value) error {
				id, err := parseIdentity(t.text)
				v.AddGID = append(v.AddGID, id)
				return err
			},
		},
		{name: "gid", group: "Privileges", arg: "GROUP", guard: true, help: "group to run as", set: identity(func(v *Vassal) *Identity { return &v.GID })},
		{
			name: "no-initgroups", group: "Privileges", help: "do not take the user's groups from the system's files",
			set: func(v *Vassal, t value) error { v.NoInitgroups = parseBool(t.text); return nil },
		},
		{name: "uid", group: "Privileges", arg: "USER", guard: true, help: "user to run as", set: identity(func(v *Vassal) *Identity { return &v.UID })},
		{name: "umask", group: "Privileges", arg: "OCTAL", guard: true, tyrant: true, help: "file mode creation mask", set: setUmask},
	}
}

func setUmask(v *Vassal, t value) error {
	mask, err := strconv.ParseUint(t.text, 8, 16)
	if err != nil || mask > 0o777 {
		return hinted{strconv.Quote(t.text) + " is not a mask", "octal, such as 022"}
	}
	v.Umask, v.UmaskSet = int(mask), true
	return nil
}
