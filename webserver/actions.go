package webserver

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/emperor-go/emperor/pkg/config/serving"
)

// make compiles a route to an action.
func (k *kit) make(r serving.Route) (action, error) {
	switch r.Action {
	case "addheader":
		return func(x *exchange, arg string) verdict {
			x.edits.adds = append(x.edits.adds, safeHeader(arg))
			return next
		}, nil
	case "addvar":
		return addVar, nil
	case "basicauth", "basicauth-next":
		return k.basicAuth(r)
	case "break":
		return answerBreak, nil
	case "break-with-status", "return":
		return answerStatus, nil
	case "continue", "last":
		return func(*exchange, string) verdict { return last }, nil
	case "delheader", "remheader":
		return func(x *exchange, arg string) verdict { x.edits.deletes = append(x.edits.deletes, arg); return next }, nil
	case "donotlog":
		return func(x *exchange, _ string) verdict { x.result.secret = true; return next }, nil
	case "donotoffload", "flush", "offload": // nothing is offloaded, and all is sent at once
		return func(*exchange, string) verdict { return next }, nil
	case "expires":
		return k.expires(r)
	case "harakiri":
		return harakiri, nil
	case "goto":
		return func(*exchange, string) verdict { return jump }, nil
	case "http", "httpdumb", "uwsgi":
		return k.pass(r)
	case "log":
		return func(_ *exchange, arg string) verdict { k.log.Info(arg); return next }, nil
	case "redirect", "redirect-302":
		return redirect(http.StatusFound), nil
	case "redirect-301", "redirect-permanent":
		return redirect(http.StatusMovedPermanently), nil
	case "rewrite":
		return rewrite(next), nil
	case "rewrite-last":
		return rewrite(last), nil
	case "send":
		return send, nil
	case "send-crnl":
		return func(x *exchange, arg string) verdict { return send(x, arg+"\r\n") }, nil
	case "setmethod":
		return setMethod, nil
	case "setpathinfo":
		return setPath, nil
	case "setscheme":
		return func(x *exchange, arg string) verdict { return addVar(x, "REQUEST_SCHEME="+arg) }, nil
	case "setuser":
		return func(x *exchange, arg string) verdict { x.user = arg; return next }, nil
	case "static":
		return k.static(r)
	}
	return nil, fmt.Errorf("unknown action %q", r.Action)
}

// safeHeader removes characters that a header cannot contain (RFC 9110, section 5.5), so that
// a client cannot add headers of its own by a reference to the request.
func safeHeader(line string) [2]string {
	return header(strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' || r == 0x7f {
			return -1
		}
		return r
	}, line))
}

func addVar(x *exchange, arg string) verdict {
	if x.vars == nil {
		x.vars = map[string]string{}
	}
	name, value, _ := strings.Cut(arg, "=")
	x.vars[name] = value
	return next
}

// answerBreak ends the request, with a status and a text if they are given. Without a status
// uWSGI closes the connection silently; this server sends an answer. uWSGI writes the text
// into the status line (core/routing.c), which HTTP/2 does not have and clients do not show:
// here it is the body.
func answerBreak(x *exchange, arg string) verdict {
	code, text, _ := strings.Cut(arg, " ")
	status, err := strconv.Atoi(code)
	if err != nil {
		status = http.StatusForbidden
	}
	switch text = strings.TrimSpace(text); {
	case x.result.status != 0: // a rule has sent something
	case !hasBody(status), text == "" && status == http.StatusOK:
		x.WriteHeader(status)
	case text == "":
		http.Error(x, strings.ToLower(http.StatusText(status)), status)
	default:
		http.Error(x, text, status)
	}
	return done
}

// answerStatus answers with a status and its name, as uWSGI's return and break-with-status do.
func answerStatus(x *exchange, arg string) verdict {
	code, _, _ := strings.Cut(arg, " ")
	status, err := strconv.Atoi(code)
	if err != nil {
		status = http.StatusInternalServerError
	}
	text := http.StatusText(status)
	x.Header().Set("Content-Type", "text/plain")
	if hasBody(status) {
		x.Header().Set("Content-Length", strconv.Itoa(len(text)))
	}
	x.WriteHeader(status)
	if hasBody(status) {
		_, _ = io.WriteString(x, text)
	}
	return done
}

// harakiri sets the time limit of this request, in place of request-timeout; 0: no limit.
func harakiri(x *exchange, arg string) verdict {
	seconds, _ := strconv.ParseUint(arg, 10, 31)
	x.within(time.Duration(seconds) * time.Second)
	return next
}

// send writes a part of the answer's body, which is complete after the rules.
func send(x *exchange, arg string) verdict {
	_, _ = io.WriteString(x, arg)
	return next
}

// setMethod changes the method of the request.
func setMethod(x *exchange, arg string) verdict {
	x.r = x.r.WithContext(x.r.Context())
	x.r.Method = arg
	return next
}

