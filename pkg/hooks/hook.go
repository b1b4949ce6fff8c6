package hooks

import (
	"fmt"
	"slices"
	"strings"

	"github.com/emperor-go/emperor/internal/problem"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// Kind is the first word of a hook's option name. It decides how the text is parsed.
type Kind string

// The kinds, in the order in which uWSGI runs them within a phase.
const (
	// Do is action:args, from the table of actions.
	Do Kind = "hook"
	// Mount is FILESYSTEM SOURCE TARGET [FLAGS [DATA]].
	Mount Kind = "mount"
	// Umount is TARGET [FLAGS].
	Umount Kind = "umount"
	// Exec is a command line for the shell.
	Exec Kind = "exec"
	// Call is a function without arguments: a registered Go function or a C symbol. The other
	// call kinds pass the vassal's name; name and pid; name, uid and gid; or name, pid, uid
	// and gid.
	Call  Kind = "call"
	Call1 Kind = "call1"
	Call2 Kind = "call2"
	Call3 Kind = "call3"
	Call4 Kind = "call4"
	// Program is a program with the vassal's name as its argument. Its option has the name of
	// the phase.
	Program Kind = "program"
)

// Kinds lists every kind in the order in which uWSGI runs them within a phase.
func Kinds() []Kind {
	return []Kind{Do, Mount, Umount, Exec, Call, Call1, Call2, Call3, Call4, Program}
}

// Syntax returns the syntax of the text of such a hook.
func (k Kind) Syntax() string {
	switch k {
	case Do:
		return "ACTION:ARGS"
	case Mount:
		return "FILESYSTEM SOURCE TARGET [FLAGS [DATA]]"
	case Umount:
		return "TARGET [FLAGS]"
	case Exec:
		return "COMMAND"
	case Program:
		return "PROGRAM"
	}
	return "FUNCTION"
}

// Spec is an unparsed hook of a configuration file.
type Spec struct {
	Phase Phase
	Kind  Kind
	Text  string
	// Origin is the file:line of the hook, for messages. Optional.
	Origin string
}

// Option returns the name of the option for such a hook.
func (s Spec) Option() string {
	switch s.Kind {
	case Program:
		return string(s.Phase)
	case Call1, Call2, Call3, Call4:
		return "call-" + string(s.Phase) + strings.TrimPrefix(string(s.Kind), "call")
	}
	return string(s.Kind) + "-" + string(s.Phase)
}

// rule is the operator's choice about the failure of one hook.
type rule byte

const (
	byPhase rule = 0
	ignored rule = '-'
	fatal   rule = '+'
)

// Hook is a parsed hook. It can run any number of times.
type Hook struct {
	spec    Spec
	action  action
	symbol  string // the function it calls; empty: none
	subject string // the text before the action in some phases
	rest    string // the text without prefixes and subject
	hidden  bool
	rule    rule
}

// Spec returns the hook before it was parsed.
func (h Hook) Spec() Spec { return h.spec }

// Subject is the text before the action: the file of a touch hook, or the namespaces of a hook
// that enters them.
func (h Hook) Subject() string { return h.subject }

// Symbol is the function that the hook calls. Empty: none.
func (h Hook) Symbol() string { return h.symbol }

// fatal returns whether a failure of the hook ends its phase: the hook's own rule overrides
// the phase's.
func (h Hook) fatal(phase bool) bool {
	switch h.rule {
	case ignored:
		return false
	case fatal:
		return true
	}
	return phase
}

func mistake(hint, format string, args ...any) error {
	return problem.Wrong(fmt.Sprintf(format, args...), hint)
}

// Parse checks s and returns it as a Hook. It finds every mistake in the text, so that none
// appears in the middle of a boot. The error is a problem.Mistake, `what (hint)`.
func Parse(s Spec) (Hook, error) {
	info, ok := s.Phase.Info()
	if !ok {
		return Hook{}, mistake("", "unknown phase %q", s.Phase)
	}
	if !slices.Contains(Kinds(), s.Kind) {
		return Hook{}, mistake("", "unknown kind of hook %q", s.Kind)
	}
	if !slices.Contains(info.Kinds, s.Kind) {
		return Hook{}, mistake("", "there is no %s", s.Option())
	}
	if strings.ContainsRune(s.Text, 0) {
		return Hook{}, mistake("", "%s holds a NUL byte", s.Option())
	}
	h := Hook{spec: s}
	h.prefixes()
	if err := h.takeSubject(info); err != nil {
		return Hook{}, h.hideMistake(err)
	}
	if h.rest == "" {
		return Hook{}, mistake("", "%s needs %s", s.Option(), need(s.Kind))
	}
	if err := h.parse(); err != nil {
		return Hook{}, h.hideMistake(err)
	}
	return h, nil
}

func need(k Kind) string {
	switch k {
	case Exec, Program:
		return "a command"
	}
	return k.Syntax()
}

// prefixes parses the prefixes of a hook: ! hides the text from logs, - ignores a failure, +
// makes it fatal. The shell's own `! command` remains part of the text.
func (h *Hook) prefixes() {
	rest := strings.TrimSpace(h.spec.Text)
	for rest != "" {
		switch {
		case rest[0] == '!' && (h.spec.Kind != Exec || !strings.HasPrefix(rest[1:], " ")):
			h.hidden = true
		case rest[0] == '-' || rest[0] == '+':
			h.rule = rule(rest[0])
		default:
			h.rest = rest
			return
		}
		rest = strings.TrimLeft(rest[1:], " \t")
	}
}

// takeSubject cuts off the text before the action.
func (h *Hook) takeSubject(info PhaseInfo) error {
	if info.Subject == "" {
		return nil
	}
	h.subject, h.rest, _ = strings.Cut(h.rest, " ")
	h.rest = strings.TrimSpace(h.rest)
	if h.subject == "" || h.rest == "" {
		return mistake("such as "+info.Subject+" print:hello", "%s needs %s and an action", h.spec.Option(), info.Subject)
	}
	if h.spec.Phase == AsEmperorSetns {
		if _, err := namespaces.ParseFlags(h.subject); err != nil {
			return mistake("such as net,uts print:hello", "%v", err)
		}
	}
	return nil
}

// parse builds the action.
func (h *Hook) parse() (err error) {
	switch h.spec.Kind {
	case Do:
		err = h.parseAction()
	case Mount:
		h.action, err = parseMount(h.rest)
	case Umount:
		h.action, err = parseUmount(h.rest)
	case Exec:
		h.action, err = parseExec(h.rest)
	case Program:
		h.action = named(h.rest)
	default:
		h.symbol = h.rest
		h.action, err = parseCall(h.spec.Kind, h.rest)
	}
	return err
}

// Set holds the hooks of a program by phase. Each list has the order in which hooks run: by
// kind, and within a kind in the order of the file.
type Set map[Phase][]Hook

// Add puts h into the list of its phase.
func (s Set) Add(h Hook) {
	order := Kinds()
	list, rank := s[h.spec.Phase], slices.Index(order, h.spec.Kind)
	at := len(list)
	for at > 0 && slices.Index(order, list[at-1].spec.Kind) > rank {
		at--
	}
	s[h.spec.Phase] = slices.Insert(list, at, h)
}

// Native returns the first hook that calls a C function, that is, a function that is not
// registered in Go. A program with such a hook needs its native twin. Without phases it
// searches all.
func (s Set) Native(among ...Phase) (h Hook, ok bool) {
	for i := range phases {
		if len(among) > 0 && !slices.Contains(among, phases[i].Phase) {
			continue
		}
		for _, h := range s[phases[i].Phase] {
			if h.symbol != "" && registered(h.symbol) == nil {
				return h, true
			}
		}
	}
	return Hook{}, false
}

// ByOption is the inverse of Spec.Option: it returns the phase and the kind of the hooks of an
// option.
func ByOption(name string) (info PhaseInfo, kind Kind, ok bool) {
	word, phase, _ := strings.Cut(name, "-")
	cut := len(phase) - 1
	specs := []Spec{{Phase: Phase(phase), Kind: Kind(word)}, {Phase: Phase(name), Kind: Program}}
	if word == "call" && cut > 0 { // call-as-vassal1
		specs = append(specs, Spec{Phase: Phase(phase[:cut]), Kind: Kind(word + phase[cut:])})
	}
	for _, s := range specs {
		if info, ok = s.Phase.Info(); ok && slices.Contains(info.Kinds, s.Kind) && s.Option() == name {
			return info, s.Kind, true
		}
	}
	return PhaseInfo{}, "", false
}
