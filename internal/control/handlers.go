package control

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/eventlog"
	"github.com/emperor-go/emperor/internal/suggest"
	"github.com/emperor-go/emperor/internal/vassalname"
	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// records returns recent records of all vassals.
func (s *Server) records(ctx context.Context) ([]emperor.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.taken) < stale {
		return s.last, nil
	}
	records, err := s.Emperor.Records(ctx)
	if err != nil {
		return nil, err
	}
	s.last, s.taken = records, time.Now()
	return records, nil
}

// changed makes the next list a new one.
func (s *Server) changed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken = time.Time{}
}

// visible returns recent records of the vassals that a client sees.
func (s *Server) visible(ctx context.Context) ([]emperor.Record, error) {
	records, err := s.records(ctx)
	c := rightsOf(ctx)
	if err != nil || c.All >= Read {
		return records, err
	}
	return slices.DeleteFunc(slices.Clone(records), func(r emperor.Record) bool { return !c.sees(r) }), nil
}

// About describes the emperor.
func (s *Server) About(ctx context.Context) (Info, error) { return s.about(trustedly(ctx)) }

func (s *Server) about(ctx context.Context) (Info, error) {
	records, err := s.visible(ctx)
	if err != nil {
		return Info{}, err
	}
	info := s.Info
	info.Vassals = map[emperor.State]int{}
	for _, r := range records {
		info.Vassals[r.State]++
	}
	if s.Failures != nil {
		info.Failures = s.Failures()
	}
	return info, nil
}

// All returns all vassals by name. The result may be a tenth of a second old, and never is nil.
func (s *Server) All(ctx context.Context) ([]Vassal, error) { return s.all(trustedly(ctx)) }

func (s *Server) all(ctx context.Context) ([]Vassal, error) {
	each, n, err := s.each(ctx)
	if err != nil {
		return nil, err
	}
	list := make([]Vassal, n)
	for i := range list {
		list[i] = each(i)
	}
	return list, nil
}

// each returns the number of vassals, and a function that returns one of them.
func (s *Server) each(ctx context.Context) (vassal func(i int) Vassal, n int, err error) {
	records, err := s.visible(ctx)
	if err != nil {
		return nil, 0, err
	}
	pids := make([]int, len(records))
	for i := range records {
		pids[i] = records[i].PID
	}
	measured := s.Meter.Each(pids)
	return func(i int) Vassal { return s.vassal(records[i], measured[i]) }, len(records), nil
}

// find returns the record of a vassal, by its name with or without .ini. It asks the loop
// again when the recent list does not have the vassal, or has no process for it.
func (s *Server) find(ctx context.Context, name string) (emperor.Record, error) {
	for again := true; ; again = false {
		records, err := s.visible(ctx)
		if err != nil {
			return emperor.Record{}, err
		}
		i := -1
		vassalname.Resolve(name, func(n string) bool {
			i = slices.IndexFunc(records, func(r emperor.Record) bool { return r.Name == n })
			return i >= 0
		})
		if i >= 0 && (!again || records[i].PID != 0) {
			return records[i], nil
		}
		if again {
			s.changed()
			continue
		}
		names := make([]string, len(records))
		for i, r := range records {
			names[i] = r.Name
		}
		return emperor.Record{}, &Error{Message: fmt.Sprintf("there is no vassal %q", name), Near: Similar(name, names), Code: http.StatusNotFound}
	}
}

// Similar returns names that the operator may have meant: names that contain the text, and names
// that differ in one or two letters.
func Similar(name string, names []string) (found []string) {
	name = vassalname.Stem(name)
	for away := range max(1, suggest.Limit(name)) + 1 {
		for _, n := range names {
			stem := vassalname.Stem(n)
			d := suggest.Distance(name, stem)
			if strings.Contains(stem, name) {
				d = min(d, 1)
			}
			if d == away && len(found) < suggest.Most {
				found = append(found, n)
			}
		}
	}
	return found
}

// Status returns all information about a vassal, with its last lines of output. The error about an unknown
// name is an Error.
func (s *Server) Status(ctx context.Context, name string, lines int) (Status, error) {
	return s.statusOf(trustedly(ctx), name, lines)
}

func (s *Server) statusOf(ctx context.Context, name string, lines int) (Status, error) {
	record, err := s.find(ctx, name)
	if err != nil {
		return Status{}, err
	}
	record.Network = s.attachment(record)
	rights := rightsOf(ctx)
	st := Status{
		Vassal: s.vassal(record, s.Meter.Of(record.PID)), Lines: rights.lines(s.Output.Of(record.Name).Last(lines)),
		Exits: slices.DeleteFunc(s.Events.Exits(record.Name), func(x eventlog.Exit) bool { return !rights.may(Read, x.Owner) }),
	}
	if record.PID != 0 {
		st.Namespaces, st.Links, st.Cgroup = namespacesOf(record.PID), linksOf(record.PID), namespaces.CgroupDirOf(record.PID)
	}
	return st, nil
}

