package webserver

import (
	"cmp"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// variable returns a variable of a rule, a CGI variable of the request, or an additional
// variable of the frontend. A missing variable is empty.
func (x *exchange) variable(name string) string {
	if v, ok := x.vars[name]; ok {
		return v
	}
	if v := x.standard(name); v != "" {
		return v
	}
	return x.proto.vars[name]
}

// standard returns a CGI variable of the request.
func (x *exchange) standard(name string) string {
	r := x.r
	switch name {
	case "PATH_INFO":
		return x.path
	case "REQUEST_URI":
		return r.RequestURI
	case "QUERY_STRING":
		return r.URL.RawQuery
	case "REQUEST_METHOD":
		return r.Method
	case "SERVER_PROTOCOL":
		return r.Proto
	case "SERVER_NAME":
		return cmp.Or(x.proto.vars[name], r.Host)
	case "HTTP_HOST":
		return r.Host
	case "REMOTE_USER":
		return x.user
	case "REMOTE_ADDR", "REMOTE_PORT":
		host, port, err := net.SplitHostPort(r.RemoteAddr)
		switch {
		case err != nil:
			return ""
		case name == "REMOTE_PORT":
			return port
		}
		return host
	case "CONTENT_TYPE":
		return r.Header.Get("Content-Type")
	case "CONTENT_LENGTH":
		if r.ContentLength > 0 {
			return strconv.FormatInt(r.ContentLength, 10)
		}
		return ""
	case "HTTPS":
		if r.TLS != nil {
			return "on"
		}
		return ""
	case "REQUEST_SCHEME", "UWSGI_SCHEME":
		if r.TLS != nil {
			return "https"
		}
		return "http"
	}
	if header, ok := strings.CutPrefix(name, "HTTP_"); ok {
		return r.Header.Get(strings.ReplaceAll(header, "_", "-"))
	}
	return ""
}

// references are $1 to $9 and $0, the groups of the rule's regular expression, and ${NAME},
// ${qs[x]}, ${cookie[x]}, ${httptime[seconds]}.
var references = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`\$(?:([0-9])|\{([A-Za-z_][A-Za-z0-9_]*)(?:\[([^\]]*)\])?\})`)
})

// resolve replaces the references in a text. groups come from a match of the subject; without
// a match they are empty.
func (x *exchange) resolve(text string, groups []string) string {
	if !strings.Contains(text, "$") {
		return text
	}
	return references().ReplaceAllStringFunc(text, func(ref string) string {
		m := references().FindStringSubmatch(ref)
		if m[1] != "" {
			if i := int(m[1][0] - '0'); i < len(groups) {
				return groups[i]
			}
			return ""
		}
		return x.reference(m[2], m[3])
	})
}

func (x *exchange) reference(name, key string) string {
	switch name {
	case "qs":
		return x.r.URL.Query().Get(key)
	case "cookie":
		if c, err := x.r.Cookie(key); err == nil {
			return c.Value
		}
		return ""
	case "httptime":
		seconds, _ := strconv.ParseInt(key, 10, 40)
		return x.started.Add(time.Duration(seconds) * time.Second).UTC().Format(http.TimeFormat)
	}
	return x.variable(name)
}
