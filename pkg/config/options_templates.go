package config

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/emperor-go/emperor/pkg/config/option"
)

// templateOptions add files and options before and after the file of each vassal.
var templateOptions = option.Rows[Emperor]{
	{
		Name: "vassal-set", Change: option.Reload, Aliases: []string{"vassals-set"}, Group: "Templates", Arg: "KEY=VALUE", Repeat: true, Secret: true,
		Help: "an option of all vassals, before their files", Set: setVassalSet,
	},
	{
		Name: "vassals-include", Change: option.Reload, Group: "Templates", Arg: "FILE", Repeat: true, Help: "include FILE after each vassal's own file",
		Into: func(e *Emperor) option.Field { return (*templateFile)(&e.Templates.Include) },
	},
	{
		Name: "vassals-include-before", Change: option.Reload, Group: "Templates", Arg: "FILE", Repeat: true, Help: "include FILE before each vassal's own file",
		Into: func(e *Emperor) option.Field { return (*templateFile)(&e.Templates.IncludeBefore) },
	},
	{
		Name: "vassals-inherit", Change: option.Reload, Group: "Templates", Arg: "FILE", Repeat: true,
		Help: "a file that each vassal inherits: it counts after all others",
		Into: func(e *Emperor) option.Field { return (*templateFile)(&e.Templates.Inherit) },
	},
	{
		Name: "vassals-inherit-before", Change: option.Reload, Group: "Templates", Arg: "FILE", Repeat: true, Help: "the same, before the files of vassals-inherit",
		Into: func(e *Emperor) option.Field { return (*templateFile)(&e.Templates.InheritBefore) },
	},
	{
		Name: "vassals-own-magic", Change: option.Reload, Group: "Templates", Help: "magic variables in these files describe the vassal's file",
		Into: func(e *Emperor) option.Field { return (*option.Flag)(&e.Templates.VassalMagic) },
	},
}

// templateFile is a list of files to which each line adds one. The extension determines the
// format.
type templateFile []string

// Parse implements option.Field.
func (f *templateFile) Parse(text string) error {
	if !slices.Contains(Extensions(), filepath.Ext(text)) {
		return option.Wrong("the format of "+strconv.Quote(text)+" is unknown", "the name must end in .ini, .yaml, .yml, .json, .js or .xml")
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
