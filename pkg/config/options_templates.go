package config

import (
	"strconv"
	"strings"
)

// templateOptions say what stands around the file of each vassal.
func templateOptions() table[Emperor] {
	list := func(of func(*TemplateFiles) *[]string) func(*Emperor, value) error {
		return func(e *Emperor, v value) error {
			if _, ok := formatByName(v.text); !ok {
				return hinted{"cannot tell what " + strconv.Quote(v.text) + " is", "the name must end in .ini, .yaml, .yml, .json, .js or .xml"}
			}
			into := of(&e.Templates)
			*into = append(*into, v.text)
			return nil
		}
	}
	const g = "Templates"
	return table[Emperor]{
		{
			name: "vassal-set", aliases: []string{"vassals-set"}, group: g, arg: "KEY=VALUE", repeat: true,
			help: "an option of all vassals, before their files", set: setVassalSet,
		},
		{
			name: "vassals-include", group: g, arg: "FILE", repeat: true, help: "read a file behind the file of each vassal",
			set: list(func(t *TemplateFiles) *[]string { return &t.Include }),
		},
		{
			name: "vassals-include-before", group: g, arg: "FILE", repeat: true, help: "read a file before the file of each vassal",
			set: list(func(t *TemplateFiles) *[]string { return &t.IncludeBefore }),
		},
		{
			name: "vassals-inherit", group: g, arg: "FILE", repeat: true, help: "a file that each vassal inherits: it counts after all others",
			set: list(func(t *TemplateFiles) *[]string { return &t.Inherit }),
		},
		{
			name: "vassals-inherit-before", group: g, arg: "FILE", repeat: true, help: "the same, before those of vassals-inherit",
			set: list(func(t *TemplateFiles) *[]string { return &t.InheritBefore }),
		},
		{
			name: "vassals-own-magic", group: g, help: "magic variables in these files speak of the vassal's file",
			set: func(e *Emperor, v value) error { e.Templates.VassalMagic = parseBool(v.text); return nil },
		},
	}
}

func setVassalSet(e *Emperor, v value) error {
	if !strings.Contains(v.text, "=") {
		return hinted{strconv.Quote(v.text) + " sets nothing", "KEY=VALUE"}
	}
	e.Templates.Set = append(e.Templates.Set, v.text)
	return nil
}
