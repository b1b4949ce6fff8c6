package eventlog

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emperor-go/emperor/pkg/emperor"
)

// Each reader gets events once, in order; a slow reader misses some and gets their number, and
// events of a vassal that is gone remain available.
func TestFollow(t *testing.T) { synctest.Test(t, follow) }

func follow(t *testing.T) {
	c := &Log{}
	feed, ended := make(chan *emperor.Transition), make(chan bool)
	go func() { c.Run(feed); close(ended) }()
	happens := func(name string, to emperor.State, note *emperor.Note) {
		feed <- &emperor.Transition{Time: time.Now(), From: emperor.Running, To: to, Note: note, Record: emperor.Record{Name: name, State: to}}
	}
	happens("a.ini", emperor.Running, nil)
	happens("b.ini", emperor.Running, &emperor.Note{About: emperor.AboutHook, Text: "as-root #1: ok"})
	happens("b.ini", emperor.Clearing, &emperor.Note{About: emperor.AboutStatus, Text: "not an exit"})
	happens("b.ini", emperor.Running, nil)
	synctest.Wait()
	recent, next, stop := c.Follow(func(e Event) bool { return e.Vassal == "b.ini" })
	if len(recent) != 3 || recent[0].What != emperor.AboutHook || recent[0].Text != "as-root #1: ok" || recent[2].What != AboutState {
		t.Errorf("of b.ini: %+v", recent)
	}
	for i := range behind + 7 {
		happens("b.ini", emperor.Running, &emperor.Note{About: emperor.AboutStatus, Text: fmt.Sprint(i)})
		happens("a.ini", emperor.Running, nil)
	}
	synctest.Wait()
	for i := range behind {
		if e := <-next; e.Vassal != "b.ini" || e.Text != fmt.Sprint(i) || e.Lost != 0 {
			t.Fatalf("event %d is %+v", i, e)
		}
	}
	happens("b.ini", emperor.Gone, nil)
	if e := <-next; e.To != emperor.Gone || e.Lost != 7 {
		t.Errorf("after the slow time: %+v, want 7 lost", e)
	}
	every := func(Event) bool { return true }
	if got := c.Named("b", every); got != "b.ini" || c.Named("c", every) != "" {
		t.Errorf("b is %q", got)
	}
	if x := c.Exits("b.ini"); len(x) != 0 {
		t.Errorf("exits: %+v", x)
	}
	close(feed)
	<-ended
	if _, more := <-next; more {
		t.Error("there is more after the end")
	}
	stop()
	if _, next, stop := c.Follow(func(Event) bool { return true }); true {
		if _, more := <-next; more {
			t.Error("there is something to follow after the end")
		}
		stop()
	}
}