// expires sets the header from a file's time, a given time, or now.
func (k *kit) expires(r serving.Route) (action, error) {
	if _, err := serving.ParseExpires(r.Arg); err != nil {
		return nil, err
	}
	return func(x *exchange, arg string) verdict {
		e, err := serving.ParseExpires(arg)
		if err != nil {
			k.log.Warn("cannot set Expires", "rule", r.Origin, "error", err)
			return next
		}
		at := x.started
		if e.Filename != "" {
			info, err := os.Stat(e.Filename)
			if err != nil {
				return next
			}
			at = info.ModTime()
		} else if e.Unix != "" {
			seconds, _ := strconv.ParseInt(e.Unix, 10, 40)
			at = time.Unix(seconds, 0)
		}
		seconds, _ := strconv.ParseInt(e.Value, 10, 33)
		x.edits.adds = append(x.edits.adds, [2]string{"Expires", at.Add(time.Duration(seconds) * time.Second).UTC().Format(http.TimeFormat)})
		return next
	}, nil
}

// pass passes the request to another server: `http:ADDRESS[,HOST]` or `uwsgi:ADDRESS[,…]`.
func (k *kit) pass(r serving.Route) (action, error) {
	address, host, _ := strings.Cut(r.Arg, ",")
	p, err := newProxy(nil, k.trust, 0, k.log)
	if err != nil {
		return nil, err
	}
	if k.proxy == nil {
		k.proxy = p
	}
	p = k.proxy
	if !strings.Contains(address, "$") {
		if _, err := parseTarget(address); err != nil {
			return nil, err
		}
	}
	return func(x *exchange, arg string) verdict {
		address, named, _ := strings.Cut(arg, ",")
		t, err := parseTarget(address)
		if r.Action == "uwsgi" { // modifiers after the address name plugins, and are dropped
			t.protocol, named = "uwsgi", x.r.Host
		}
		if err != nil {
			k.log.Warn("cannot pass a request on", "rule", r.Origin, "error", err)
			x.refuse(http.StatusBadGateway)
			return done
		}
		if host != "" {
			x.r.Host = named
		}
		p.pass(x, t)
		return done
	}, nil
}

func redirect(status int) action {
	return func(x *exchange, arg string) verdict {
		x.Header().Set("Location", safePlace(arg))
		x.refuse(status)
		return done
	}
}

// safePlace percent-encodes characters that a URI cannot contain (RFC 3986): references are
// decoded, and browsers read a backslash as the start of another host's name.
func safePlace(place string) string {
	var b strings.Builder
	for i := range len(place) {
		_, odd := url.PathUnescape(place[i:min(i+3, len(place))])
		if c := place[i]; c <= ' ' || c >= 0x7f || strings.IndexByte("\"<>\\^`{|}", c) >= 0 || c == '%' && odd != nil {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// rewrite sets path and query.
func rewrite(then verdict) action {
	return func(x *exchange, arg string) verdict {
		to, query, _ := strings.Cut(arg, "?")
		setPath(x, to)
		x.r.URL.RawQuery = query
		return then
	}
}

func setPath(x *exchange, arg string) verdict {
	x.path = cleanPath(arg)
	u := url.URL{Path: x.path, RawQuery: x.r.URL.RawQuery}
	x.r = x.r.Clone(x.r.Context())
	x.r.URL.Path, x.r.URL.RawPath = u.Path, ""
	return next
}

// static answers with one file. The part of its path before the first reference is the
// directory that a client cannot leave; without that part it may only name files in the safe
// directories.
func (k *kit) static(r serving.Route) (action, error) {
	base, _, variable := strings.Cut(r.Arg, "$")
	if dir := path.Dir(base + "x"); variable && path.IsAbs(base) && dir != "/" {
		tree, err := openDirectory(dir, k.files.safe)
		if err != nil {
			return nil, wrap("static directory", dir, err)
		}
		k.trees = append(k.trees, tree)
		return func(x *exchange, arg string) verdict {
			rest, _ := strings.CutPrefix(arg, dir)
			return k.send(x, tree, strings.Trim(cleanPath(rest), "/"))
		}, nil
	}
	if variable {
		if len(k.files.safe) == 0 {
			return nil, fmt.Errorf("static needs a directory before its first reference, or static-safe, not %q", r.Arg)
		}
		return func(x *exchange, arg string) verdict {
			for _, tree := range k.files.safe {
				if rest, ok := below(cleanPath(arg), tree.path); ok {
					return k.send(x, tree, rest)
				}
			}
			return k.send(x, nil, "")
		}, nil
	}
	return func(x *exchange, arg string) verdict {
		tree, err := openDirectory(arg, k.files.safe)
		if err != nil {
			return k.send(x, nil, "")
		}
		defer tree.close()
		return k.send(x, tree, "")
	}, nil
}

func (k *kit) send(x *exchange, tree *directory, name string) verdict {
	if tree == nil || !k.files.serveFrom(x, tree, name) {
		x.refuse(http.StatusNotFound)
		return done
	}
	x.result.static = true
	return done
}
