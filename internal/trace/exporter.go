package trace

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/emperor-go/emperor/internal/version"
	"github.com/emperor-go/emperor/pkg/emperor"
)

const (
	// maxWaiting is how many traces may wait for the receiver. Further ones are dropped.
	maxWaiting = 256
	// patience is how long the receiver may take.
	patience = 5 * time.Second
	// complaint is the interval of warnings about a receiver that does not answer.
	complaint = time.Minute
)

// Exporter sends a trace of each launch to a receiver of OTLP.
type Exporter struct {
	// URL receives traces by POST, such as http://127.0.0.1:4318/v1/traces. Required.
	URL string
	// Log gets failures, one a minute at most. Required.
	Log *slog.Logger

	complained time.Time
	lost       int // traces, since the last complaint
}

// Run reads the transitions and notes of an emperor until there are no more, and sends the waiting ones then. It never
// delays the emperor: while the receiver does not answer traces are dropped.
func (x *Exporter) Run(transitions <-chan *emperor.Transition) {
	waiting, ended := make(chan []span, maxWaiting), make(chan struct{})
	go func() {
		defer close(ended)
		for spans := range waiting {
			x.send(spans, waiting)
		}
	}()
	var c collector
	dropped := 0
	for t := range transitions {
		spans := c.add(t)
		if spans == nil {
			continue
		}
		select {
		case waiting <- spans:
		default:
			dropped++
		}
	}
	close(waiting)
	<-ended
	if dropped > 0 {
		x.Log.Warn("traces were dropped: their receiver is too slow", "traces", dropped)
	}
}

// send sends a trace with the traces that wait already, and gives up after a failure.
func (x *Exporter) send(spans []span, waiting <-chan []span) {
	traces := 1
	for more := true; more && len(spans) < 1000; {
		select {
		case next, open := <-waiting:
			if more = open; open {
				spans, traces = append(spans, next...), traces+1
			}
		default:
			more = false
		}
	}
	err := x.post(spans)
	if err == nil {
		return
	}
	x.lost += traces
	if now := time.Now(); now.Sub(x.complained) >= complaint {
		x.Log.Warn("cannot send traces", "to", x.URL, "lost", x.lost, "error", err)
		x.complained, x.lost = now, 0
	}
}

// post makes the request of OTLP.
func (x *Exporter) post(spans []span) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	body, err := json.Marshal(requestOf(spans))
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, x.URL, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 1<<16)) // the connection is used again
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("the receiver answers %s", answer.Status)
	}
	return nil
}

// requestOf wraps spans as an ExportTraceServiceRequest.
func requestOf(spans []span) any {
	type scope struct {
		Name    string `json:"name"`
		Version string `json:"version"`
	}
	type scoped struct {
		Scope scope  `json:"scope"`
		Spans []span `json:"spans"`
	}
	type resource struct {
		Attributes []attribute `json:"attributes"`
	}
	type resourced struct {
		Resource resource `json:"resource"`
		Scoped   []scoped `json:"scopeSpans"`
	}
	host, _ := os.Hostname()
	return struct {
		Resources []resourced `json:"resourceSpans"`
	}{[]resourced{{
		resource{[]attribute{text("service.name", "emperor"), text("service.version", version.Number), text("host.name", host)}},
		[]scoped{{scope{"github.com/emperor-go/emperor", version.Number}, spans}},
	}}}
}
