package process

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/emperor-go/emperor/internal/termlog"
	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/emperor/monitor"
	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/wire"
)

// TestLastWords: messages and output of vassals right before their deaths are received before
// their deaths, and stored before they are cleaned up.
func TestLastWords(t *testing.T) {
	const vassals = 50
	program := filepath.Join(t.TempDir(), "vassal")
	script := "#!/bin/sh\nprintf '\\001\\026' >&3\nprintf 'first\\nlast' >&2\nexit 3\n"
	if err := os.WriteFile(program, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	spawner := namespaces.NewSpawner()
	defer spawner.Close()
	s := &Launcher{Programs: Programs{Vassal: program}, Spawner: spawner, Poller: newPoller(t)}
	lives := make(chan string)
	for i := range vassals {
		go func() { lives <- lifeOf(s, fmt.Sprint(i)) }()
	}
	for range vassals {
		want := "spawned, withdraw, exit status 3, printed:\nINFO  first\nINFO  last\n"
		if got := <-lives; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func newPoller(t *testing.T) *Poller {
	t.Helper()
	p, err := NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// lifeOf starts a vassal and returns everything received of it until it was cleaned up.
func lifeOf(s *Launcher, name string) string {
	var log bytes.Buffer
	r := emperor.Request{Plan: &emperor.Plan{Config: monitor.Config{Name: name}}, Log: slog.New(termlog.New(&log, termlog.Options{}))}
	c, err := s.clone(context.Background(), r, "/")
	if err != nil {
		return err.Error()
	}
	var told []string
	dead := make(chan emperor.Exit)
	c.Watch(func(m emperor.Message) {
		if r, ok := m.(wire.Report); ok {
			told = append(told, r.String())
		}
	}, func(x emperor.Exit) { dead <- x })
	told = append(told, (<-dead).String())
	if err := c.Clear(context.Background()); err != nil {
		return err.Error()
	}
	return strings.Join(told, ", ") + ", printed:\n" + log.String()
}
