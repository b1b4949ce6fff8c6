package hooks

import (
	"context"
	"strconv"
	"strings"
	"sync"

	"github.com/emperor-go/emperor/pkg/namespaces"
)

// Subject is the vassal that a phase is about, for functions and programs. In the
// emperor's own phases it is empty.
type Subject struct {
	// Name is the vassal's, as its monitor knows it.
	Name string
	// PID of its process. Zero: there is none.
	PID int
	// UID and GID own its configuration.
	UID, GID uint32
}

// Env is what a registered function is told.
type Env struct {
	Subject
	// Phase that runs.
	Phase Phase
	// Arg is what stands after the function's name in a call action.
	Arg string
	// Vars is the environment that a command would get, as KEY=value.
	Vars []string
	// Log writes a line to the log, as the hook's output.
	Log func(line string)
}

// Function is a hook that is written in Go. It blocks until it is done, or ctx
// is, and may be called from many goroutines at a time.
type Function func(ctx context.Context, env Env) error

var functions sync.Map // name -> Function

// Register makes f the function that call hooks mean by that name. It is for
// programs that are built from these packages, and called before any
// configuration is parsed. A second one of the same name takes the place of the
// first; a function of C by that name cannot be reached any more.
func Register(name string, f func(ctx context.Context, env Env) error) {
	functions.Store(name, Function(f))
}

func registered(name string) Function {
	f, ok := functions.Load(name)
	if !ok {
		return nil
	}
	return f.(Function)
}

// signature is how a C function is called.
type signature int

const (
	cVoid signature = iota
	cRet
	cInt
	cIntRet
)

// parseCall is for the kinds: a function that gets what the kind says.
func parseCall(kind Kind, symbol string) (action, error) {
	if err := checkSymbol(symbol); err != nil {
		return nil, err
	}
	return func(ctx context.Context, s *scene) error {
		if f := registered(symbol); f != nil {
			return f(ctx, s.env(""))
		}
		return callNative(symbol, cVoid, s.cArgs(kind))
	}, nil
}

// cArgs are the arguments of uWSGI for a kind.
func (s *scene) cArgs(kind Kind) []cArg {
	name, pid := cArg{text: &s.who.Name}, cArg{number: uintptr(s.who.PID)}
	uid, gid := cArg{number: uintptr(s.who.UID)}, cArg{number: uintptr(s.who.GID)}
	switch kind {
	case Call1:
		return []cArg{name}
	case Call2:
		return []cArg{name, pid}
	case Call3:
		return []cArg{name, uid, gid}
	case Call4:
		return []cArg{name, pid, uid, gid}
	}
	return nil
}

// cArg is an argument of a C function: a string, or a number.
type cArg struct {
	text   *string
	number uintptr
}

// parseCallAction is for the actions: a function with at most one argument.
func parseCallAction(how signature) func(string) (action, error) {
	return func(args string) (action, error) {
		symbol, arg, given := strings.Cut(args, " ")
		if err := checkSymbol(symbol); err != nil {
			return nil, err
		}
		var list []cArg
		switch {
		case !given:
		case how == cInt || how == cIntRet:
			n, err := strconv.ParseInt(strings.TrimSpace(arg), 10, 32)
			if err != nil {
				return nil, mistake("", "%q is not a number for a function", arg)
			}
			list = []cArg{{number: uintptr(n)}}
		default:
			list = []cArg{{text: &arg}}
		}
		return func(ctx context.Context, s *scene) error {
			if f := registered(symbol); f != nil {
				return f(ctx, s.env(arg))
			}
			return callNative(symbol, how, list)
		}, nil
	}
}

// parseUnixSignal reads SIGNAL FUNCTION.
func parseUnixSignal(args string) (action, error) {
	name, symbol, err := two(args, "SIGNAL FUNCTION")
	if err != nil {
		return nil, err
	}
	sig, ok := namespaces.ParseSignal(name)
	if !ok || sig == 0 {
		return nil, mistake("such as USR2", "unknown signal %q", name)
	}
	if err := checkSymbol(symbol); err != nil {
		return nil, err
	}
	return func(context.Context, *scene) error { return handleNative(sig, symbol) }, nil
}

// symbolOf finds the function in the text of an action.
func symbolOf(name, args string) string {
	first, rest, _ := strings.Cut(args, " ")
	switch name {
	case "call", "callret", "callint", "callintret":
		return first
	case "unix_signal":
		return rest
	}
	return ""
}

// checkSymbol accepts what a linker does for C and C++, and the names of Go
// functions, which may have dots.
func checkSymbol(symbol string) error {
	for i, c := range symbol {
		letter := c == '_' || c == '$' || c == '.' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return mistake("a name of letters, digits and _", "%q is not a function", symbol)
		}
	}
	if symbol == "" {
		return mistake("a name of letters, digits and _", "no function given")
	}
	return nil
}

func (s *scene) env(arg string) Env {
	return Env{Subject: s.who, Phase: s.phase, Arg: arg, Vars: s.Vars, Log: s.output}
}
