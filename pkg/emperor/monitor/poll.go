package monitor

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// PollOptions configure a Poll.
type PollOptions struct {
	// Fetch returns all configurations that exist now. Name and Data are required; Path and
	// Dir have the values of a file in the root directory by default. Version is not used.
	// Fetch is called by one goroutine at a time, and ctx ends after Timeout. Required.
	Fetch func(ctx context.Context) ([]Config, error)
	// Interval is the pause between two calls. Zero: 5 s.
	Interval time.Duration
	// Timeout limits a call. Zero: 10 s.
	Timeout time.Duration
	// Log gets failures of Fetch, each once. Required.
	Log *slog.Logger
}

// Poll is a monitor of a source that does not report its changes, such as a web server or a
// database. It compares contents by their hash. Make it with NewPoll.
type Poll struct {
	name    string
	options PollOptions
	again   chan struct{}
}

const (
	pollInterval = 5 * time.Second
	pollTimeout  = 10 * time.Second
)

// NewPoll returns a monitor with a name for messages.
func NewPoll(name string, o PollOptions) *Poll {
	o.Interval, o.Timeout = cmp.Or(o.Interval, pollInterval), cmp.Or(o.Timeout, pollTimeout)
	return &Poll{name: name, options: o, again: make(chan struct{}, 1)}
}

// String returns the name given to NewPoll.
func (p *Poll) String() string { return p.name }

// Rescan fetches as soon as possible.
func (p *Poll) Rescan() {
	select {
	case p.again <- struct{}{}:
	default: // a request waits already
	}
}

// Run implements Monitor. A later failure of Fetch keeps the last set.
func (p *Poll) Run(ctx context.Context, report func(Set)) error {
	var last Set
	failure := ""
	ticker := time.NewTicker(p.options.Interval)
	defer ticker.Stop()
	for first := true; ; first = false {
		set, err := p.fetch(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && first:
			return err
		case err != nil:
			if failure != err.Error() {
				failure = err.Error()
				p.options.Log.Error("the vassals stay as they are", "error", err)
			}
		case failure != "":
			failure = ""
			p.options.Log.Info("can read the monitor again", "monitor", p.name)
			fallthrough
		default:
			if first || !slices.EqualFunc(last, set, same) {
				last = set
				report(slices.Clone(set))
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		case <-p.again:
		}
	}
}

// fetch returns a sorted set with versions.
func (p *Poll) fetch(ctx context.Context) (Set, error) {
	ctx, cancel := context.WithTimeout(ctx, p.options.Timeout)
	defer cancel()
	list, err := p.options.Fetch(ctx)
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", p.name, err)
	}
	set := slices.Clone(Set(list))
	for i := range set {
		if err := complete(&set[i]); err != nil {
			return nil, fmt.Errorf("cannot read %s: %w", p.name, err)
		}
	}
	slices.SortFunc(set, func(a, b Config) int { return strings.Compare(a.Name, b.Name) })
	for i := 1; i < len(set); i++ {
		if set[i].Name == set[i-1].Name {
			return nil, fmt.Errorf("cannot read %s: two vassals have the name %q", p.name, set[i].Name)
		}
	}
	return set, nil
}

// complete sets the fields of a fetched configuration that have defaults.
func complete(c *Config) error {
	if c.Name == "" || strings.ContainsRune(c.Name, 0) {
		return fmt.Errorf("no vassal can have the name %q", c.Name)
	}
	c.Dir = cmp.Or(c.Dir, "/")
	c.Path = cmp.Or(c.Path, filepath.Join(c.Dir, c.Name))
	if len(c.Data) > MaxConfig && c.Err == nil {
		c.Err = errTooLarge
	}
	if c.Version = (Version{Hash: sha256.Sum256(c.Data)}); c.Err != nil {
		c.Data, c.Version = nil, Version{}
	}
	return nil
}

var errTooLarge = errors.New("is larger than 1 MB")

// same reports whether no change between two configurations of one source should take effect.
func same(a, b Config) bool {
	return a.Name == b.Name && a.Path == b.Path && a.Dir == b.Dir && a.Version == b.Version && a.UID == b.UID && a.GID == b.GID &&
		(a.Err == nil) == (b.Err == nil) && (a.Err == nil || a.Err.Error() == b.Err.Error())
}
