package webpage

import (
	"fmt"
	"hash/maphash"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/emperor-go/emperor/internal/control"
	"github.com/emperor-go/emperor/pkg/emperor"
)

func seedOf(testing.TB) maphash.Seed { return maphash.MakeSeed() }

func manyVassals(n int) (list []control.Vassal) {
	for i := range n {
		v := vassalNamed(fmt.Sprintf("vassal-%d.ini", i), emperor.Running)
		v.PID, v.Memory, v.MemoryMax, v.Address = 100+i, 12<<20, 64<<20, "10.0.0.7:8080"
		if i%20 == 0 {
			v.Error = "its workers die, 4 in a row, the last: exit status 3; the next one in 3s"
		}
		list = append(list, v)
	}
	return list
}

// BenchmarkPage makes the page of a thousand vassals, without the measurement of their memory.
func BenchmarkPage(b *testing.B) {
	site, f := newSite()
	f.vassals = manyVassals(1000)
	h := site.Handler()
	var size int
	for b.Loop() {
		size = get(h, "/").Body.Len()
	}
	b.ReportMetric(float64(size), "bytes")
}

// BenchmarkBatch looks for changes in the page of a thousand vassals, of which ten have changed.
func BenchmarkBatch(b *testing.B) {
	site, f := newSite()
	f.vassals = manyVassals(1000)
	look := site.listPage(httptest.NewRequest(http.MethodGet, "/", nil))
	follower := &follower{lists: map[string]uint64{}, seed: seedOf(b)}
	for i := 0; b.Loop(); i++ {
		for j := range 10 {
			f.vassals[j].Memory = uint64(i) << 20
		}
		site.sampler.last = nil
		v, err := look(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		if _, err := follower.changes(v); err != nil {
			b.Fatal(err)
		}
	}
}
