package config

import (
	"strconv"
	"strings"

	"github.com/emperor-go/emperor/pkg/config/option"
)

// templateOptions say what stands around the file of each vassal.
var templateOptions = option.Rows[Emperor]{
	{
		Name: "vassal-set", Change: option.Reload, Aliases: []string{"vassals-set"}, Group: "Templates", Arg: "KEY=VALUE", Repeat: true,
		Help: "an option of all vassals, before their files", Set: setVassalSet,
	},
	{
		Name: "vassals-include", Change: option.Reload, Group: "Templates", Arg: "FILE", Repeat: true, Help: "read a file behind the file of each vassal",
		Into: func(e *Emperor) option.Field { return (*templateFile)(&e.Templates.Include) },
	},
	{
		Name: "vassals-include-before", Change: option.Reload, Group: "Templates", Arg: "FILE", Repeat: true, Help: "read a file before the file of each vassal",
		Into: func(e *Emperor) option.Field { return (*templateFile)(&e.Templates.IncludeBefore) },
	},
	{
		Name: "vassals-inherit", Change: option.Reload, Group: "Templates", Arg: "FILE", Repeat: true, Help: "a file that each vassal inherits: it counts after all others",
		Into: func(e *Emperor) option.Field { return (*templateFile)(&e.Templates.Inherit) },
	},
	{
		Name: "vassals-inherit-before", Change: option.Reload, Group: "Templates", Arg: "FILE", Repeat: true, Help: "the same, before those of vassals-inherit",
		Into: func(e *Emperor) option.Field { return (*templateFile)(&e.Templates.InheritBefore) },
	},
	{
		Name: "vassals-own-magic", Change: option.Reload, Group: "Templates", Help: "magic variables in these files speak of the vassal's file",
		Into: func(e *Emperor) option.Field { return (*option.Flag)(&e.Templates.VassalMagic) },
	},
}

// templateFile takes one more file each time, whose name says what it is.
type templateFile []string

// Parse implements option.Field.
func (f *templateFile) Parse(text string) error {
	if _, ok := formatByName(text); !ok {
		return option.Wrong("cannot tell what "+strconv.Quote(text)+" is", "the name must end in .ini, .yaml, .yml, .json, .js or .xml")
	}
	*f = append(*f, text)
	return nil
}

func setVassalSet(e *Emperor, v option.Value) error {
	if !strings.Contains(v.Text, "=") {
		return option.Wrong(strconv.Quote(v.Text)+" sets nothing", "KEY=VALUE")
	}
	e.Templates.Set = append(e.Templates.Set, v.Text)
	return nil
}
