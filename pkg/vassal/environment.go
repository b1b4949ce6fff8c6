package vassal

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/emperor-go/emperor/pkg/config"
)

// environment is what the vassal serves with under the given options: this
// process's own, which hooks may have changed, without what only concerns the
// protocols of the emperor and of whoever started that, and with what the options
// say instead of what those in effect say.
func (v *Vassal) environment(o *config.Vassal) ([]string, error) {
	vars := map[string]string{}
	for _, e := range os.Environ() {
		if key, value, _ := strings.Cut(e, "="); !protocol(key) {
			vars[key] = value
		}
	}
	for key, before := range v.replaced {
		delete(vars, key)
		if before != nil && !protocol(key) {
			vars[key] = *before
		}
	}
	if err := change(vars, o.Env); err != nil {
		return nil, o.Blame("envdir", "", err)
	}
	list := make([]string, 0, len(vars))
	for _, key := range slices.Sorted(maps.Keys(vars)) {
		list = append(list, key+"="+vars[key])
	}
	return list, nil
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
func change(vars map[string]string, list []config.EnvChange) error {
	for _, c := range list {
		switch c.Kind {
		case "set":
			vars[c.Key] = c.Value
		case "unset":
			delete(vars, c.Key)
		case "dir":
			if err := readEnvdir(c.Key, vars); err != nil {
				return err
			}
		}
	}
	return nil
}

// readEnvdir sets a variable for each file of a directory to its first line, or
// removes it when the file is empty, as envdir(8) of daemontools does.
func readEnvdir(dir string, vars map[string]string) error {
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
			delete(vars, e.Name())
			continue
		}
		line, _, _ := strings.Cut(string(text), "\n")
		vars[e.Name()] = strings.ReplaceAll(strings.TrimRight(line, " \t\r"), "\x00", "\n")
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
	before, after := map[string]string{}, map[string]string{}
	for _, e := range os.Environ() {
		key, value, _ := strings.Cut(e, "=")
		before[key], after[key] = value, value
	}
	if err := change(after, o.Env); err != nil {
		return o.Blame("envdir", "", err)
	}
	v.replaced = map[string]*string{}
	for key, value := range before {
		if now, ok := after[key]; !ok || now != value {
			v.replaced[key] = &value
			if err := os.Unsetenv(key); err != nil {
				return err
			}
		}
	}
	for key, value := range after {
		if was, ok := before[key]; ok && was == value {
			continue
		} else if !ok {
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
