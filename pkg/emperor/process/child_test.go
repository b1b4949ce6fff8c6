package process

import (
	"bufio"
	"log/slog"
	"os"
	"testing"

	"github.com/emperor-go/emperor/internal/poll"
	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// A vassal that has read the stop byte but executes another program all the same is stopped by
// a signal.
func TestStopInTheMomentOfAnExec(t *testing.T) {
	spawner := namespaces.NewSpawner()
	defer spawner.Close()
	out, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	c := &child{resources: resources{log: slog.New(slog.DiscardHandler)}, dead: make(chan struct{})}
	c.resources.process, err = spawner.Start(namespaces.Command{
		Path: "/bin/sh", Args: []string{"sh", "-c", "trap 'exit 7' TERM; echo; while :; do sleep 0.02; done"}, Dir: "/",
		Env: []string{"PATH=/bin:/usr/bin"}, Files: []*os.File{nil, write},
	})
	write.Close()
	if err != nil {
		t.Fatal(err)
	}
	defer c.resources.process.Close()
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil { // it handles TERM
		t.Fatal(err)
	}
	pipe, theirs, err := stream("pipe")
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close()
	c.ends.pipe = pipe
	c.protocol.replaced.Store(true)
	c.Stop(false)
	if _, err := theirs.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	c.receiver.child, c.receiver.report = c, func(m emperor.Message) { t.Errorf("it reports %v", m) }
	for rest := dyingTime; rest != poll.Never; { // nothing happens in the time that it is given
		rest = c.receiver.pipe()
	}
	if status, err := c.resources.process.Wait(); err != nil || status.String() != "exit status 7" {
		t.Errorf("it ended by %v, %v", status, err)
	}
}
