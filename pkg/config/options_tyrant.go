package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/emperor-go/emperor/internal/suggest"
	"github.com/emperor-go/emperor/pkg/config/option"
)

// Tyrant are the options of tyrant mode, in which a vassal runs as the owner of its file.
type Tyrant struct {
	// On: the mode is in effect.
	On bool
	// MinUID is the lowest uid of a tenant.
	MinUID uint32
	// Operator: files of root are the operator's. Otherwise they are refused.
	Operator bool
	// Initgroups gives vassals the supplementary groups of their owner. Otherwise they have none.
	Initgroups bool
	// NoFollow refuses symbolic links.
	NoFollow bool
	// Allow are options before the drop that a tenant's file may contain all the same.
	Allow []string
	// Max is the largest number of vassals of one owner.
	Max int
}

// tyrantOptions are rows of Tyrant.
var tyrantOptions = option.Rows[Emperor]{
	{
		Name: "emperor-tyrant", Group: "Privileges", Guard: true, Help: "a vassal runs as the owner of its file; the owner can only narrow the operator's permissions",
		Into: func(e *Emperor) option.Field { return (*option.Flag)(&e.Tyrant.On) },
	},
	{
		Name: "emperor-tyrant-allow", Group: "Privileges", Arg: "OPTION,…", Repeat: true,
		Help: "options of before the drop that the file of a tenant may contain, for all tenants: they act as root", Set: setTyrantAllow,
	},
	{
		Name: "emperor-tyrant-initgroups", Group: "Privileges", Help: "in tyrant mode vassals have the supplementary groups of their owner",
		Into: func(e *Emperor) option.Field { return (*option.Flag)(&e.Tyrant.Initgroups) },
	},
	{
		Name: "emperor-tyrant-max", Group: "Privileges", Arg: "N", Def: "20", Help: "how many vassals one owner can have in tyrant mode",
		Set: func(e *Emperor, v option.Value) error { return setVassals(&e.Tyrant.Max, v) },
	},
	{
		Name: "emperor-tyrant-nofollow", Group: "Privileges", Help: "in tyrant mode a file that is a symbolic link is refused",
		Into: func(e *Emperor) option.Field { return (*option.Flag)(&e.Tyrant.NoFollow) },
	},
	{
		Name: "emperor-tyrant-root", Group: "Privileges", Arg: "RULE", Def: "refuse", Guard: true,
		Help: "files of root in tyrant mode: refuse, as uWSGI does, or operator: they are the operator's, and run as they say",
		Set: func(e *Emperor, v option.Value) error {
			return either(&e.Tyrant.Operator, v.Text, "rule", "refuse", "operator")
		},
	},
	{
		Name: "emperor-tyrant-uid-min", Group: "Privileges", Arg: "UID", Def: "1000", Guard: true,
		Help: "lowest uid whose files make vassals in tyrant mode", Set: setTyrantMin,
	},
}

// defaultTyrant returns the defaults of tyrant mode.
func defaultTyrant() Tyrant { return Tyrant{MinUID: 1000, Max: 20} }

func setTyrantMin(e *Emperor, v option.Value) error {
	n, err := strconv.ParseUint(v.Text, 10, 32)
	if err != nil || n == 0 {
		return option.Wrong(strconv.Quote(v.Text)+" is not the uid of a tenant", "1 or more; 1000 is the first ordinary user")
	}
	e.Tyrant.MinUID = uint32(n)
	return nil
}

func setTyrantAllow(e *Emperor, v option.Value) error {
	for name := range strings.SplitSeq(v.Text, ",") {
		name = strings.TrimSpace(name)
		row := vassalOptions.find(name)
		switch {
		case row == nil:
			hint := "an option of a vassal, such as shared-socket"
			if near := suggest.Near(name, vassalOptions.names); near != nil {
				hint = suggest.Question("", near...)
			}
			return option.Wrong(fmt.Sprintf("%q is no option of a vassal", name), hint)
		case row.Tyrant:
			return option.Wrong(fmt.Sprintf("%q needs no permission", name), "a tenant's file may contain it")
		case slices.Contains(anotherUser, row.Name):
			return option.Wrong(fmt.Sprintf("%q cannot be a tenant's: a vassal runs as the owner of its file", name),
				"emperor-tyrant = false, or a file of root with emperor-tyrant-root = operator")
		}
		e.Tyrant.Allow = append(e.Tyrant.Allow, row.Name)
	}
	return nil
}
