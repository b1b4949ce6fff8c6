package wire

import (
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/hooks"
)

// TestOutbox: results of hooks arrive together and in order, and an answer behind more
// messages than the kernel keeps is not lost.
func TestOutbox(t *testing.T) {
	emperor, o := connect(t)
	for i := range 200 {
		o.Post(Notice{Kind: HookEnded, Hooks: []hooks.Result{{Phase: "as-root", Index: i + 1, Text: "exec: \x01 and so on, for a while"}}})
	}
	for i := range 20 {
		o.Post(Notice{Kind: Ready, Serial: uint64(i + 1)})
	}
	messages, index, serial := 0, 0, uint64(0)
	for serial < 20 {
		n, err := next(emperor)
		if err != nil {
			t.Fatal(err)
		}
		messages++
		for _, h := range n.Hooks {
			if index++; h.Index != index {
				t.Fatalf("hook %d comes as number %d", h.Index, index)
			}
		}
		if n.Kind == Ready {
			if serial++; n.Serial != serial || index != 200 {
				t.Fatalf("answer %d comes as number %d, after %d hooks", n.Serial, serial, index)
			}
		}
	}
	if messages > 40 {
		t.Errorf("there were %d messages", messages)
	}
}

// TestOutboxOfADeafEmperor: Flush waits no longer than its time limit.
func TestOutboxOfADeafEmperor(t *testing.T) {
	emperor, o := connect(t)
	for i := range maxPosted {
		o.Post(Notice{Kind: Status, Text: fmt.Sprint(i)})
	}
	o.Flush(10 * time.Millisecond)
	if first, err := emperor.TakeNotice(); err != nil || first.Text != "0" {
		t.Errorf("the first is %q, %v", first.Text, err)
	}
	emperor.Close()
	o.Post(Notice{Kind: Status})
	o.Flush(time.Minute)
	var none *VassalEnd
	none.Post(Notice{Kind: Status})
	none.Flush(time.Minute)
}

// next waits for a notice.
func next(emperor *EmperorEnd) (n Notice, err error) {
	for err = unix.EAGAIN; errors.Is(err, unix.EAGAIN); runtime.Gosched() {
		n, err = emperor.TakeNotice()
	}
	return n, err
}
