package emperor_test

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/emperor/monitor"
	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/wire"
)

// tasks launches goroutines in place of processes.
type tasks struct{}

func (tasks) Launch(_ context.Context, r emperor.Request) (emperor.Process, error) {
	return &task{number: int(r.Order), stopped: make(chan struct{})}, nil
}

// task is one generation of a vassal, which accepts at once and ends when it is asked to.
type task struct {
	number  int
	stopped chan struct{}
}

func (t *task) PID() int { return t.number }

func (t *task) Watch(report func(emperor.Message), over func(emperor.Exit)) {
	report(wire.Accepting)
	<-t.stopped
	over(emperor.Exit{})
}

func (t *task) Stop(bool) {
	select {
	case <-t.stopped:
	default:
		close(t.stopped)
	}
}

func (t *task) Kill() { t.Stop(false) }

func (*task) Reload(emperor.Plan, uint64) error { return nil }
func (*task) Clear(context.Context) error       { return nil }
func (*task) Restore()                          {}
func (*task) KeepSockets()                      {}
func (*task) KeptSockets() namespaces.Sockets   { return nil }
func (*task) LastLine() string                  { return "" }

// options are an emperor with one vassal.
func options() emperor.Options {
	return emperor.Options{
		Monitors: []monitor.Monitor{monitor.NewStatic("program", monitor.Text("shop.ini", "[uwsgi]\n"))}, Launcher: tasks{},
		Concurrency: 4, Mercy: time.Minute, Backoff: emperor.Backoff{Initial: time.Second, Max: time.Minute, Reset: time.Minute},
		Log: slog.New(slog.DiscardHandler),
	}
}

// An emperor needs a monitor, which decides about the vassals that exist, and a launcher, which decides about
// their processes. Follow, before Run, delivers every transition.
func ExampleNew() {
	e := emperor.New(options())
	transitions := e.Follow()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	for t := range transitions {
		fmt.Println(t.Record.Name, t.From, "->", t.To)
		if t.To == emperor.Running {
			cancel() // Run stops all vassals before it returns
		}
	}
	fmt.Println(<-ended)
	// Output:
	// shop.ini idle -> settled
	// shop.ini settled -> queued
	// shop.ini queued -> launching
	// shop.ini launching -> starting
	// shop.ini starting -> running
	// shop.ini running -> stopping
	// shop.ini stopping -> clearing
	// shop.ini clearing -> settled
	// shop.ini settled -> gone
	// <nil>
}

// A verb begins an operation, and later transitions show its result.
func ExampleEmperor_Do() {
	e := emperor.New(options())
	transitions := e.Follow()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { _ = e.Run(ctx) }()
	for t := range transitions {
		switch {
		case t.Note != nil: // about the vassal, such as the operator's verb
		case t.To == emperor.Running:
			_, err := e.Do(ctx, "shop.ini", emperor.Stop)
			fmt.Println("stop:", err)
			_, err = e.Do(ctx, "blog.ini", emperor.Start)
			fmt.Println("start:", err)
		case t.To == emperor.Idle:
			fmt.Println(t.Record.Name, "is", t.Record.State, "because:", t.Record.Why)
			cancel()
		}
	}
	// Output:
	// stop: <nil>
	// start: there is no vassal "blog.ini"
	// shop.ini is idle because: stopped by the operator
}

// Records describe all vassals, as the control protocol does. Transitions returns them together with every
// later change.
func ExampleEmperor_Transitions() {
	e := emperor.New(options())
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { _ = e.Run(ctx) }()
	records, transitions, err := e.Transitions(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	for len(records) == 0 || records[0].State != emperor.Running {
		records = []emperor.Record{(<-transitions).Record}
	}
	fmt.Println(records[0].Name, records[0].State, "generation", records[0].Generation)
	// Output: shop.ini running generation 1
}
