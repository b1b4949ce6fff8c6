package webserver

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tg123/go-htpasswd"
	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/revision"
	"github.com/emperor-go/emperor/pkg/config/serving"
)

// maxProven limits the number of verified passwords that are remembered: verifying a password
// is slow by design.
const maxProven = 128

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
		list := &passwords{file: who}
		if err := list.refresh(); err != nil {
			return nil, err
		}
		check = func(u, p string) bool {
			if err := list.refresh(); err != nil {
				k.log.Error("cannot read the password file; all logins are denied", "rule", r.Origin, "error", err)
				return false
			}
			return list.match(u, p)
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

// passwords is a file of htpasswd, read again when it changes. Entries in plain text are
// ignored.
type passwords struct {
	file string

	mu     sync.Mutex
	list   *htpasswd.File
	read   revision.Revision // of list; zero: the next change may have the same revision
	sum    [sha256.Size]byte // of the content of list
	proven map[[sha256.Size]byte]bool
}

// schemes are the accepted formats of an entry.
var schemes = []htpasswd.PasswdParser{
	htpasswd.AcceptMd5, htpasswd.AcceptSha, htpasswd.AcceptSsha, htpasswd.AcceptBcrypt, htpasswd.AcceptCryptSha, htpasswd.RejectPlain,
}

func (p *passwords) refresh() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	f, err := os.Open(p.file)
	if err != nil {
		return wrap("password file", p.file, err)
	}
	defer f.Close()
	var about unix.Stat_t
	seen := time.Now()
	if err := unix.Fstat(int(f.Fd()), &about); err != nil {
		return wrap("password file", p.file, err)
	}
	now := revision.Of(&about)
	if now == p.read {
		return nil
	}
	text, err := io.ReadAll(f)
	if err != nil {
		return wrap("password file", p.file, err)
	}
	if err := p.parse(text); err != nil {
		return wrap("password file", p.file, err)
	}
	if p.read = now; !now.Settled(seen) {
		p.read = revision.Revision{}
	}
	return nil
}

// parse replaces the list by the content of the file, and forgets the verified passwords. The same
// content changes nothing.
func (p *passwords) parse(text []byte) error {
	sum := sha256.Sum256(text)
	if p.list != nil && sum == p.sum {
		return nil
	}
	var bad error
	list, err := htpasswd.NewFromReader(bytes.NewReader(text), schemes, func(err error) { bad = err })
	if err == nil && bad != nil {
		err = fmt.Errorf("an entry cannot be used: %w", bad)
	}
	if err != nil {
		return err
	}
	p.list, p.sum, p.proven = list, sum, map[[sha256.Size]byte]bool{}
	return nil
}

func (p *passwords) match(user, password string) bool {
	key := sha256.Sum256([]byte(user + "\x00" + password))
	p.mu.Lock()
	list, proven := p.list, p.proven[key]
	p.mu.Unlock()
	if proven {
		return true
	}
	if !list.Match(user, password) {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if list == p.list {
		if len(p.proven) >= maxProven {
			clear(p.proven)
		}
		p.proven[key] = true
	}
	return true
}
