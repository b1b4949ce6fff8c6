package webpage

import (
	"strings"
	"testing"
	"time"
)

// A kept row is used again only while the vassal and its age are as before, and rows of vassals that are gone do
// not pile up.
func TestKeptRows(t *testing.T) {
	t.Parallel()
	site, f := newSite()
	h := site.Handler()
	page := func() string {
		site.sampler.last = nil
		return get(h, "/").Body.String()
	}
	f.vassals = manyVassals(3)
	first := page()
	if again := page(); again[strings.Index(again, "<tbody"):] != first[strings.Index(first, "<tbody"):] {
		t.Error("equal vassals have other rows")
	}
	f.vassals[1].Restarts = 7531
	if !strings.Contains(page(), ">7531<") {
		t.Error("a changed row is the one of before")
	}
	f.vassals[2].Since = time.Now().Add(-50 * time.Hour)
	if !strings.Contains(page(), ">2d2h<") {
		t.Error("a row has its former age")
	}
	for range 5 {
		f.vassals = manyVassals(40)
		page()
	}
	if f.vassals = f.vassals[:1]; !strings.Contains(page(), "vassal-0.ini") || len(site.texts.list) > 2 {
		t.Errorf("%d rows are kept for one vassal", len(site.texts.list))
	}
}
