package control

import (
	"context"
	"net/http"

	"github.com/emperor-go/emperor/pkg/emperor"
)

// NetworkName is the directory of the built-in network in the runtime directory.
const NetworkName = "network"

// CNIName is the directory of attachments to networks of other software, beside it.
const CNIName = "cni"

// NamesName is the directory of the resolver files of vassals, beside both.
const NamesName = "names"

// Vassals lists the vassals of an emperor at the moment of its call.
type Vassals func(ctx context.Context) ([]emperor.Record, error)

// Network is the built-in network of an emperor.
type Network interface {
	// Report compares the connections of vassals with the kernel's links, routes and rules, and their
	// ports with their servers.
	Report(ctx context.Context, vassals Vassals) (NetworkReport, error)
	// Why returns the reasons why a vassal may not answer, or may not reach others, each in one line with
	// the remedy.
	Why(r emperor.Record) []string
	// Collect deletes all that no vassal has, and returns the names. dry: it deletes nothing.
	Collect(ctx context.Context, vassals Vassals, dry bool) (Collected, error)
	// Spoofed returns the number of packets with forged sources that a vassal has sent. Nil: they are not counted.
	Spoofed(vassal string) *uint64
}

// attachment completes the place of a vassal in the network. Nil: it has none.
func (s *Server) attachment(r emperor.Record) *emperor.Attachment {
	if s.Network == nil || r.Network == nil {
		return r.Network
	}
	complete := *r.Network
	complete.Spoofed, complete.Why = s.Network.Spoofed(r.Name), s.Network.Why(r)
	return &complete
}

// NetworkReport is the answer to a question about the network.
type NetworkReport struct {
	// ID marks all links, routes and the table of nftables, whose name is Table.
	ID    string        `json:"id"`
	Table string        `json:"table"`
	Pool  []string      `json:"pool"`
	Links []NetworkLink `json:"links"`
	// Problems are differences from the kernel's state, in words.
	Problems []string `json:"problems,omitempty"`
}

// NetworkLink is the connection of one vassal. Interface is the end on the host, and Index its number;
// without one they are zero.
type NetworkLink struct {
	Vassal     string   `json:"vassal"`
	Generation uint64   `json:"generation"`
	Mode       string   `json:"mode"`
	Interface  string   `json:"host_interface"`
	Index      int      `json:"index"`
	Addresses  []string `json:"addresses"`
}

// Collected is the answer to a request to delete all that no vassal has: links and attachments to networks of other
// software, and routes, parts of the policy and leases.
type Collected struct {
	Links  []string `json:"links"`
	Others []string `json:"others,omitempty"`
	// Leases are of vassals whose emperor has stopped: the next one gives them the same addresses.
	Leases []string `json:"leases,omitempty"`
}

func (s *Server) network(r *http.Request) (any, error) {
	if s.Network == nil {
		return nil, errNoNetwork
	}
	return s.Network.Report(r.Context(), s.Emperor.Records) // the route is for clients that see all
}

func (s *Server) collectNetwork(r *http.Request) (any, error) {
	if s.Network == nil {
		return nil, errNoNetwork
	}
	dry, err := flag(r, "dry-run")
	if err != nil {
		return nil, err
	}
	collected, err := s.Network.Collect(r.Context(), s.Emperor.Records, dry)
	if err == nil && !dry {
		s.Log.Info("operator: net gc", "links", collected.Links, "others", collected.Others)
	}
	return collected, err
}

var errNoNetwork = &Error{Message: "the emperor has no built-in network (emperor-network = routed)", Code: http.StatusNotFound}
