package config

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/emperor-go/emperor/pkg/config/option"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// Landlocks are the permitted accesses of a vassal and its programs to files and ports: by the operator, and by the
// tenant's own file, which can only restrict more.
type Landlocks [2]namespaces.Landlock

// of returns the lists to which a value belongs.
func (l *Landlocks) of(t option.Value) *namespaces.Landlock {
	if t.Tenant {
		return &l[1]
	}
	return &l[0]
}

// Restrict puts all lists into effect. own are programs of ours. An error has the line of its option.
func (l Landlocks) Restrict(v *Vassal, own ...string) error {
	for _, one := range l {
		err := one.Restrict(own...)
		if list, ok := errors.AsType[*namespaces.LandlockError](err); ok {
			return v.Blame("landlock-"+list.Kind, list.Value, err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// landlockOptions are rows of Landlocks.
var landlockOptions = option.Rows[Vassal]{
	{
		Name: "landlock-execute", Group: "Privileges", Arg: "PATH", Repeat: true, Tyrant: true,
		Help: "the vassal and its programs execute only programs below these paths (landlock(7)); -PATH may be missing",
		Set: func(v *Vassal, t option.Value) error {
			return setLandPath(&v.Hardening.Landlocks.of(t).Execute, t)
		},
	},
	{
		Name: "landlock-read", Group: "Privileges", Arg: "PATH", Repeat: true, Tyrant: true,
		Help: "the vassal and its programs read only files below these paths, and devices without contents and /proc",
		Set: func(v *Vassal, t option.Value) error {
			return setLandPath(&v.Hardening.Landlocks.of(t).Read, t)
		},
	},
	{
		Name: "landlock-tcp-bind", Group: "Privileges", Arg: "PORT", Repeat: true, Tyrant: true,
		Help: "the vassal and its programs bind only these TCP ports after the drop", Set: setLandPort,
	},
	{
		Name: "landlock-write", Group: "Privileges", Arg: "PATH", Repeat: true, Tyrant: true,
		Help: "the vassal and its programs write, make and remove only files below these paths",
		Set: func(v *Vassal, t option.Value) error {
			return setLandPath(&v.Hardening.Landlocks.of(t).Write, t)
		},
	},
}

func setLandPath(list *[]string, t option.Value) error {
	if path := strings.TrimPrefix(t.Text, "-"); !strings.HasPrefix(path, "/") {
		return option.Wrong(strconv.Quote(t.Text)+" is not an absolute path", "such as /usr")
	}
	if !slices.Contains(*list, t.Text) {
		*list = append(*list, t.Text)
	}
	return nil
}

func setLandPort(v *Vassal, t option.Value) error {
	n, err := strconv.ParseUint(t.Text, 10, 16)
	if err != nil || n == 0 {
		return option.Wrong(strconv.Quote(t.Text)+" is not a port", "1 to 65535")
	}
	l := v.Hardening.Landlocks.of(t)
	l.Bind = append(l.Bind, uint16(n))
	return nil
}
