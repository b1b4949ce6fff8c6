package cli

import (
	"fmt"
	"strconv"
	"time"

	"github.com/emperor-go/emperor/internal/control"
	"github.com/emperor-go/emperor/pkg/emperor"
)

// sayNetwork prints the network of a vassal.
func sayNetwork(r emperor.Record, say func(key, value string)) {
	if n := r.Network; n != nil {
		text := n.Mode
		for _, a := range n.Addresses {
			text += ", " + a.String()
		}
		say("network", text)
		for _, p := range n.Published {
			say("published", control.PublishedText(p))
		}
		for _, a := range n.Allowed {
			say("allowed", a)
		}
		say("limit", n.Limit)
		if n.Spoofed > 0 {
			say("forged packets", strconv.FormatUint(n.Spoofed, 10))
		}
		for _, text := range n.Why {
			say("why", text)
		}
	}
	if r.NoNetwork != "" {
		say("no network", fmt.Sprintf("since %s: %s", r.NoNetworkSince.Local().Format(time.DateTime), r.NoNetwork))
	}
}
