package monitor_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/emperor-go/emperor/pkg/emperor/monitor"
)

// A source that can be read as a whole becomes a monitor.
func ExampleNewPoll() {
	ctx, cancel := context.WithCancel(context.Background())
	m := monitor.NewPoll("table vassals", monitor.PollOptions{
		Fetch: func(context.Context) ([]monitor.Config, error) {
			return []monitor.Config{{Name: "shop.ini", Data: []byte("[uwsgi]\ncommand = sleep 1000\n")}}, nil
		},
		Log: discard,
	})
	err := m.Run(ctx, func(set monitor.Set) {
		fmt.Println(m, "has", len(set), "vassal:", set[0].Name, set[0].Version.Short())
		cancel()
	})
	fmt.Println(err)
	// Output:
	// table vassals has 1 vassal: shop.ini 41963c142f01
	// <nil>
}

// A program may decide by itself which vassals exist.
func ExampleNewStatic() {
	ctx, cancel := context.WithCancel(context.Background())
	m := monitor.NewStatic("program", monitor.Text("a.ini", "[uwsgi]\n"))
	err := m.Run(ctx, func(set monitor.Set) {
		fmt.Println(set[0].Name)
		cancel()
	})
	fmt.Println(err)
	// Output:
	// a.ini
	// <nil>
}

// A directory is a source of vassals: each file with a known extension is one.
func ExampleNewDir() {
	dir, err := os.MkdirTemp("", "vassals")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	for _, name := range []string{"shop.ini", "README"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("[uwsgi]\n"), 0o600); err != nil {
			fmt.Println(err)
			return
		}
	}
	m, err := monitor.NewDir(dir, monitor.DirOptions{Log: discard})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	err = m.Run(ctx, func(set monitor.Set) {
		for _, c := range set {
			fmt.Println(c.Name, len(c.Data), "bytes")
		}
		cancel()
	})
	fmt.Println(err)
	// Output:
	// shop.ini 8 bytes
	// <nil>
}
