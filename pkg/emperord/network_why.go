package emperord

import (
	"context"

	"github.com/vishvananda/netns"

	"github.com/emperor-go/emperor/internal/control"
	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/network"
	"github.com/emperor-go/emperor/pkg/network/spec"
)

// Report implements control.Network.
func (n *connections) Report(ctx context.Context, vassals control.Vassals) (control.NetworkReport, error) {
	var records []emperor.Record
	r, err := n.auditor().Audit(func() (names []string, err error) {
		records, err = vassals(ctx)
		return namesOf(records), err
	})
	if err != nil {
		return control.NetworkReport{}, err
	}
	report := control.NetworkReport{ID: r.ID, Table: r.Table, Problems: r.Problems, Links: n.list.links()}
	for _, p := range r.Pool {
		report.Pool = append(report.Pool, p.String())
	}
	for _, v := range records {
		for _, text := range n.problems(v) {
			report.Problems = append(report.Problems, v.Name+": "+text)
		}
	}
	problems, err := n.cni.Check(ctx)
	report.Problems = append(report.Problems, problems...)
	return report, err
}

func namesOf(records []emperor.Record) (names []string) {
	for _, r := range records {
		names = append(names, r.Name)
	}
	return names
}

func (n *connections) auditor() network.Auditor { return network.Auditor{Stage: n.stage} }

// problems returns the problems in the network namespace of a vassal.
func (n *connections) problems(r emperor.Record) []string {
	about := connectedNow(r)
	if about == nil {
		return nil
	}
	defer about.close()
	return append(n.auditor().Inside(r.Name, about.ns), about.unheard()...)
}

// Why implements control.Network.
func (n *connections) Why(r emperor.Record) (why []string) {
	about := connectedNow(r)
	if about == nil {
		return nil
	}
	defer about.close()
	why = append(n.auditor().Why(r.Name, about.ns), about.unheard()...)
	if len(r.Network.Published) == 0 {
		why = append(why, network.Loopback(about.listeners)...)
	}
	return why
}

// serving is a vassal that serves in a network namespace of its own.
type serving struct {
	emperor.Record
	ns        netns.NsHandle
	listeners []namespaces.Listener
}

// connectedNow returns the view of a vassal from inside. Nil: it does not serve, has no connection, or ends
// now. The caller closes it.
func connectedNow(r emperor.Record) *serving {
	if r.Network == nil || r.PID == 0 || r.State != emperor.Running && r.State != emperor.Reloading {
		return nil
	}
	ns, err := netns.GetFromPid(r.PID)
	if err != nil {
		return nil
	}
	listeners, err := namespaces.ListenersOf(r.PID)
	if err != nil {
		_ = ns.Close()
		return nil
	}
	return &serving{r, ns, listeners}
}

func (s *serving) close() { _ = s.ns.Close() }

// unheard returns a line for each port that clients are led to and that no program serves.
func (s *serving) unheard() []string {
	var published []spec.Publication
	var allowed []spec.Allowance
	for _, text := range s.Network.Published {
		if p, err := spec.ParsePublication(text); err == nil {
			published = append(published, p)
		}
	}
	for _, text := range s.Network.Allowed {
		if a, err := spec.ParseAllowance(text); err == nil {
			allowed = append(allowed, a)
		}
	}
	return network.Unheard(s.Name, published, allowed, s.listeners)
}
