package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/template"

	"github.com/emperor-go/emperor/internal/eventlog"
	"github.com/emperor-go/emperor/internal/readable"
	"github.com/emperor-go/emperor/pkg/emperor"
)

// eventFormat is the template of the lines of events (text/template). The zero value gives the lines for people.
type eventFormat struct {
	source string
	parsed *template.Template
}

// choose parses the template, and tries it with an event, so that a field that it misspells is an error before the
// first event.
func (f *eventFormat) choose(o *operator) (err error) {
	if f.source == "" {
		return nil
	}
	if o.asJSON {
		return exitError{errors.New("events: give either --format or JSON"), ExitUsage}
	}
	if f.parsed, err = template.New("--format").Parse(f.source); err == nil {
		err = f.parsed.Execute(io.Discard, eventlog.Event{})
	}
	if err != nil {
		return exitError{fmt.Errorf("events: %w", err), ExitUsage}
	}
	return nil
}

// text returns the line of an event. Texts of tenants have no control characters in it, so that none makes a line of
// its own.
func (f *eventFormat) text(line json.RawMessage) (string, error) {
	if f.parsed == nil {
		return eventText(line)
	}
	var e eventlog.Event
	if err := json.Unmarshal(line, &e); err != nil {
		return "", err
	}
	e.Vassal, e.Text, e.What = readable.Clean(e.Vassal), readable.Clean(e.Text), emperor.Topic(readable.Clean(string(e.What)))
	var b strings.Builder
	err := f.parsed.Execute(&b, e)
	return b.String(), err
}
