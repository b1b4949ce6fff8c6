package vassal

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/emperor-go/emperor/pkg/config"
)

// variables are an environment, each KEY=value, of which no key is there twice.
type variables []string

func (vars variables) index(key string) int {
	return slices.IndexFunc(vars, func(e string) bool { k, _, _ := strings.Cut(e, "="); return k == key })
}

func (vars *variables) unset(key string) {
	if i := vars.index(key); i >= 0 {
		*vars = slices.Delete(*vars, i, i+1)
	}
}

func (vars *variables) set(key, value string) {
	if i := vars.index(key); i >= 0 {
		(*vars)[i] = key + "=" + value
		return
	}
	*vars = append(*vars, key+"="+value)
}

// environment is what the vassal serves with under the given options: this
// process's own, which hooks may have changed, without what only concerns the
// protocols of the emperor and of whoever started that, and with what the options
// say instead of what those in effect say.
func (v *Vassal) environment(o *config.Vassal) ([]string, error) {
	vars := variables(os.Environ())
	for key, before := range v.replaced {
		vars.unset(key)
		if before != nil {
			vars.set(key, *before)
		}
	}
	vars = slices.DeleteFunc(vars, func(e string) bool { key, _, _ := strings.Cut(e, "="); return protocol(key) })
	if name, asked := v.nameOf(o); asked { // others need not find out: a uwsgi with strict takes it for a mistake
		vars.set(nameEnv, name)
	}
	if err := vars.change(o.Env); err != nil {
		return nil, o.Blame("envdir", "", err)
	}
	slices.Sort(vars)
	return vars, nil
}

// protocol reports whether a variable only concerns the protocols by which this
// process was started.
func protocol(key string) bool {
	for _, prefix := range []string{"UWSGI_", "EMPEROR_", "LISTEN_"} {
		if strings.HasPrefix(key, prefix) {
			return true
		}
	}
	return key == "NOTIFY_SOCKET" || key == "WATCHDOG_USEC" || key == "WATCHDOG_PID"
}

// change applies what env, unenv and envdir say, in order.
func (vars *variables) change(list []config.EnvChange) error {
	for _, c := range list {
		switch c.Kind {
		case "set":
			vars.set(c.Key, c.Value)
		case "unset":
			vars.unset(c.Key)
		case "dir":
			if err := vars.readDir(c.Key); err != nil {
				return err
			}
		}
	}
	return nil
}

// readDir sets a variable for each file of a directory to its first line, or
// removes it when the file is empty, as envdir(8) of daemontools does.
func (vars *variables) readDir(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("cannot use envdir: %w", err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") || strings.Contains(e.Name(), "=") || !e.Type().IsRegular() && e.Type()&os.ModeSymlink == 0 {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return fmt.Errorf("cannot use envdir: %w", err)
		}
		if len(text) == 0 {
			vars.unset(e.Name())
			continue
		}
		line, _, _ := strings.Cut(string(text), "\n")
		vars.set(e.Name(), strings.ReplaceAll(strings.TrimRight(line, " \t\r"), "\x00", "\n"))
	}
	return nil
}

// setEnvironment makes what the options say the environment of this process, so
// that hooks see it, and remembers what was there before.
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
	before := variables(os.Environ())
	after := slices.Clone(before)
	if err := after.change(o.Env); err != nil {
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
		} else if before.index(key) < 0 {
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
