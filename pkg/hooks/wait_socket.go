package hooks

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/emperor-go/emperor/internal/address"
	"github.com/emperor-go/emperor/internal/assist"
	"github.com/emperor-go/emperor/internal/plainhttp"
)

const (
	// dialTime limits one attempt to connect.
	dialTime = time.Second
	// answerTime limits one request to a server, and one look-up.
	answerTime = 5 * time.Second
	// nameStep is the time between two look-ups of one name.
	nameStep = time.Second
)

func waitSocket(ctx context.Context, s *scene, text string) error {
	to, err := s.target(text)
	if err != nil {
		return err
	}
	return until(ctx, text, func() (bool, error) {
		c := to.dial(ctx, dialTime)
		if c != nil {
			c.Close()
		}
		return c != nil, nil
	})
}

// parseWaitHTTP parses HOST:PORT/PATH or @ABSTRACT/PATH, with or without http://.
func parseWaitHTTP(arg string) (action, error) {
	host, path, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(arg, "http:"), "//"), "/")
	if host == "" {
		return nil, mistake("such as 127.0.0.1:80/", "%q has no address", arg)
	}
	host = address.Authority(host, 80)
	return func(ctx context.Context, s *scene) error {
		to, err := s.target(host)
		if err != nil {
			return err
		}
		return until(ctx, arg, func() (bool, error) { return to.answers(ctx, host, "/"+path), nil })
	}, nil
}

// target is the address for which a hook waits.
type target struct {
	address.Address
	unclear bool          // it is no address, to which nothing connects
	lookup  assist.Lookup // nil: the host is a number, or the address a path
	found   []netip.Addr  // by the last look-up
	asked   time.Time     // when it began
}

// target returns the target at a written address. In a visitor a host is a number afterwards: look-ups
// use other threads or programs, which are still in the original namespaces, with all rights.
func (s *scene) target(text string) (*target, error) {
	to, err := address.Parse(text)
	if err != nil {
		return &target{unclear: true}, nil //nolint:nilerr // nothing that can be reached
	}
	t := &target{Address: to}
	if _, err := netip.ParseAddr(to.Host); s.lookup != nil && !s.joined && to.Path == "" && to.Host != "" && to.Host != "*" && err != nil {
		t.lookup = s.lookup
		return t, nil
	}
	if t.Address, err = to.Numeric(); err != nil {
		return nil, fmt.Errorf("%w: names are not looked up here", err)
	}
	return t, nil
}

// dial connects to the first address that accepts; nil: none does.
func (t *target) dial(ctx context.Context, patience time.Duration) *os.File {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if t.unclear {
		return nil
	}
	if t.lookup == nil {
		c, _ := address.Dial(ctx, t.Dialed())
		return c
	}
	for _, ip := range t.addresses(ctx) {
		to := t.Address
		to.Host = ip.String()
		if c, err := address.Dial(ctx, to.String()); err == nil {
			return c
		}
	}
	return nil
}

// addresses returns the addresses of the host. It asks again from time to time: a name server may be what
// is not ready yet.
func (t *target) addresses(ctx context.Context) []netip.Addr {
	if now := time.Now(); t.asked.IsZero() || now.Sub(t.asked) >= nameStep {
		t.asked = now
		t.found, _ = t.lookup(ctx, "ip", t.Host)
	}
	return t.found
}

// answers reports whether a server answers for a path of a host with a page or a redirect.
func (t *target) answers(ctx context.Context, host, path string) bool {
	c := t.dial(ctx, answerTime)
	if c == nil {
		return false
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(answerTime)); err != nil {
		return false
	}
	return plainhttp.Get(c, host, path) == nil
}
