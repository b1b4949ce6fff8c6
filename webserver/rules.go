package webserver

import (
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"regexp"
	"strings"

	"github.com/emperor-go/emperor/pkg/config/serving"
)

// maxSteps limits the rules that one request runs: goto can lead backwards.
const maxSteps = 1000

// verdict is the next step after an action.
type verdict int

const (
	next verdict = iota // the next rule
	last                // no more rules; files and the other sources answer
	done                // it has answered
	jump                // to a label
)

// action executes a rule. arg is resolved.
type action func(x *exchange, arg string) verdict

// rule is a compiled route.
type rule struct {
	serving.Route
	re     *regexp.Regexp // nil for subjects without one
	do     action         // nil for a label
	target int            // of goto
}

// rules are run in order before any other source answers.
type rules struct {
	list []rule
	kit  kit
}

// kit holds the objects that actions share.
type kit struct {
	files *files
	log   *slog.Logger
	trust bool
	trees []*directory
	proxy *proxy // made when a rule needs it
}

func newRules(o *serving.Options, f *files, log *slog.Logger) (r rules, err error) {
	r.kit = kit{files: f, log: log, trust: o.Log.ForwardedFor}
	defer func() {
		if err != nil {
			r.close()
		}
	}()
	labels := map[string]int{}
	for i, route := range o.Routes {
		c := rule{Route: route}
		switch route.Subject {
		case "label":
			labels[route.Pattern] = i
		case "run", "if", "if-not":
		default:
			if c.re, err = regexp.Compile(route.Pattern); err != nil {
				return r, blameRule(route, err)
			}
		}
		if route.Action != "" {
			if c.do, err = r.kit.make(route); err != nil {
				return r, blameRule(route, err)
			}
		}
		r.list = append(r.list, c)
	}
	for i := range r.list {
		if c := &r.list[i]; c.Action == "goto" {
			at, ok := labels[c.Arg]
			if !ok {
				return r, blameRule(c.Route, fmt.Errorf("there is no label %q", c.Arg))
			}
			c.target = at
		}
	}
	return r, nil
}

// blameRule adds the line and the option of a rule to its error.
func blameRule(r serving.Route, err error) error {
	return fmt.Errorf("%s: %s: %w", r.Origin, r.Option(), err)
}

func (r *rules) close() {
	for _, d := range r.kit.trees {
		d.close()
	}
}

// run runs the rules and reports whether one of them has answered.
func (r *rules) run(x *exchange) bool {
	steps := 0
	for i := 0; i < len(r.list); i++ {
		if steps++; steps > maxSteps {
			r.kit.log.Error("rules form an endless loop", "uri", x.r.RequestURI)
			x.refuse(http.StatusInternalServerError)
			return true
		}
		c := &r.list[i]
		if c.do == nil {
			continue
		}
		groups, ok := c.applies(x)
		if !ok {
			continue
		}
		switch c.do(x, x.resolve(c.Arg, groups)) {
		case last:
			return x.result.status != 0
		case done:
			return true
		case jump:
			i = c.target
		case next:
		}
	}
	return x.result.status != 0
}

// applies matches the rule and returns the groups of its expression.
func (c *rule) applies(x *exchange) (groups []string, ok bool) {
	switch c.Subject {
	case "run":
		return nil, true
	case "if", "if-not":
		return nil, test(x, c.Pattern) == (c.Subject == "if")
	}
	groups = c.re.FindStringSubmatch(x.subject(c.Subject))
	return groups, groups != nil
}

// subject returns the text that the rule's expression is matched with.
func (x *exchange) subject(name string) string {
	switch name {
	case "host":
		return x.r.Host
	case "uri":
		return x.r.RequestURI
	case "qs":
		return x.r.URL.RawQuery
	case "remote-addr":
		return x.variable("REMOTE_ADDR")
	case "remote-user":
		return x.user
	case "user-agent":
		return x.r.UserAgent()
	case "referer":
		return x.r.Referer()
	}
	return x.path
}

// test evaluates a condition of route-if: `test:text` or `test:text;text`.
func test(x *exchange, pattern string) bool {
	name, arg, _ := strings.Cut(pattern, ":")
	a, b, _ := strings.Cut(arg, ";")
	if a = x.resolve(a, nil); name != "regexp" {
		b = x.resolve(b, nil)
	}
	switch name {
	case "empty":
		return a == ""
	case "equal":
		return a == b
	case "startswith":
		return strings.HasPrefix(a, b)
	case "endswith":
		return strings.HasSuffix(a, b)
	case "contains":
		return strings.Contains(a, b)
	case "regexp":
		ok, err := regexp.MatchString(b, a)
		return err == nil && ok
	}
	info, err := os.Lstat(a)
	if err == nil && name != "islink" {
		info, err = os.Stat(a)
	}
	if err != nil {
		return false
	}
	switch name {
	case "isfile":
		return info.Mode().IsRegular()
	case "isdir":
		return info.IsDir()
	case "islink":
		return info.Mode()&os.ModeSymlink != 0
	}
	return true // exists
}
