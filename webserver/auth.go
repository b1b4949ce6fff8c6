package webserver

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strconv"
	"strings"

	"github.com/emperor-go/emperor/internal/passwords"
	"github.com/emperor-go/emperor/pkg/config/serving"
)

// basicAuth requires a name and a password, from the rule or from a file of htpasswd. An empty
// list denies all requests.
func (k *kit) basicAuth(r serving.Route) (action, error) {
	realm, who, _ := strings.Cut(r.Arg, ",")
	check := func(_, _ string) bool { return false }
	if user, password, ok := strings.Cut(who, ":"); ok && !strings.HasPrefix(who, "/") {
		want := sha256.Sum256([]byte(user + ":" + password))
		check = func(u, p string) bool {
			got := sha256.Sum256([]byte(u + ":" + p))
			return subtle.ConstantTimeCompare(got[:], want[:]) == 1
		}
	} else if who != "" {
		list := &passwords.File{Path: who}
		if err := list.Refresh(); err != nil {
			return nil, wrap("password file", who, err)
		}
		check = func(u, p string) bool {
			if err := list.Refresh(); err != nil {
				k.log.Error("cannot read the password file; all logins are denied", "rule", r.Origin, "error", wrap("password file", who, err))
				return false
			}
			return list.Match(u, p)
		}
	}
	challenge := "Basic realm=" + strconv.Quote(realm)
	return func(x *exchange, _ string) verdict {
		if user, password, ok := x.r.BasicAuth(); ok && check(user, password) {
			x.user = user
			return next
		}
		if r.Action == "basicauth-next" {
			return next
		}
		x.Header().Set("WWW-Authenticate", challenge)
		x.refuse(http.StatusUnauthorized)
		return done
	}, nil
}
