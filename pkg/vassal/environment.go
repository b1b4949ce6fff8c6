package vassal

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/emperor-go/emperor/internal/accounts"
	"github.com/emperor-go/emperor/internal/environ"
	"github.com/emperor-go/emperor/pkg/config"
)

// environment is the environment of this process, which hooks see, with the changes of the
// options in effect.
type environment struct {
	// replaced has the values before the changes of the options; nil: no such variable.
	replaced map[string]*string
}

// introduce sets HOME, USER and LOGNAME for the user of the vassal, unless they are set:
// vassals do not get the emperor's values.
func (e *environment) introduce(o *config.Vassal, who accounts.Login) error {
	for _, variable := range [][2]string{{"HOME", who.Home}, {"USER", who.Name}, {"LOGNAME", who.Name}} {
		if err := e.setBeneath(o, variable[0], variable[1]); err != nil {
			return err
		}
	}
	return nil
}

// introduceSelf is introduce for a vassal of our emperor that keeps the user of this process.
func (e *environment) introduceSelf(o *config.Vassal, s *source) error {
	if s.order == nil {
		return nil
	}
	return e.introduce(o, accounts.LoginOf(uint32(os.Geteuid())))
}

// setBeneath sets a variable as if it had existed before the options changed the environment,
// if it did not.
func (e *environment) setBeneath(o *config.Vassal, key, value string) error {
	if before, changed := e.replaced[key]; changed {
		if before == nil {
			e.replaced[key] = &value
		}
		return nil
	}
	if _, set := os.LookupEnv(key); set {
		return nil
	}
	if slices.ContainsFunc(o.Env, func(c config.EnvChange) bool { return c.Kind == "unset" && c.Key == key }) {
		if e.replaced == nil {
			e.replaced = map[string]*string{}
		}
		e.replaced[key] = &value
		return nil
	}
	return os.Setenv(key, value)
}

// programs returns the environment of the programs that serve, under the given options. It is the environment
// of this process, which hooks may have changed, without variables of the protocols with the emperor and its
// parent. The changes of the given options replace the changes in effect.
func (e *environment) programs(o *config.Vassal, s *source) ([]string, error) {
	vars := environ.Vars(os.Environ())
	for key, before := range e.replaced {
		vars.Unset(key)
		if before != nil {
			vars.Set(key, *before)
		}
	}
	vars = environ.Without(vars, environ.ForOneProcess)
	if name, asked := s.nameFor(o); asked { // other programs do not get it: a uwsgi with strict reports it as an error
		vars.Set(nameEnv, name)
	}
	for _, variable := range s.networkVars() {
		key, value, _ := strings.Cut(variable, "=")
		vars.Set(key, value)
	}
	if err := vars.Change(o.Env); err != nil {
		return nil, o.Blame("envdir", "", err)
	}
	slices.Sort(vars)
	return vars, nil
}

// networkVars returns the variables about the vassal's place in the network that the emperor
// sends.
func (s *source) networkVars() []string {
	if s.order == nil {
		return nil
	}
	return texts(s.order.NetworkVars)
}

// set applies the options to the environment of this process, so that hooks see it,
// and remembers the replaced values.
func (e *environment) set(o *config.Vassal) error {
	if err := e.forget(); err != nil {
		return err
	}
	e.replaced = nil
	if len(o.Env) == 0 {
		return nil
	}
	before := environ.Vars(os.Environ())
	after := slices.Clone(before)
	if err := after.Change(o.Env); err != nil {
		return o.Blame("envdir", "", err)
	}
	e.replaced = map[string]*string{}
	for _, variable := range before {
		if key, value, _ := strings.Cut(variable, "="); !slices.Contains(after, variable) {
			e.replaced[key] = &value
			if err := os.Unsetenv(key); err != nil {
				return err
			}
		}
	}
	for _, variable := range after {
		key, value, _ := strings.Cut(variable, "=")
		if slices.Contains(before, variable) {
			continue
		} else if before.Index(key) < 0 {
			e.replaced[key] = nil
		}
		if err := os.Setenv(key, value); err != nil {
			return fmt.Errorf("cannot set environment variable %q: %w", key, err)
		}
	}
	return nil
}

// forget restores the environment before the changes of the options.
func (e *environment) forget() error {
	for key, before := range e.replaced {
		if err := restore(key, before); err != nil {
			return err
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
