package control

import (
	"context"
	"encoding/json"
	"maps"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/emperor-go/emperor/pkg/emperor"
)

// uwsgiStats are the statistics of uWSGI's Emperor, in its order (uWSGI core/emperor.c,
// emperor_stats): times in seconds since the epoch, zero for never.
type uwsgiStats struct {
	Version       string           `json:"version"`
	PID           int              `json:"pid"`
	UID           int              `json:"uid"`
	GID           int              `json:"gid"`
	CWD           string           `json:"cwd"`
	Emperor       []string         `json:"emperor"`
	EmperorTyrant int              `json:"emperor_tyrant"`
	ThrottleLevel int64            `json:"throttle_level"`
	Vassals       []uwsgiVassal    `json:"vassals"`
	Blacklist     []uwsgiBlacklist `json:"blacklist"`
}

type uwsgiVassal struct {
	ID            string   `json:"id"`
	PID           int      `json:"pid"`
	Born          int64    `json:"born"`
	LastMod       int64    `json:"last_mod"`
	LastHeartbeat int64    `json:"last_heartbeat"`
	Loyal         int      `json:"loyal"`
	Ready         int      `json:"ready"`
	Accepting     int      `json:"accepting"`
	LastLoyal     int64    `json:"last_loyal"`
	LastReady     int64    `json:"last_ready"`
	LastAccepting int64    `json:"last_accepting"`
	FirstRun      int64    `json:"first_run"`
	LastRun       int64    `json:"last_run"`
	Cursed        int64    `json:"cursed"`
	Zerg          int      `json:"zerg"`
	OnDemand      string   `json:"on_demand"`
	Suspended     int      `json:"suspended"`
	Adopted       int      `json:"adopted"`
	UID           uint32   `json:"uid"`
	GID           uint32   `json:"gid"`
	Monitor       string   `json:"monitor"`
	Attrs         []string `json:"attrs"`
	Respawns      int      `json:"respawns"`
}

type uwsgiBlacklist struct {
	ID            string `json:"id"`
	ThrottleLevel int64  `json:"throttle_level"` // milliseconds
	Attempt       int    `json:"attempt"`
	FirstAttempt  int64  `json:"first_attempt"`
	LastAttempt   int64  `json:"last_attempt"`
}

// uwsgi converts records to uWSGI's format.
func (s *Server) uwsgi(records []emperor.Record) uwsgiStats {
	cwd, _ := os.Getwd()
	stats := uwsgiStats{
		Version: s.Info.Version, PID: s.Info.PID, UID: os.Getuid(), GID: os.Getgid(), CWD: cwd, Emperor: s.Info.Monitors, EmperorTyrant: one(s.Tyrant),
		Vassals: []uwsgiVassal{}, Blacklist: []uwsgiBlacklist{},
	}
	for _, r := range records {
		v := uwsgiVassal{
			ID: r.Name, PID: r.PID, Born: epoch(r.FirstRun), LastMod: epoch(r.Modified), LastHeartbeat: epoch(r.Heartbeat),
			Loyal: one(!r.Loyal.IsZero()), Ready: one(!r.Ready.IsZero()), Accepting: one(!r.Accepting.IsZero()), LastLoyal: epoch(r.LastLoyal),
			LastReady: epoch(r.Ready), LastAccepting: epoch(r.LastAccepting), FirstRun: epoch(r.FirstRun), LastRun: epoch(r.LastRun),
			Zerg: one(r.Parent != ""), Suspended: one(r.Desired == emperor.Held), UID: r.UID, GID: r.GID, Monitor: r.Monitor,
			Attrs: []string{}, Respawns: max(0, r.Launches-1), OnDemand: r.Address,
		}
		if r.PID == 0 {
			v.PID = -1
		}
		if r.State == emperor.Cursed {
			v.Cursed = epoch(r.Since)
		}
		for _, key := range slices.Sorted(maps.Keys(r.Attributes)) {
			v.Attrs = append(v.Attrs, key+"="+r.Attributes[key])
		}
		stats.Vassals = append(stats.Vassals, v)
		if r.Failures > 0 {
			b := uwsgiBlacklist{ID: r.Name, Attempt: r.Failures, FirstAttempt: epoch(r.FirstRun), LastAttempt: epoch(r.LastRun)}
			if r.State == emperor.BackingOff {
				b.ThrottleLevel = r.PauseUntil.Sub(r.Since).Milliseconds()
			}
			stats.Blacklist = append(stats.Blacklist, b)
		}
	}
	return stats
}

func epoch(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

func one(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// ServeStats sends statistics in uWSGI's format to every client of l, and closes the
// connection, until ctx ends. It closes l.
func (s *Server) ServeStats(ctx context.Context, l net.Listener) error {
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	l = newLimited(l)
	var answers sync.WaitGroup
	defer answers.Wait()
	for {
		c, err := l.Accept()
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		}
		answers.Go(func() {
			defer c.Close()
			defer context.AfterFunc(ctx, func() { c.Close() })()
			_ = c.SetDeadline(time.Now().Add(slowest))
			records, err := s.records(ctx)
			if err == nil {
				e := json.NewEncoder(c)
				e.SetEscapeHTML(false)
				e.SetIndent("", "\t")
				_ = e.Encode(s.uwsgi(records))
			}
		})
	}
}
