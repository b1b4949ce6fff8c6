package libexec

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Programs are the vassal program and the programs that it finds beside itself, opened at one time: all
// vassals run the same build until the end of this process. The zero value and nil hold none.
type Programs struct {
	// Main is the vassal program.
	Main *Program
	// Companions are the other ones. A missing one is left out: the vassal that needs it reports that.
	Companions []*Program
}

// HoldAll holds the program at path and its companions with the given names. The caller closes them.
// A script has no companions: the program that it executes has its own.
func HoldAll(path string, names ...string) (p *Programs, err error) {
	p = &Programs{}
	if p.Main, err = Hold(path); err != nil || p.Main.File == nil {
		return p, err
	}
	for _, name := range names {
		at, missing := FindFor(path, name)
		if missing != nil {
			continue
		}
		one, err := Hold(at)
		if err != nil {
			p.Close()
			return nil, err
		}
		p.Companions = append(p.Companions, one)
	}
	return p, nil
}

// Close closes the descriptors.
func (p *Programs) Close() {
	p.Main.Close()
	for _, one := range p.Companions {
		one.Close()
	}
}

// At returns the path by which the vassal program is executed; path when it is not held.
func (p *Programs) At(path string) string {
	if p == nil || p.Main == nil {
		return path
	}
	return p.Main.At
}

// Vassal returns the open vassal program. Nil: it is not held.
func (p *Programs) Vassal() *os.File {
	if p == nil || p.Main == nil {
		return nil
	}
	return p.Main.File
}

// Held returns the open companion with a name. Nil: it is not held.
func (p *Programs) Held(name string) *os.File {
	if p == nil {
		return nil
	}
	for _, one := range p.Companions {
		if filepath.Base(one.Path) == name {
			return one.File
		}
	}
	return nil
}

// passedEnv names the descriptors of held programs that a program of ours inherits, such as
// vassal-server=5,vassal-helper=6.
const passedEnv = "EMPEROR_PROGRAM_FDS"

// Pass adds the companions to the descriptors of a child, by number, and returns the variable
// from which Passed reads them.
func (p *Programs) Pass(files []*os.File) (with []*os.File, environ []string) {
	if p == nil {
		return files, nil
	}
	fds := map[string]int{}
	with = append(with, files...)
	for _, one := range p.Companions {
		if one.File != nil {
			fds[filepath.Base(one.Path)] = len(with)
			with = append(with, one.File)
		}
	}
	return with, Variable(fds)
}

// Variable returns the variable from which Passed reads descriptors; nil without any.
func Variable(fds map[string]int) []string {
	var list []string
	for name, fd := range fds {
		list = append(list, name+"="+strconv.Itoa(fd))
	}
	if list == nil {
		return nil
	}
	return []string{passedEnv + "=" + strings.Join(list, ",")}
}

// Passed returns the descriptors of open programs that this process has inherited, by the name of the
// program, and removes their variable from the environment.
func Passed() (fds map[string]int, err error) {
	text, ok := os.LookupEnv(passedEnv)
	if !ok || text == "" {
		return nil, nil
	}
	fds = map[string]int{}
	for entry := range strings.SplitSeq(text, ",") {
		name, number, _ := strings.Cut(entry, "=")
		fd, err := strconv.Atoi(number)
		if err != nil || fd < 3 {
			return nil, fmt.Errorf("cannot use %s=%q: not a list of programs and descriptors", passedEnv, text)
		}
		fds[name] = fd
	}
	return fds, os.Unsetenv(passedEnv)
}

// IsPassed reports whether a variable of an environment is the one that Passed reads.
func IsPassed(variable string) bool { return strings.HasPrefix(variable, passedEnv+"=") }
