package vassal

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/emperor-go/emperor/internal/accounts"
	"github.com/emperor-go/emperor/internal/environ"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/wire"
)

// readingEnviron returns the variables for reading a configuration: the environment of this
// process when it read its first one, and the variables that the emperor sends only for
// reading. A reload without a change gives the same result, whatever hooks and options have
// changed since.
func (v *Vassal) readingEnviron(order *wire.Order) []string {
	if v.base == nil {
		v.base = os.Environ()
	}
	return slices.Concat(v.base, heldBack(order))
}

// heldBack returns the variables of the emperor that this process does not have.
func heldBack(order *wire.Order) (vars []string) {
	if order == nil {
		return nil
	}
	for _, variable := range order.Environ {
		vars = append(vars, string(variable))
	}
	return vars
}

// introduce sets HOME, USER and LOGNAME for the user of the vassal, unless they are set:
// vassals do not get the emperor's values.
func (v *Vassal) introduce(who accounts.Login) error {
	for _, variable := range [][2]string{{"HOME", who.Home}, {"USER", who.Name}, {"LOGNAME", who.Name}} {
		if err := v.setBeneath(variable[0], variable[1]); err != nil {
			return err
		}
	}
	return nil
}

// setBeneath sets a variable as if it had existed before the options changed the environment,
// if it did not.
func (v *Vassal) setBeneath(key, value string) error {
	if before, changed := v.replaced[key]; changed {
		if before == nil {
			v.replaced[key] = &value
		}
		return nil
	}
	if _, set := os.LookupEnv(key); set {
		return nil
	}
	if slices.ContainsFunc(v.options.Env, func(c config.EnvChange) bool { return c.Kind == "unset" && c.Key == key }) {
		if v.replaced == nil {
			v.replaced = map[string]*string{}
		}
		v.replaced[key] = &value
		return nil
	}
	return os.Setenv(key, value)
}

// environment returns the environment of the programs that serve, under the given options:
// this process's own environment, which hooks may have changed, without variables of the
// protocols with the emperor and its parent, and with the changes of the given options in
// place of those in effect.
func (v *Vassal) environment(o *config.Vassal) ([]string, error) {
	vars := environ.Vars(os.Environ())
	for key, before := range v.replaced {
		vars.Unset(key)
		if before != nil {
			vars.Set(key, *before)
		}
	}
	vars = slices.DeleteFunc(vars, func(e string) bool { key, _, _ := strings.Cut(e, "="); return protocol(key) })
	if name, asked := v.nameOf(o); asked { // other programs do not get it: a uwsgi with strict reports it as an error
		vars.Set(nameEnv, name)
	}
	if err := vars.Change(o.Env); err != nil {
		return nil, o.Blame("envdir", "", err)
	}
	slices.Sort(vars)
	return vars, nil
}

// protocol reports whether a variable only concerns the protocols by which this process was
// started.
func protocol(key string) bool {
	for _, prefix := range []string{"UWSGI_", "EMPEROR_", "LISTEN_"} {
		if strings.HasPrefix(key, prefix) {
			return true
		}
	}
	return key == "NOTIFY_SOCKET" || key == "WATCHDOG_USEC" || key == "WATCHDOG_PID"
}

// setEnvironment applies the options to the environment of this process, so that hooks see it,
// and remembers the replaced values.
func (v *Vassal) setEnvironment(o *config.Vassal) error {
	for key, before := range v.replaced {
		if err := restore(key, before); err != nil {
			return err
		}
	}
	v.replaced = nil
	if len(o.Env) == 0 {
		return nil
	}
	before := environ.Vars(os.Environ())
	after := slices.Clone(before)
	if err := after.Change(o.Env); err != nil {
		return o.Blame("envdir", "", err)
	}
	v.replaced = map[string]*string{}
	for _, e := range before {
		if key, value, _ := strings.Cut(e, "="); !slices.Contains(after, e) {
			v.replaced[key] = &value
			if err := os.Unsetenv(key); err != nil {
				return err
			}
		}
	}
	for _, e := range after {
		key, value, _ := strings.Cut(e, "=")
		if slices.Contains(before, e) {
			continue
		} else if before.Index(key) < 0 {
			v.replaced[key] = nil
		}
		if err := os.Setenv(key, value); err != nil {
			return fmt.Errorf("cannot set environment variable %q: %w", key, err)
		}
	}
	return nil
}

func restore(key string, value *string) error {
	if value == nil {
		return os.Unsetenv(key)
	}
	return os.Setenv(key, *value)
}
