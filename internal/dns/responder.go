package dns

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/address"
	"github.com/emperor-go/emperor/internal/backoff"
)

// ProgramName is the responder's program, in the emperor's directory.
const ProgramName = "emperor-dns"

// User is the id that a responder of root becomes. Distributions leave it
// unused (systemd.io, "Users, Groups, UIDs and GIDs"), so that no process of a vassal has it: the
// user `nobody` often runs vassals.
const User = 60753

// port of the domain name system.
const port = 53

// Responder is the process that answers vassals, with its sockets and its table. The process has
// no rights. When it ends it is started again, and the sockets stay open meanwhile. Its methods
// may be called by many goroutines and do not wait for the process.
type Responder struct {
	program string
	setup   Setup
	log     *slog.Logger
	root    *os.File
	sockets []*os.File
	changed chan struct{} // has room for one: something waits in changes
	stop    chan struct{}
	done    chan struct{}

	mu      sync.Mutex
	vassals map[string]Vassal
	servers []netip.Addr
	changes map[string]bool // the vassals whose rows the process does not have yet
	moved   bool            // nor the servers
}

// Start binds the sockets at the gateways and starts the process. The emperor is in the network
// namespace of the host then. The caller closes the responder.
func Start(program string, setup Setup, servers []netip.Addr, root string, log *slog.Logger) (_ *Responder, err error) {
	r := &Responder{
		program: program, setup: setup, servers: servers, log: log,
		changed: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
		vassals: map[string]Vassal{}, changes: map[string]bool{},
	}
	defer func() {
		if err != nil {
			r.closeFiles()
		}
	}()
	if err := os.MkdirAll(root, 0o755); err != nil {
		return nil, fmt.Errorf("cannot make the root directory of %s: %w", ProgramName, err)
	}
	if r.root, err = os.Open(root); err != nil {
		return nil, fmt.Errorf("cannot open the root directory of %s: %w", ProgramName, err)
	}
	if err := r.bind(); err != nil {
		return nil, err
	}
	p, err := r.begin()
	if err != nil {
		return nil, err
	}
	go r.keep(p)
	return r, nil
}

// bind opens the sockets: for datagrams first, then the listening ones.
func (r *Responder) bind() error {
	for _, kind := range []int{unix.SOCK_DGRAM, unix.SOCK_STREAM} {
		for _, a := range r.setup.Gateways {
			s, err := socketAt(a, kind)
			if err != nil {
				hint := ""
				if errors.Is(err, unix.EADDRINUSE) {
					hint = " (another nameserver listens on all addresses: bind it to its own ones, or emperor-network-dns = off)"
				}
				return fmt.Errorf("cannot answer names at %s: %w%s", netip.AddrPortFrom(a, port), err, hint)
			}
			r.sockets = append(r.sockets, s)
		}
	}
	return nil
}

// backlog is the number of connections that wait for the responder.
const backlog = 64

// socketAt opens a socket of a kind. The responder makes it non-blocking.
func socketAt(a netip.Addr, kind int) (*os.File, error) {
	yes, to := true, netip.AddrPortFrom(a, port)
	if kind == unix.SOCK_STREAM {
		return address.Listen(to.String(), address.Options{Backlog: backlog, V6Only: &yes})
	}
	return address.Bind(to, kind, address.Options{V6Only: &yes})
}

// Set gives a vassal a row in the table, or changes it.
func (r *Responder) Set(v Vassal) {
	r.mu.Lock()
	r.vassals[v.Name], r.changes[v.Name] = v, true
	r.mu.Unlock()
	r.wake()
}

// Remove removes the row of a vassal.
func (r *Responder) Remove(vassal string) {
	r.mu.Lock()
	delete(r.vassals, vassal)
	r.changes[vassal] = true
	r.mu.Unlock()
	r.wake()
}

// SetServers changes the nameservers for other names.
func (r *Responder) SetServers(servers []netip.Addr) {
	r.mu.Lock()
	same := slices.Equal(r.servers, servers)
	r.servers, r.moved = slices.Clone(servers), r.moved || !same
	r.mu.Unlock()
	if !same {
		r.wake()
	}
}

func (r *Responder) wake() {
	select {
	case r.changed <- struct{}{}:
	default: // it will see this change too
	}
}

// Close ends the process and closes the sockets.
func (r *Responder) Close() {
	close(r.stop)
	<-r.done
	r.closeFiles()
}

func (r *Responder) closeFiles() {
	for _, f := range append(r.sockets, r.root) {
		if f != nil {
			f.Close()
		}
	}
}

// The pause before a responder that has ended is started again doubles with each failure in a
// row. A responder that has run for longer than longestPause has not failed in a row.
const (
	firstPause   = 100 * time.Millisecond
	longestPause = 30 * time.Second
)

// keep sends changes to the process, and starts it again when it ends, until Close.
func (r *Responder) keep(p *process) {
	defer close(r.done)
	pauses, began := backoff.Pauses{First: firstPause, Longest: longestPause}, time.Now()
	for {
		err := r.serve(p)
		p.end()
		if err == nil {
			return
		}
		if time.Since(began) > longestPause {
			pauses.Reset()
		}
		for {
			pause := pauses.Next()
			r.log.Error("the process that answers names has ended, and is started again", "program", ProgramName, "error", err, "in", pause)
			select {
			case <-r.stop:
				return
			case <-time.After(pause):
			}
			if p, err = r.begin(); err == nil {
				break
			}
		}
		began = time.Now()
	}
}

// serve sends changes to the process. It returns nil after Close, and an error when the process
// has ended or does not read.
func (r *Responder) serve(p *process) error {
	for {
		select {
		case <-r.stop:
			return nil
		case err := <-p.ended:
			return err
		case <-r.changed:
		}
		if err := p.send(r.pending()); err != nil {
			return err
		}
	}
}

// pending returns the messages that the process lacks.
func (r *Responder) pending() (list []Message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.moved {
		list = append(list, Message{Servers: new(slices.Clone(r.servers))})
	}
	for _, name := range slices.Sorted(maps.Keys(r.changes)) {
		if v, ok := r.vassals[name]; ok {
			list = append(list, Message{Set: &v})
		} else {
			list = append(list, Message{Remove: name})
		}
	}
	r.moved = false
	clear(r.changes)
	return list
}

// whole returns the messages for a new process.
func (r *Responder) whole() []Message {
	r.mu.Lock()
	for name := range r.vassals {
		r.changes[name] = true
	}
	r.moved = true
	r.mu.Unlock()
	return append([]Message{{Setup: &r.setup}}, r.pending()...)
}
