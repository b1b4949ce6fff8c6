package process

import (
	"errors"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/emperor/monitor"
	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/wire"
)

// conversation is a child without a process, and the other ends of its channels.
type conversation struct {
	*child
	pipe   *os.File
	orders *wire.VassalEnd
	said   chan emperor.Message
}

func converse(t *testing.T, becomes Wrappers) *conversation {
	t.Helper()
	c := &child{
		resources: resources{process: &namespaces.Process{PID: os.Getpid()}, launcher: &Launcher{Poller: newPoller(t), Programs: Programs{Wrappers: becomes}}},
		protocol:  protocol{known: make(chan struct{})}, dead: make(chan struct{}),
	}
	ends, err := c.connect()
	if err != nil {
		t.Fatal(err)
	}
	closeAll(ends[:3])
	fd, err := unix.Dup(int(ends[4].Fd()))
	if err != nil {
		t.Fatal(err)
	}
	closeAll(ends[4:])
	k := &conversation{c, ends[3], wire.NewVassalEnd(fd), make(chan emperor.Message, 16)}
	c.receiver.start(c, func(m emperor.Message) { k.said <- m })
	t.Cleanup(func() {
		close(c.dead)
		c.receiver.rest()
		closeAll([]*os.File{c.ends.pipe, c.ends.configs, c.output, k.pipe})
		c.ends.orders.Close()
		k.orders.Close()
	})
	return k
}

// A vassal that is asked to reload right after it accepted gets the bytes by the order channel
// all the same.
func TestReloadBeforeTheFirstNotice(t *testing.T) {
	k := converse(t, Wrappers{Wrapper: "/bin/true", Fallback: []string{""}})
	if _, err := k.pipe.Write([]byte{byte(wire.Accepting)}); err != nil {
		t.Fatal(err)
	}
	if m := <-k.said; m != emperor.Message(wire.Accepting) {
		t.Fatalf("heard %v", m)
	}
	asked := make(chan error, 1)
	go func() { asked <- k.Reload(emperor.Plan{Config: monitor.Config{Data: []byte("new")}}, 2) }()
	select {
	case err := <-asked:
		t.Fatalf("it was asked in a language that it may not speak: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	k.orders.Post(wire.Notice{Serial: 1, Kind: wire.Ready})
	o, err := k.orders.ReceiveOrder()
	if err != nil || o.Serial != 2 || string(o.Config) != "new" {
		t.Errorf("got %+v, %v", o, err)
	}
	if err := <-asked; err != nil {
		t.Error(err)
	}
}

// A vassal that closes the order channel is asked by a byte, and one that executed another
// program which closed the pipe cannot be asked.
func TestReloadOfOthers(t *testing.T) {
	k := converse(t, Wrappers{Wrapper: "/bin/true"})
	k.orders.Close()
	if err := k.Reload(emperor.Plan{}, 2); err != nil {
		t.Fatal(err)
	}
	var said [1]byte
	if _, err := k.pipe.Read(said[:]); err != nil || said[0] != byte(wire.Reload) {
		t.Errorf("got %v, %v", said, err)
	}
	k = converse(t, Wrappers{})
	k.orders.Post(wire.Notice{Kind: wire.Exec})
	if err := k.Reload(emperor.Plan{}, 2); !errors.Is(err, errReplaced) {
		t.Errorf("got %v", err)
	}
}
