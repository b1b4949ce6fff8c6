package serving

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/emperor-go/emperor/internal/suggest"
	"github.com/emperor-go/emperor/pkg/config/option"
)

// Route is one routing rule, checked but not compiled.
type Route struct {
	// Subject is the kind of text that Pattern matches: the part of the option's name after
	// `route-`, or path-info for `route` itself.
	Subject string
	// Pattern is a regular expression. For `if` and `if-not` it is the test, for `label` the
	// name, and for `run` empty.
	Pattern string
	// Action and Arg are the action and its argument. Both are empty for a label.
	Action string
	Arg    string
	// Origin is the position of the rule, for messages.
	Origin string
}

// Option returns the name of the option that declares the rule.
func (r Route) Option() string {
	if r.Subject == "path-info" {
		return "route"
	}
	return "route-" + r.Subject
}

// actions returns all actions.
func actions() []string {
	return []string{
		"addheader", "addvar", "basicauth", "basicauth-next", "break", "break-with-status", "continue", "delheader", "donotlog", "donotoffload", "expires",
		"flush", "goto", "harakiri", "http", "httpdumb", "last", "log", "offload", "redirect", "redirect-301", "redirect-302",
		"redirect-permanent", "remheader", "return",
		"rewrite", "rewrite-last", "send", "send-crnl", "setmethod", "setpathinfo", "setscheme", "setuser", "static", "uwsgi",
	}
}

// insteadOf returns a replacement for an action of uWSGI that this server does not have.
func insteadOf(action string) string {
	switch name, _, _ := strings.Cut(action, "-"); {
	case strings.HasPrefix(name, "cache"):
		return "a cache in front of the vassals"
	case name == "clearheaders", name == "resetheaders", name == "disableheaders":
		return "return:STATUS, and delheader:NAME for a single one"
	case name == "setscriptname", name == "seturi", name == "fixpathinfo", name == "setdocroot":
		return "setpathinfo:PATH or rewrite:PATH, and addvar:NAME=VALUE for variables of the command"
	case name == "setremoteaddr":
		return "log-x-forwarded-for, and the frontend's own means"
	}
	if near := suggest.Near(action, slices.Values(actions())); near != nil {
		return suggest.Question("", near...)
	}
	return "such as static, redirect, rewrite, http, break; emperor-wrapper = uwsgi runs the file by uWSGI"
}

// tests returns the tests of `if` and `if-not`.
func tests() []string {
	return []string{"contains", "empty", "endswith", "equal", "exists", "isdir", "isfile", "islink", "regexp", "startswith"}
}

// ParseRoute parses the value of a rule: `REGEX ACTION:ARG`, and without REGEX for the subject
// run. An unknown action is an error, because a rule may protect something. check returns an error for a
// text that is no regular expression; nil: they are not checked.
func ParseRoute(subject, text string, check func(string) error) (Route, error) {
	r := Route{Subject: subject}
	text = strings.TrimSpace(text)
	switch subject {
	case "label":
		r.Pattern = text
		if text == "" {
			return r, errors.New("a label needs a name")
		}
		return r, nil
	case "run":
	default:
		var ok bool
		if r.Pattern, text, ok = strings.Cut(text, " "); !ok {
			return r, errors.New("there is no action")
		}
		if err := checkPattern(subject, r.Pattern, check); err != nil {
			return r, err
		}
	}
	r.Action, r.Arg, _ = strings.Cut(strings.TrimLeft(text, " \t"), ":")
	if !slices.Contains(actions(), r.Action) {
		return r, option.Wrong(fmt.Sprintf("unknown action %q", r.Action), insteadOf(r.Action))
	}
	return r, r.checkArg()
}

func checkPattern(subject, pattern string, check func(string) error) error {
	if subject == "if" || subject == "if-not" {
		name, arg, ok := strings.Cut(pattern, ":")
		if !ok || !slices.Contains(tests(), name) {
			return option.Unknown("test", name, tests()...)
		}
		if name != "regexp" {
			return nil
		}
		_, pattern, _ = strings.Cut(arg, ";")
	}
	if check == nil {
		return nil
	}
	return check(pattern)
}

// checkArg detects mistakes in an argument before the first request.
func (r Route) checkArg() error {
	need := func(what string, ok bool) error {
		if !ok {
			return fmt.Errorf("%s needs %s", r.Action, what)
		}
		return nil
	}
	switch r.Action {
	case "addheader":
		name, _, ok := strings.Cut(r.Arg, ":")
		// only a request resolves ${…} in a name.
		return need("`Name: value`", ok && (strings.Contains(name, "${") || headerName(strings.TrimSpace(name))))
	case "addvar":
		name, _, ok := strings.Cut(r.Arg, "=")
		return need("NAME=value", ok && name != "")
	case "basicauth", "basicauth-next":
		realm, _, ok := strings.Cut(r.Arg, ",")
		return need("`realm,user:password` or `realm,FILE`", ok && realm != "")
	case "static", "http", "httpdumb", "uwsgi", "send", "send-crnl", "setmethod", "goto", "setpathinfo", "rewrite", "rewrite-last",
		"delheader", "remheader", "setscheme", "setuser",
		"redirect", "redirect-302", "redirect-301", "redirect-permanent":
		return need("an argument", r.Arg != "")
	case "expires":
		_, err := ParseExpires(r.Arg)
		return err
	case "harakiri":
		n, err := strconv.ParseUint(r.Arg, 10, 31)
		return need("a number of seconds", err == nil && n <= 1<<30)
	case "return", "break-with-status":
		code, _, _ := strings.Cut(r.Arg, " ")
		n, err := strconv.Atoi(code)
		return need("a status, such as 404", err == nil && n >= 200 && n <= 599)
	case "break":
		code, _, _ := strings.Cut(r.Arg, " ")
		n, err := strconv.Atoi(code)
		return need("a status, such as 403 Forbidden", r.Arg == "" || err == nil && n >= 200 && n <= 599)
	}
	return nil
}

// RouteExpires is the argument of the action expires. Each text may contain references, which
// a request resolves.
type RouteExpires struct{ Filename, Unix, Value string }

// ParseExpires parses `filename=FILE,value=SECONDS` or `unix=TIME,value=SECONDS`. With value
// alone the time starts now.
func ParseExpires(arg string) (e RouteExpires, err error) {
	for pair := range strings.SplitSeq(arg, ",") {
		key, value, ok := strings.Cut(pair, "=")
		if !ok || value == "" {
			return e, fmt.Errorf("%q is not key=value", pair)
		}
		switch key {
		case "filename":
			e.Filename = value
		case "unix":
			e.Unix = value
		case "value":
			e.Value = value
		default:
			return e, fmt.Errorf("unknown key %q (filename, unix or value)", key)
		}
	}
	for _, text := range []string{e.Unix, e.Value} {
		if text != "" && !strings.Contains(text, "$") {
			if _, err := strconv.ParseInt(text, 10, 62); err != nil {
				return e, fmt.Errorf("%q is not a number of seconds", text)
			}
		}
	}
	return e, nil
}
