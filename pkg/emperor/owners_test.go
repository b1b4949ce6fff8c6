package emperor

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/emperor-go/emperor/pkg/emperor/monitor"
)

// own puts a file of an owner into a monitor's set; refused: its owner may have no vassal.
func (s *stage) own(name string, uid uint32, refused error) {
	c := monitor.Text(name, name)
	c.UID, c.Owned, c.Err = uid, true, refused
	s.monitor.Put(c)
	synctest.Wait()
}

// tenantsOf makes every user but root a tenant with at most n vassals.
func tenantsOf(n int) func(*Options) {
	return func(o *Options) {
		o.OwnerMax = n
		o.Check = func(c monitor.Config) (Facts, error) { return Facts{Tenant: c.UID != 0}, nil }
	}
}

// TestOwnerIsIdentity: a file of another owner is another vassal, which begins when nothing of the first
// one is left, also where the new owner may have none.
func TestOwnerIsIdentity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, tenantsOf(0))
		s.own("a.ini", 1, nil)
		s.expect(t, "launch a.ini#1 a.ini")
		s.own("a.ini", 2, nil)
		s.expect(t, "dead a.ini#1 exit status 0, clear a.ini#1, launch a.ini#1 a.ini") // its first generation
		if uid := s.record(t, "a.ini").UID; uid != 2 {
			t.Errorf("its owner is %d", uid)
		}
		s.own("a.ini", 0, errors.New("root has none"))
		s.expect(t, "dead a.ini#1 exit status 0, clear a.ini#1")
		if fault := s.record(t, "a.ini").Fault; !strings.Contains(fault, "root has none") {
			t.Errorf("its fault is %q", fault)
		}
		s.stop()
	})
}

// TestOwnerAfterRefusal: a file that gets a permitted owner begins at once.
func TestOwnerAfterRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, tenantsOf(0))
		s.own("a.ini", 0, errors.New("root has none"))
		s.own("a.ini", 1, nil)
		s.expect(t, "launch a.ini#1 a.ini")
		s.stop()
	})
}

// TestRefusedFileOfTheSameOwner: the vassal continues with the bytes that it has.
func TestRefusedFileOfTheSameOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, tenantsOf(0))
		s.own("a.ini", 1, nil)
		s.own("a.ini", 1, errors.New("others can write to it"))
		s.expect(t, "launch a.ini#1 a.ini")
		s.stop()
	})
}

// TestOwnerMax: an owner has so many vassals, another owner has its own, and the next one begins when one is
// gone.
func TestOwnerMax(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, tenantsOf(2))
		for _, name := range []string{"a.ini", "b.ini", "c.ini"} {
			s.own(name, 1, nil)
		}
		s.own("d.ini", 2, nil)
		s.own("e.ini", 0, nil)
		s.expect(t, "launch a.ini#1 a.ini, launch b.ini#1 b.ini, launch d.ini#1 d.ini, launch e.ini#1 e.ini")
		if fault := s.record(t, "c.ini").Fault; !strings.Contains(fault, "who has 2 vassals, as many as emperor-tyrant-max permits") {
			t.Errorf("its fault is %q", fault)
		}
		s.remove("b.ini")
		s.expect(t, "dead b.ini#1 exit status 0, clear b.ini#1, launch c.ini#1 c.ini")
		s.own("a.ini", 2, nil) // the counts follow the owner
		s.expect(t, "dead a.ini#1 exit status 0, clear a.ini#1, launch a.ini#1 a.ini")
		s.own("f.ini", 2, nil)
		s.own("g.ini", 1, nil)
		s.expect(t, "launch g.ini#1 g.ini")
		s.stop()
	})
}