func (s *Server) verb(r *http.Request, verb emperor.Verb, right Right) (any, error) {
	wait, leave, err := s.waits(r)
	if err != nil {
		return nil, err
	}
	defer leave()
	record, err := s.find(r.Context(), r.PathValue("name"))
	if err != nil {
		return nil, err
	}
	c := rightsOf(r.Context())
	if !c.may(right, record.UID) {
		return nil, errRight(r)
	}
	defer s.changed()
	permits := func(now emperor.Record) bool { return c.may(right, now.UID) } // the vassal may be another one by then
	if wait {
		return s.await(r.Context(), record.Name, verb, permits)
	}
	now, err := s.Emperor.Do(r.Context(), record.Name, verb, permits)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", record.Name, err)
	}
	return Answer{Name: record.Name, Vassal: now}, nil
}

func flag(r *http.Request, name string) (bool, error) {
	text := r.URL.Query().Get(name)
	switch {
	case !r.URL.Query().Has(name):
		return false, nil
	case text == "":
		return true, nil
	}
	on, err := strconv.ParseBool(text)
	if err != nil {
		return false, &Error{Message: fmt.Sprintf("%s=%s: neither true nor false", name, text), Code: http.StatusBadRequest}
	}
	return on, nil
}

func (s *Server) resetAll(r *http.Request) (any, error) {
	defer s.changed()
	return struct{}{}, s.Emperor.DoAll(r.Context(), emperor.ForgiveAll)
}

func (s *Server) rescan(*http.Request) (any, error) {
	defer s.changed()
	s.Rescan()
	return struct{}{}, nil
}

// Reopened is the answer to reopen-logs.
type Reopened struct {
	Files int    `json:"files"`
	Error string `json:"error,omitempty"`
}

func (s *Server) reopen(*http.Request) (any, error) {
	files, err := s.Output.Reopen()
	if err != nil {
		return Reopened{files, err.Error()}, nil
	}
	return Reopened{Files: files}, nil
}

// kill sends a signal to exactly the vassal's first process: the loop confirms the pid before
// and after the pidfd is opened.
func (s *Server) kill(r *http.Request) (any, error) {
	sig, err := signal(r.URL.Query().Get("signal"))
	if err != nil {
		return nil, &Error{Message: err.Error(), Code: http.StatusBadRequest}
	}
	record, err := s.find(r.Context(), r.PathValue("name"))
	if err != nil {
		return nil, err
	}
	fd, record, err := Hold(record, func() (emperor.Record, error) {
		s.changed()
		return s.find(r.Context(), record.Name)
	})
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	s.Log.Info("operator: kill", "vassal", record.Name, "signal", sig.String())
	if err := unix.PidfdSendSignal(fd, sig, nil, 0); err != nil {
		return nil, fmt.Errorf("cannot signal process %d: %w", record.PID, err)
	}
	s.Events.Add(emperor.AboutOperator, record, "kill --signal "+cmp.Or(unix.SignalName(sig), strconv.Itoa(int(sig))))
	return Answer{Name: record.Name, Done: true, Vassal: record}, nil
}

// Hold opens a pidfd of a vassal's first process. again returns its record a second time: a
// pid that is still the vassal's then was the vassal's all the time.
func Hold(record emperor.Record, again func() (emperor.Record, error)) (pidfd int, now emperor.Record, err error) {
	if record.PID == 0 {
		return -1, record, fmt.Errorf("%q has no process: it is %s", record.Name, record.State)
	}
	pidfd, err = unix.PidfdOpen(record.PID, 0)
	if errors.Is(err, unix.ESRCH) {
		return -1, record, fmt.Errorf("%q has just ended: try again", record.Name)
	}
	if err != nil {
		return -1, record, fmt.Errorf("cannot hold process %d: %w", record.PID, err)
	}
	now, err = again()
	if err == nil && (now.PID != record.PID || now.Generation != record.Generation) {
		err = fmt.Errorf("%q has just got another process: try again", record.Name)
	}
	if err != nil {
		unix.Close(pidfd)
		return -1, now, err
	}
	return pidfd, now, nil
}

// Signals returns the names of all signals, without SIG.
func Signals() (names []string) {
	for n := syscall.Signal(1); n < 65; n++ {
		if name, ok := strings.CutPrefix(unix.SignalName(n), "SIG"); ok {
			names = append(names, name)
		}
	}
	return names
}

// signal parses the signal of a request; the default is TERM.
func signal(text string) (syscall.Signal, error) {
	if text == "" {
		return syscall.SIGTERM, nil
	}
	if s, ok := namespaces.ParseSignal(text); ok && s != 0 {
		return s, nil
	}
	return 0, fmt.Errorf("%q is no signal (such as TERM or 15)", text)
}
