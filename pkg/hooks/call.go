package hooks

import (
	"context"
	"strconv"
	"strings"
	"sync"

	"github.com/emperor-go/emperor/pkg/namespaces"
)

// Subject is the vassal that a phase concerns, for functions and programs. It is empty in the
// emperor's own phases.
type Subject struct {
	// Name of the vassal, as its monitor knows it.
	Name string
	// PID of its process. Zero: none.
	PID int
	// UID and GID own its configuration.
	UID, GID uint32
}

// Env is passed to a registered function.
type Env struct {
	Subject
	// Phase that runs.
	Phase Phase
	// Arg is the text after the function's name in a call action.
	Arg string
	// Vars is the environment that a command would get, as KEY=value.
	Vars []string
	// Log writes a line of the hook's output to the log.
	Log func(line string)
}

// Function is a hook written in Go. It blocks until it is done or ctx ends. It may be called
// from many goroutines at the same time.
type Function func(ctx context.Context, env Env) error

var functions sync.Map // name -> Function

// Register makes call hooks with this name call f. It is for programs that embed these
// packages, and must be called before any configuration is parsed. A later registration of the
// same name replaces the earlier one, and hides a C function of that name.
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

// signature is the parameter and result list of a C function.
type signature int

const (
	cVoid signature = iota
	cRet
	cInt
	cIntRet
)

// parseCall parses a hook of a call kind, whose kind decides the arguments of the function.
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

// cArgs returns uWSGI's arguments for a kind.
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

// cArg is an argument of a C function: a string or a number.
type cArg struct {
	text   *string
	number uintptr
}

func parseCallVoid(args string) (action, error)   { return parseSymbol(args, cVoid) }
func parseCallInt(args string) (action, error)    { return parseSymbol(args, cInt) }
func parseCallIntRet(args string) (action, error) { return parseSymbol(args, cIntRet) }
func parseCallRet(args string) (action, error)    { return parseSymbol(args, cRet) }

// parseSymbol parses a call action, whose function has at most one argument.
func parseSymbol(args string, how signature) (action, error) {
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

// parseUnixSignal parses SIGNAL FUNCTION.
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

// symbolOf returns the function in the text of an action.
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

// checkSymbol accepts the symbols of C and C++ that a linker accepts, and names of Go
// functions, which may contain dots.
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
