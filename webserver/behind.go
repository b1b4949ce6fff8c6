package webserver

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/emperor-go/emperor/internal/uwsgiproto"
	"github.com/emperor-go/emperor/pkg/config/serving"
)

// heldPrefix begins the address of a socket that is reached by a descriptor of this process.
const heldPrefix = "/proc/self/fd/"

// behindOf returns the target for requests of a socket that no other source answers; nil:
// none.
func behindOf(b serving.Behind) (*target, error) {
	if b == (serving.Behind{}) {
		return nil, nil
	}
	if number, ok := strings.CutPrefix(b.Address, heldPrefix); ok {
		fd, err := strconv.Atoi(number)
		if err != nil {
			return nil, fmt.Errorf("cannot use descriptor %q: %w", number, err)
		}
		syscall.CloseOnExec(fd) // CGI programs must not inherit it
	}
	t, err := parseTarget(b.Address)
	t.protocol, t.own = b.Protocol, true
	return &t, err
}

// packetOf encodes the variables of a request: the frontend's own when its protocol has
// variables, otherwise the CGI variables (RFC 3875), as uWSGI's router does.
func packetOf(x *exchange, out *http.Request) ([]byte, error) {
	if out.ContentLength < 0 {
		return nil, errLength
	}
	vars := map[string]string{}
	for name, values := range out.Header {
		vars["HTTP_"+strings.ToUpper(strings.ReplaceAll(name, "-", "_"))] = strings.Join(values, ", ")
	}
	delete(vars, "HTTP_CONTENT_TYPE")
	delete(vars, "HTTP_CONTENT_LENGTH")
	delete(vars, "HTTP_PROXY") // programs would read it as a setting (CVE-2016-5385)
	for _, name := range cgiNames {
		vars[name] = x.variable(name)
	}
	vars["PATH_INFO"] = x.r.URL.Path // as the client has it
	for _, name := range []string{"HTTPS", "HTTP_HOST", "REMOTE_USER"} {
		if vars[name] == "" { // programs test whether it exists
			delete(vars, name)
		}
	}
	vars["SERVER_NAME"], vars["SERVER_PORT"], vars["SCRIPT_NAME"], vars["UWSGI_ROUTER"] = hostOf(x.r.Host), portOf(x.r), "", "http"
	for name, value := range x.proto.vars {
		if vars[name] == "" || !slices.Contains(cgiNames, name) { // rules may have changed these
			vars[name] = value
		}
	}
	for name, value := range x.vars {
		vars[name] = value
	}
	return uwsgiproto.VarsPacket(vars)
}

// hostOf returns a host without its port.
func hostOf(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return host
}

// portOf returns the port of a request, or the default port.
func portOf(r *http.Request) string {
	at, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if tcp, ok := at.(*net.TCPAddr); ok {
		return strconv.Itoa(tcp.Port)
	}
	if r.TLS != nil {
		return "443"
	}
	return "80"
}

// errLength is returned for a body of unknown length when the protocol needs the length first.
var errLength = errors.New("the body has no length")

// cgiNames are the variables that each request has.
var cgiNames = []string{
	"PATH_INFO", "REQUEST_URI", "QUERY_STRING", "REQUEST_METHOD", "SERVER_PROTOCOL", "HTTP_HOST", "REMOTE_ADDR", "REMOTE_PORT",
	"REMOTE_USER", "CONTENT_TYPE", "CONTENT_LENGTH", "HTTPS", "REQUEST_SCHEME",
}
