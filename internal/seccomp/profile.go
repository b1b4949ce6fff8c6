// Package seccomp compiles profiles of system calls in the form of OCI (runtime-spec, linux.seccomp) and of Docker, which adds conditions, to
// instructions for seccomp(2).
package seccomp

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/problem"
	"github.com/emperor-go/emperor/internal/suggest"
)

// Host is the place where a profile applies.
type Host struct {
	// Kernel is its version, such as 6.1.
	Kernel [2]int
	// Holds reports whether the programs have a capability, such as sys_admin. Nil: they have none.
	Holds func(capability string) bool
}

// rule is one entry of a profile, whose conditions are met.
type rule struct {
	action uint32
	tests  []test
}

// profile collects the rules of a text.
type profile struct {
	host     Host
	usual    uint32 // the action for all other system calls
	errno    uint32 // of actions without one
	rules    map[uint32][]rule
	problems problem.Problems
	file     string
}

// Compile compiles the text of a profile. Its error is of type problem.Problems, with lines of the file.
func Compile(file string, content []byte, host Host) ([]unix.SockFilter, error) {
	p := &profile{host: host, file: file, errno: uint32(unix.EPERM), rules: map[uint32][]rule{}}
	root, err := parse(content)
	if err != nil {
		line := 1 + bytes.Count(content, []byte("\n"))
		if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
			line = 1 + bytes.Count(content[:min(int(syntax.Offset), len(content))], []byte("\n"))
		}
		p.wrong(line, "", "it is no JSON: "+problem.Of(err).What, "a profile in the form of OCI, such as Docker's default.json")
		return nil, p.problems.Err()
	}
	p.read(root)
	if len(p.problems) > 0 {
		return nil, p.problems.Err()
	}
	return p.program()
}

func (p *profile) wrong(line int, key, what, hint string) {
	p.problems.Add(problem.Origin{File: p.file, Line: line}, key, what, hint)
}

// fields gives each member of an object to its function. A function that is nil ignores the member.
func (p *profile) fields(n *node, within string, known map[string]func(*node)) {
	if n.kind != object {
		p.wrong(n.line, within, "it is "+n.kind+" and not an object", "")
		return
	}
	for _, m := range n.members {
		read, ok := known[m.name]
		if !ok {
			names := make([]string, 0, len(known))
			for name := range known {
				names = append(names, name)
			}
			slices.Sort(names)
			p.wrong(m.line, m.name, "no key of a profile", "there are "+strings.Join(names, ", "))
		} else if read != nil {
			read(m.node)
		}
	}
}

// texts calls each with the texts of a list.
func (p *profile) texts(key string, each func(line int, s string)) func(*node) {
	return func(n *node) {
		if n.kind != list {
			p.wrong(n.line, key, "it is "+n.kind+" and not a list", "")
			return
		}
		for _, e := range n.elements {
			if e.kind != text {
				p.wrong(e.line, key, "it has "+e.kind+" and not a text", "")
				continue
			}
			each(e.line, e.string())
		}
	}
}

func (p *profile) read(root *node) {
	given := false
	p.fields(root, "", map[string]func(*node){
		"defaultAction":   func(n *node) { given = true; p.usual = p.action(n, "defaultAction") },
		"defaultErrnoRet": func(n *node) { p.errno = p.errnoOf(n, "defaultErrnoRet") },
		"defaultErrno":    nil, // the name of defaultErrnoRet's number
		"comment":         nil,
		"architectures":   p.texts("architectures", p.architecture),
		"archMap":         nil, // architectures of other processors
		"flags":           p.texts("flags", p.flag),
		"listenerPath": func(n *node) {
			p.wrong(n.line, "listenerPath", "no program decides about system calls here", "another action than SCMP_ACT_NOTIFY")
		},
		"listenerMetadata": nil,
		"syscalls": func(n *node) {
			if n.kind != list {
				p.wrong(n.line, "syscalls", "it is "+n.kind+" and not a list", "")
			}
		},
	})
	if !given && root.kind == object {
		p.wrong(root.line, "defaultAction", "it is missing", "such as SCMP_ACT_ERRNO")
	}
	if p.usual == unix.SECCOMP_RET_ERRNO {
		p.usual |= p.errno
	}
	for _, m := range root.members { // when the default is known
		if m.name == "syscalls" {
			for _, e := range m.elements {
				p.entry(e)
			}
		}
	}
}

// entry reads one entry of the list of system calls.
func (p *profile) entry(n *node) {
	r, calls, errno, applies, given := rule{}, []uint32(nil), p.errno, true, false
	name := func(line int, s string) {
		number, known := numbers()[s]
		if !known {
			hint := "names of Linux, such as openat"
			if near := suggest.Near(s, allNames); near != nil {
				hint = suggest.Question("", near...)
			}
			p.wrong(line, "names", "unknown system call "+strconv.Quote(s), hint)
			return
		}
		if number != missing {
			calls = append(calls, number)
		}
	}
	p.fields(n, "syscalls", map[string]func(*node){
		"names":    p.texts("names", name),
		"name":     func(n *node) { name(n.line, n.string()) },
		"action":   func(n *node) { given = true; r.action = p.action(n, "action") },
		"errnoRet": func(n *node) { errno = p.errnoOf(n, "errnoRet") },
		"errno":    nil, // the name of its number
		"args":     func(n *node) { r.tests = p.tests(n) },
		"comment":  nil,
		"includes": func(n *node) { applies = applies && p.meets(n, true) },
		"excludes": func(n *node) { applies = applies && !p.meets(n, false) },
	})
	if !given && n.kind == object {
		p.wrong(n.line, "action", "it is missing", "such as SCMP_ACT_ALLOW")
	}
	if r.action == unix.SECCOMP_RET_ERRNO {
		r.action |= errno
	}
	if !applies {
		return
	}
	for _, number := range calls {
		p.rules[number] = append(p.rules[number], r)
	}
}

// meets reads conditions of Docker. all: each of them must be met; otherwise one of them suffices.
func (p *profile) meets(n *node, all bool) bool {
	var results []bool
	p.fields(n, "includes", map[string]func(*node){
		"caps": p.texts("caps", func(_ int, s string) {
			name := strings.ToLower(strings.TrimPrefix(s, "CAP_"))
			results = append(results, p.host.Holds != nil && p.host.Holds(name))
		}),
		"arches": func(n *node) {
			found := false
			p.texts("arches", func(_ int, s string) { found = found || s == dockerArch })(n)
			results = append(results, found || len(n.elements) == 0)
		},
		"minKernel": func(n *node) {
			var major, minor int
			if _, err := fmt.Sscanf(n.string(), "%d.%d", &major, &minor); err != nil {
				p.wrong(n.line, "minKernel", strconv.Quote(n.string())+" is no version of Linux", "such as 4.8")
			}
			results = append(results, p.host.Kernel[0] > major || p.host.Kernel[0] == major && p.host.Kernel[1] >= minor)
		},
	})
	if all {
		return !slices.Contains(results, false)
	}
	return slices.Contains(results, true)
}
