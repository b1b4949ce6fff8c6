package webserver

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"github.com/emperor-go/emperor/pkg/config/serving"
)

// answers are the sources of answers, in this order: rules, files, programs, other servers,
// the command behind this server.
type answers struct {
	rules  rules
	files  files
	cgi    []program
	proxy  *proxy // to http-to
	behind *proxy // to the command behind this server
	always [][2]string
	limit  int64
}

func newAnswers(o *serving.Options, log *slog.Logger) (*answers, error) {
	a := &answers{}
	if err := a.open(o, log); err != nil {
		a.close()
		return nil, err
	}
	return a, nil
}

// open fills in the answers. They must be closed also after an error.
func (a *answers) open(o *serving.Options, log *slog.Logger) (err error) {
	a.limit = o.LimitPost
	for _, line := range o.AddHeaders {
		a.always = append(a.always, header(line))
	}
	if a.files, err = newFiles(o, log); err != nil {
		return blame(o, err)
	}
	if a.rules, err = newRules(o, &a.files, log); err != nil {
		return err
	}
	for _, m := range o.CGI {
		p, err := newProgram(m, o, log)
		if err != nil {
			return blame(o, err)
		}
		a.cgi = append(a.cgi, p)
	}
	if len(o.Behind) > 0 {
		a.behind = &proxy{trust: true, log: log, handler: newReverseProxy(true, 0, log)}
	}
	if len(o.HTTPTo) > 0 {
		a.proxy, err = newProxy(o.HTTPTo, o.Log.ForwardedFor, o.HTTPToWait, log)
	}
	return blame(o, err)
}

func (a *answers) close() {
	a.rules.close()
	a.files.close()
	for _, p := range a.cgi {
		p.root.close()
	}
}

// header splits `Name: value`.
func header(line string) [2]string {
	name, value, _ := strings.Cut(line, ":")
	return [2]string{strings.TrimSpace(name), strings.TrimSpace(value)}
}

func (a *answers) answer(x *exchange) {
	x.edits.adds = append(x.edits.adds, a.always...)
	if x.r.Method == http.MethodOptions && x.r.RequestURI == "*" { // asks about the server itself, which has no information to give
		x.Header().Set("Content-Length", "0")
		x.WriteHeader(http.StatusOK)
		return
	}
	if strings.ContainsRune(x.r.URL.Path, 0) || !strings.HasPrefix(x.r.URL.Path, "/") {
		x.refuse(http.StatusBadRequest)
		return
	}
	if a.limit > 0 && x.r.ContentLength > a.limit {
		x.refuse(http.StatusRequestEntityTooLarge)
		return
	}
	x.path = cleanPath(x.r.URL.Path)
	if a.rules.run(x) {
		x.result.routed = true
		return
	}
	reads := x.r.Method == http.MethodGet || x.r.Method == http.MethodHead
	others := len(a.cgi) > 0 || a.proxy != nil || x.behind != nil
	if (reads || !others) && a.files.serve(x) {
		x.result.static = true
		return
	}
	for _, p := range a.cgi {
		if p.serve(x) {
			return
		}
	}
	switch {
	case a.proxy != nil:
		a.proxy.serve(x)
		return
	case x.behind != nil:
		a.behind.pass(x, *x.behind)
		return
	}
	x.refuse(http.StatusNotFound)
}

// file answers a request of direct.go with a file. It returns false when there is none.
func (a *answers) file(x *exchange) bool {
	x.edits.adds = append(x.edits.adds, a.always...)
	x.path = cleanPath(x.r.URL.Path)
	x.result.static = a.files.serve(x)
	return x.result.static
}

// unusable is a part of the options that could not be set up.
type unusable struct {
	what, name string
	err        error
}

func (u *unusable) Error() string { return fmt.Sprintf("cannot use %s %q: %v", u.what, u.name, u.err) }

// Unwrap returns the cause, without the name of the part.
func (u *unusable) Unwrap() error { return u.err }

// blame adds the option and its line to the error of a part that could not be set up.
func blame(o *serving.Options, err error) error {
	if u, ok := errors.AsType[*unusable](err); ok {
		return o.Blame(u.name, err)
	}
	return err
}

// wrap names the part that could not be set up.
func wrap(what, name string, err error) error {
	if err == nil {
		return nil
	}
	return &unusable{what, name, err}
}
