package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/emperor-go/emperor/internal/accounts"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/emperor/control"
	"github.com/emperor-go/emperor/pkg/emperor/output"
)

// sight is what lets others see and ask the emperor. All of it can be missing: an
// emperor that cannot be seen works.
type sight struct {
	claim     *control.Claim // nil: no control socket
	output    *output.Hub
	chronicle *control.Chronicle
	log       *slog.Logger
}

// look claims the runtime directory for what the emperor becomes.
func look(o *config.Emperor, log *slog.Logger) (*sight, error) {
	s := &sight{output: &output.Hub{}, chronicle: &control.Chronicle{}, log: log}
	s.chronicle.Gone = s.output.Forget
	uid, gid, err := becoming(o)
	if err != nil {
		return nil, err
	}
	if s.claim, err = control.Take(o.RuntimeDir, uid, gid); err == nil {
		err = notifyDir(s.notify(), uid, gid)
	}
	var held control.HeldError
	switch {
	case errors.As(err, &held):
		log.Warn("there is no control socket, another emperor has it", "error", err)
	case err != nil:
		log.Warn("there is no control socket", "error", err)
	}
	return s, nil
}

// becoming is the user and group that the emperor will be.
func becoming(o *config.Emperor) (uid, gid int, err error) {
	uid, gid = os.Geteuid(), os.Getegid()
	if o.UID.Set {
		id, err := accounts.UID(o.UID)
		if err != nil {
			return 0, 0, err
		}
		uid = int(id)
	}
	if o.GID.Set {
		id, err := accounts.GID(o.GID)
		if err != nil {
			return 0, 0, err
		}
		gid = int(id)
	}
	return uid, gid, nil
}

// notify is the directory of the sockets on which vassals say how they are.
func (s *sight) notify() string {
	if s.claim == nil {
		return ""
	}
	return filepath.Join(s.claim.Dir, "notify")
}

// notifyDir makes that directory, through which everybody can go and nobody look.
func notifyDir(dir string, uid, gid int) error {
	if err := os.Mkdir(dir, 0o711); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return errors.Join(os.Chmod(dir, 0o711), os.Chown(dir, uid, gid))
}

// serve answers until ctx ends.
func (s *sight) serve(ctx context.Context, e *emperor.Emperor, o *config.Emperor, rescan func()) {
	go s.chronicle.Run(e.Follow())
	if s.claim == nil {
		return
	}
	server := &control.Server{
		Emperor: e, Output: s.output, Chronicle: s.chronicle, Rescan: rescan, Log: s.log,
		Info: control.Info{Version: config.Version, PID: os.Getpid(), Started: time.Now(), Monitors: o.Monitors},
	}
	go func() {
		if err := server.Run(ctx, s.claim); err != nil {
			s.log.Error("cannot be asked any more", "error", err)
		}
	}()
}

// close gives the runtime directory back.
func (s *sight) close() {
	if s.claim != nil {
		_ = os.Remove(s.notify())
		s.claim.Close()
	}
}

const (
	// logPending is how much of the log may wait for a slow reader.
	logPending = 4 << 20
	// logEnd is how long the end of the emperor waits for one.
	logEnd = time.Second
)

// logQueue keeps whoever reads the log from holding up the emperor.
func logQueue(w io.Writer, o *config.Emperor) *output.Queue {
	return output.NewQueue(w, logPending, func(lost int) []byte {
		var note bytes.Buffer
		slog.New(handler(&note, o)).Warn("lines of the log were lost: they could not be written in time", "lines", lost)
		return note.Bytes()
	})
}
