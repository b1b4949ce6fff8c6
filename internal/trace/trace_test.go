package trace

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/hooks"
)

// life returns the transitions and notes of a launch. At its end it is in the last state.
func life(begin time.Time, last emperor.State) (list []*emperor.Transition) {
	at := func(ms int) time.Time { return begin.Add(time.Duration(ms) * time.Millisecond) }
	r := emperor.Record{Name: "shop.ini"}
	r.Generation, r.Config = 3, "abc"
	add := func(ms int, from, to emperor.State, note *emperor.Note) {
		list = append(list, &emperor.Transition{Time: at(ms), From: from, To: to, Note: note, Record: r})
	}
	add(0, emperor.Settled, emperor.Queued, nil)
	add(10, emperor.Queued, emperor.Launching, nil)
	r.LaunchSteps = []emperor.LaunchStep{{Name: "clone", Began: at(12), Ended: at(15)}, {Name: "network", Began: at(15), Ended: at(30)}}
	r.Hooks = []emperor.HookRun{
		{Phase: hooks.AsEmperor, Index: 1, Hook: "exec: true", Result: "ok", Took: 0.005, Ended: at(38), Generation: 3},
		{Phase: hooks.AsRoot, Index: 1, Hook: "exec: old", Result: "ok", Took: 0.005, Ended: at(-500), Generation: 2},
	}
	add(40, emperor.Launching, emperor.Starting, nil)
	add(50, emperor.Starting, emperor.Starting, &emperor.Note{About: emperor.AboutBoot, Text: "interface eth0"})
	add(80, emperor.Starting, emperor.Starting, &emperor.Note{About: emperor.AboutBoot, Text: "its workers"})
	r.Hooks = append(r.Hooks, emperor.HookRun{Phase: hooks.AsRoot, Index: 2, Hook: "exec: exit 7", Result: "exit status 7", Took: 0.01, Ended: at(90), Generation: 3})
	r.ExitReason = "no certificate"
	add(100, emperor.Starting, last, nil)
	return list
}

// outline prints the spans of a trace as a tree, with their times in milliseconds.
func outline(t *testing.T, spans []span, begin time.Time) string {
	t.Helper()
	var b strings.Builder
	var below func(parent, indent string)
	below = func(parent, indent string) {
		for _, s := range spans {
			if s.ParentID != parent {
				continue
			}
			ms := func(text string) string {
				n, err := strconv.ParseInt(text, 10, 64)
				if err != nil {
					t.Fatal(err)
				}
				return strconv.FormatInt((n-begin.UnixNano())/1e6, 10)
			}
			b.WriteString(indent + s.Name + " " + ms(s.Begin) + "-" + ms(s.End))
			if s.Status != nil {
				b.WriteString(" " + s.Status.Message)
			}
			b.WriteString("\n")
			if s.TraceID != spans[0].TraceID || len(s.TraceID) != 32 || len(s.SpanID) != 16 {
				t.Errorf("%s has the ids %q and %q", s.Name, s.TraceID, s.SpanID)
			}
			below(s.SpanID, indent+"  ")
		}
	}
	below("", "")
	return b.String()
}

const parts = `  queue 0-10
  launch 10-40
    clone 12-15
    network 15-30
    hook as-emperor 33-38
  boot 40-100
    interface eth0 50-80
    its workers 80-100
    hook as-root 80-90 exit status 7
`

// A launch has one trace, at its end; the hooks of other generations are not in it.
func TestTraceOfALaunch(t *testing.T) {
	begin := time.Now()
	for last, want := range map[emperor.State]string{
		emperor.Running:  "start of shop.ini 0-100\n" + parts,
		emperor.Clearing: "start of shop.ini 0-100 no certificate\n" + parts,
	} {
		var c collector
		var spans []span
		for i, e := range life(begin, last) {
			if spans != nil {
				t.Errorf("there is a trace before transition %d", i)
			}
			spans = c.add(e)
		}
		if got := outline(t, spans, begin); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", last, got, want)
		}
		if len(c.launches) != 0 {
			t.Errorf("%s: the launch is remembered", last)
		}
		if end := c.add(&emperor.Transition{Time: begin, From: emperor.Running, To: emperor.Clearing, Record: emperor.Record{Name: "shop.ini"}}); end != nil {
			t.Error("the end of a vassal is a launch")
		}
	}
	var c collector
	c.add(&emperor.Transition{Time: begin, To: emperor.Queued, Record: emperor.Record{Name: "a"}})
	c.add(&emperor.Transition{Time: begin, From: emperor.Queued, To: emperor.Launching, Record: emperor.Record{Name: "a"}})
	r := emperor.Record{Name: "a"}
	r.LaunchError = "no such user"
	failed := c.add(&emperor.Transition{Time: begin, From: emperor.Launching, To: emperor.Settled, Record: r})
	if got := outline(t, failed, begin); got != "start of a 0-0 no such user\n  queue 0-0\n  launch 0-0\n" {
		t.Errorf("a failed launch:\n%s", got)
	}
}

// A receiver gets JSON in the form of OTLP.
func TestSending(t *testing.T) {
	var mu sync.Mutex
	var bodies [][]byte
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		body, _ := io.ReadAll(r.Body)
		if r.Method != http.MethodPost || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s %s", r.Method, r.URL, r.Header)
		}
		bodies = append(bodies, body)
		_, _ = w.Write([]byte("{}"))
	}))
	defer server.Close()
	x := &Exporter{URL: server.URL + "/v1/traces", Log: slog.New(slog.DiscardHandler)}
	feed := make(chan *emperor.Transition, 100)
	for _, e := range life(time.Now(), emperor.Running) {
		feed <- e
	}
	close(feed)
	x.Run(feed)
	if len(bodies) != 1 {
		t.Fatalf("%d requests", len(bodies))
	}
	var got struct {
		ResourceSpans []struct {
			Resource   struct{ Attributes []attribute }
			ScopeSpans []struct{ Spans []span }
		}
	}
	if err := json.Unmarshal(bodies[0], &got); err != nil {
		t.Fatal(err)
	}
	if r := got.ResourceSpans[0]; r.Resource.Attributes[0].Value.Text != "emperor" || len(r.ScopeSpans[0].Spans) != 10 {
		t.Errorf("%s", bodies[0])
	}
}

// A receiver that does not answer delays nothing; the log gets one warning a minute.
func TestNoReceiver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		x := &Exporter{URL: "http://127.0.0.1:1/v1/traces", Log: slog.New(slog.NewTextHandler(&log, nil))}
		waiting := make(chan []span)
		close(waiting)
		for range 3 {
			x.send([]span{{}}, waiting)
		}
		time.Sleep(complaint)
		x.send([]span{{}}, waiting)
		if n := strings.Count(log.String(), "cannot send traces"); n != 2 || !strings.Contains(log.String(), "lost=3") {
			t.Errorf("%d warnings:\n%s", n, log.String())
		}
	})
}
