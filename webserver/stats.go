package webserver

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

// The structure of uWSGI's statistics, with the values that exist here.
type (
	statistics struct {
		Version string        `json:"version"`
		Queue   uint32        `json:"listen_queue"`
		Errors  int           `json:"listen_queue_errors"`
		Signals int           `json:"signal_queue"`
		Load    uint32        `json:"load"`
		PID     int           `json:"pid"`
		UID     int           `json:"uid"`
		GID     int           `json:"gid"`
		Cwd     string        `json:"cwd"`
		Locks   []struct{}    `json:"locks"`
		Sockets []socketStats `json:"sockets"`
		Workers []workerStats `json:"workers"`
	}
	socketStats struct {
		Name    string `json:"name"`
		Proto   string `json:"proto"`
		Queue   uint32 `json:"queue"`
		Max     uint32 `json:"max_queue"`
		Shared  int    `json:"shared"`
		Offload int    `json:"can_offload"`
	}
	workerStats struct {
		ID         int         `json:"id"`
		PID        int         `json:"pid"`
		Accepting  int         `json:"accepting"`
		Requests   int64       `json:"requests"`
		Delta      int64       `json:"delta_requests"`
		Exceptions int64       `json:"exceptions"`
		Harakiri   int64       `json:"harakiri_count"`
		Signals    int         `json:"signals"`
		Queue      int         `json:"signal_queue"`
		Status     string      `json:"status"`
		RSS        int64       `json:"rss"`
		VSZ        int64       `json:"vsz"`
		Running    int64       `json:"running_time"`
		LastSpawn  int64       `json:"last_spawn"`
		Respawns   int         `json:"respawn_count"`
		Sent       int64       `json:"tx"`
		Average    int64       `json:"avg_rt"`
		Apps       []struct{}  `json:"apps"`
		Cores      []coreStats `json:"cores"`
	}
	coreStats struct {
		ID        int        `json:"id"`
		Requests  int64      `json:"requests"`
		Static    int64      `json:"static_requests"`
		Routed    int64      `json:"routed_requests"`
		Offloaded int64      `json:"offloaded_requests"`
		WriteErrs int64      `json:"write_errors"`
		ReadErrs  int64      `json:"read_errors"`
		InRequest int64      `json:"in_request"`
		Vars      []struct{} `json:"vars"`
	}
)

// snapshot returns the current values of all servers of the vassal.
func (s *server) snapshot() statistics {
	cwd, _ := os.Getwd()
	st := statistics{
		Version: "vassal", PID: master(), UID: os.Getuid(), GID: os.Getgid(), Cwd: cwd, Locks: []struct{}{}, Workers: []workerStats{},
	}
	for _, socket := range s.config.Sockets {
		if socket.Name == "stats" {
			continue
		}
		waiting, most := queue(socket.Listener)
		st.Queue += waiting
		st.Sockets = append(st.Sockets, socketStats{
			Name: socket.Listener.Addr().String(), Proto: strings.TrimSuffix(socket.Name, "-socket"),
			Queue: waiting, Max: most,
		})
	}
	st.Load = st.Queue
	for i := range s.shared {
		if t := &s.shared[i]; t.pid.Load() != 0 && lives(t.pid.Load()) {
			st.Workers = append(st.Workers, t.worker(i+1))
		}
	}
	return st
}

// master returns the pid of the vassal's first process: the parent of this one, or this one when no other
// process of its pid namespace is.
func master() int {
	if parent := os.Getppid(); parent > 0 {
		return parent
	}
	return os.Getpid()
}

// serveStats sends the statistics to every client that connects and closes the connection, as
// uWSGI does.
func (s *server) serveStats(l *listener) error {
	return acceptAll(l, func(c *conn) {
		defer c.Close()
		text, err := json.MarshalIndent(s.snapshot(), "", "\t")
		if s.config.Options.StatsMinified {
			text, err = json.Marshal(s.snapshot())
		}
		if err != nil {
			s.config.Log.Error("cannot send statistics", "error", err)
			return
		}
		if s.config.Options.StatsHTTP {
			head := fmt.Sprintf("HTTP/1.0 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", len(text))
			text = append([]byte(head), text...)
		}
		_, _ = c.Write(text)
	})
}
