package webpage

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emperor-go/emperor/internal/control"
	"github.com/emperor-go/emperor/internal/eventlog"
	"github.com/emperor-go/emperor/pkg/emperor"
)

// event is a message of an event stream.
type event struct{ name, data string }

// follow opens an event stream and returns its messages, until the test ends or stop is called.
func follow(t *testing.T, url string) (next <-chan event, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if answer.StatusCode != http.StatusOK || answer.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%s: %s", url, answer.Status)
	}
	events := make(chan event, 100)
	go func() {
		defer answer.Body.Close()
		defer close(events)
		var e event
		lines := bufio.NewScanner(answer.Body)
		lines.Buffer(nil, 10<<20)
		for lines.Scan() {
			key, value, _ := strings.Cut(lines.Text(), ": ")
			switch {
			case key == "event":
				e.name = value
			case key == "data":
				e.data = value
			case lines.Text() == "" && e.name != "":
				events <- e
				e = event{}
			}
		}
	}()
	return events, cancel
}

func batchOf(t *testing.T, next <-chan event) (b batch) {
	t.Helper()
	select {
	case e, open := <-next:
		if !open || e.name != "batch" {
			t.Fatalf("got %+v", e)
		}
		if err := json.Unmarshal([]byte(e.data), &b); err != nil {
			t.Fatal(err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("no batch")
	}
	return b
}

// A reader gets the whole page first, then only changes, and nothing while there are none.
func TestLive(t *testing.T) {
	shop, blog := vassalNamed("shop.ini", emperor.Running), vassalNamed("blog.ini", emperor.Running)
	site, f := newSite()
	f.vassals = []control.Vassal{blog, shop}
	server := httptest.NewServer(site.Handler())
	defer server.Close()
	next, stop := follow(t, server.URL+"/live?sort=name")
	defer stop()
	if e := <-next; e.name != "hello" || !strings.Contains(e.data, build()) {
		t.Fatalf("the first message is %+v", e)
	}
	first := batchOf(t, next)
	ids := []string{idOf("v-", "blog.ini"), idOf("v-", "shop.ini")}
	if !slices.Equal(first.Lists["rows"], ids) || !strings.Contains(first.Set[ids[1]], "shop.ini") || first.Set["counts"] == "" || first.Title != "Vassals" {
		t.Errorf("the first batch is %+v", first)
	}
	failed := shop
	failed.State, failed.Error, failed.Since = emperor.BackingOff, hostile, time.Now()
	site.sampler.mu.Lock()
	f.vassals = []control.Vassal{failed}
	site.sampler.mu.Unlock()
	second := batchOf(t, next)
	if row := second.Set[ids[1]]; !strings.Contains(row, "backoff") || strings.Contains(row, "<script>") || second.Title != "(1) Vassals" {
		t.Errorf("the second batch is %+v", second)
	}
	if !slices.Equal(second.Lists["rows"], ids[1:]) || second.Set[ids[0]] != "" {
		t.Errorf("the second batch has %+v", second.Lists)
	}
}

// An unchanged page makes no batch, although ages grow.
func TestNothingChanged(t *testing.T) {
	site, _ := newSite()
	now := time.Now().Truncate(time.Second)
	v := vassalNamed("shop.ini", emperor.Running)
	v.LastRun, v.Ready = now, now
	site.Facts.(*fake).vassals = []control.Vassal{v} //nolint:forcetypeassert // newSite makes it
	f := &follower{lists: map[string]uint64{}, seed: seedOf(t)}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	all := site.listPage(r)
	for i := range 3 {
		view, err := all(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		b, err := f.changes(view)
		if err != nil {
			t.Fatal(err)
		}
		if b.empty() != (i > 0) {
			t.Errorf("batch %d: %+v", i, b)
		}
	}
	ten := `<p>for <time datetime="x" data-age>10s</time>, next <time data-ago>in 5s</time>!</p>`
	if got := ageless(ten); got != ageless(strings.NewReplacer("10s", "11s", "5s", "4s").Replace(ten)) || !strings.Contains(got, "next") || !strings.Contains(got, "!") {
		t.Errorf("without ages: %q", got)
	}
}

// Without a reader nothing is asked.
func TestNoCostWithoutReaders(t *testing.T) {
	site, f := newSite(vassalNamed("shop.ini", emperor.Running))
	server := httptest.NewServer(site.Handler())
	defer server.Close()
	if f.asked.Load() != 0 {
		t.Error("it is asked before there is a reader")
	}
	next, stop := follow(t, server.URL+"/live")
	<-next
	batchOf(t, next)
	stop()
	for site.readers.Load() > 0 {
		time.Sleep(time.Millisecond)
	}
	asked := f.asked.Load()
	time.Sleep(2 * shortest)
	if now := f.asked.Load(); now != asked {
		t.Errorf("after the last reader it is asked %d times", now-asked)
	}
}

// Many readers share one sample, and one too many is refused.
func TestManyReaders(t *testing.T) {
	site, f := newSite(vassalNamed("shop.ini", emperor.Running))
	server := httptest.NewServer(site.Handler())
	defer server.Close()
	for range maxReaders {
		next, stop := follow(t, server.URL+"/live")
		defer stop()
		<-next
		batchOf(t, next)
	}
	if n := f.asked.Load(); n > maxReaders/2 {
		t.Errorf("%d readers ask %d times", maxReaders, n)
	}
	answer, err := http.Get(server.URL + "/live")
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusTooManyRequests {
		t.Errorf("one too many: %s", answer.Status)
	}
	if answer, err = http.Get(server.URL + "/"); err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("the page itself: %v %v", answer, err)
	}
	answer.Body.Close()
}

// A vassal that goes and comes back while its page is open keeps the page.
func TestGoneAndBack(t *testing.T) {
	site, f := newSite()
	shop := vassalNamed("shop.ini", emperor.Running)
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.SetPathValue("name", "shop.ini")
	look := site.vassalPage(r)
	head := func() string {
		v, err := look(t.Context())
		if err != nil {
			return err.Error()
		}
		text, err := v.Part("head")
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	for i, want := range []string{"no vassal", "running", "gone", "running"} {
		if f.vassals = nil; want == "running" {
			f.vassals = []control.Vassal{shop}
		}
		if got := head(); !strings.Contains(got, want) {
			t.Errorf("step %d: %s, want %s", i, got, want)
		}
	}
}

// The rate of processor time is between two samples of one process.
func TestRates(t *testing.T) {
	now := time.Now()
	at := func(ago time.Duration, pid int, cpu float64) *sample {
		v := vassalNamed("shop.ini", emperor.Running)
		v.PID, v.CPU = pid, cpu
		return &sample{at: now.Add(-ago), vassals: []control.Vassal{v}}
	}
	for _, c := range []struct {
		was  *sample
		want string
	}{
		{at(10*time.Second, 7, 1), "0.5"}, {at(10*time.Second, 8, 1), "none"}, {at(time.Hour, 7, 1), "none"}, {nil, "none"}, {at(10*time.Second, 7, 100), "none"},
	} {
		got := "none"
		if rate, ok := rates(c.was, at(0, 7, 6))["shop.ini"]; ok {
			got = fmt.Sprint(rate)
		}
		if got != c.want {
			t.Errorf("%+v: %s, want %s", c.was, got, c.want)
		}
	}
	for used, want := range map[float64]string{0: "0 %", 0.001: "0.1 %", 0.25: "25 %", 3.5: "350 %"} {
		if got := percent(used); got != want {
			t.Errorf("%v: %s, want %s", used, got, want)
		}
	}
}

// Pictures have a bounded number of elements within their borders, however much happens.
func TestPictures(t *testing.T) {
	now := time.Now()
	site, _ := newSite()
	var status control.Status
	status.State, status.Since = emperor.Running, now
	var events []eventlog.Event
	for i := range eventlog.Kept {
		to := emperor.Running
		if i%3 == 0 {
			to = emperor.BackingOff
		}
		at := now.Add(-time.Duration(eventlog.Kept-i) * 50 * time.Millisecond)
		events = append(events, eventlog.Event{Time: at, Vassal: "shop.ini", What: eventlog.AboutState, To: to})
		r := emperor.Record{Name: "shop.ini", State: to}
		site.Events.Add(eventlog.AboutState, r, "")
	}
	line, column := timelineOf(status, events, now), site.stripOf(now)
	if n := len(line.Bars); n == 0 || n > 2*timelineWidth {
		t.Errorf("a timeline of %d segments", n)
	}
	for _, b := range line.Bars {
		if b.X < -0.01 || b.W < 0 || b.X+b.W > timelineWidth+0.01 {
			t.Errorf("a segment outside: %+v", b)
		}
	}
	if len(column.News) != maxNews || column.Count != eventlog.Kept {
		t.Errorf("the strip has %d transitions and %d in words", column.Count, len(column.News))
	}
	for _, b := range column.Bars {
		if b.Y < -0.01 || b.Y+b.H > stripHeight+0.01 {
			t.Errorf("a column outside: %+v", b)
		}
	}
}

// Without remembered events the exits show when a vassal ran.
func TestTimelineOfExits(t *testing.T) {
	now := time.Now()
	status := control.Status{Exits: []eventlog.Exit{{Time: now.Add(-time.Minute), Uptime: 60}}}
	status.State, status.Since = emperor.Running, now.Add(-30*time.Second)
	var got []string
	for _, b := range timelineOf(status, nil, now).Bars {
		got = append(got, fmt.Sprintf("%s %.0f", b.Condition, b.W/timelineWidth*300))
	}
	if want := []string{"serves 60", "failed 30", "serves 30"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
