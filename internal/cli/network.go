package cli

import (
	"fmt"
	"time"

	"github.com/emperor-go/emperor/internal/control"
	"github.com/emperor-go/emperor/pkg/emperor"
)

// putNetwork prints the network of a vassal.
func putNetwork(r emperor.Record, put func(key, value string)) {
	if n := r.Network; n != nil {
		text := n.Mode
		for _, a := range n.Addresses {
			text += ", " + a.String()
		}
		put("network", text)
		for _, p := range n.Published {
			put("published", control.PublishedText(p))
		}
		for _, a := range n.Allowed {
			put("allowed", a)
		}
		put("limit", n.Limit)
		if n.Group != 0 {
			put("host link", fmt.Sprintf("%s, group %d", n.HostInterface, n.Group))
		}
		if n.Spoofed != nil {
			put("forged packets", fmt.Sprintf("%d dropped", *n.Spoofed))
		}
		for _, text := range n.Why {
			put("reason", text)
		}
	}
	if r.NoNetwork != "" {
		put("no network", fmt.Sprintf("since %s: %s", r.NoNetworkSince.Local().Format(time.DateTime), r.NoNetwork))
	}
}
