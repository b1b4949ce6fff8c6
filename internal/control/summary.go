package control

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/emperor-go/emperor/internal/address"
	"github.com/emperor-go/emperor/internal/readable"
	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/network/spec"
)

// Summary describes the situation of a vassal in one line: its wait, its error or its status, and
// the ignored files that have its name or are the same file. Empty: nothing is worth mentioning.
func (v Vassal) Summary() string {
	if v.Why != "" && (v.Error == "" || v.Desired == emperor.Held) {
		v.Error = v.Why
	}
	if v.Fallback != "" && v.PID != 0 {
		v.Error = "runs on its fallback " + v.Fallback
	}
	if v.NoNetwork != "" {
		v.Error = fmt.Sprintf("no network since %s: %s", v.NoNetworkSince.Local().Format(time.TimeOnly), v.NoNetwork)
	}
	if v.Error == "" {
		v.Error = v.Status
	}
	if v.WaitsFor != "" {
		v.Error = v.waits()
	}
	return v.Reason()
}

// Brief returns the vassal with an error that does not begin with the path of its own file, for a place with little
// room that names the vassal already: the cause would be cut instead.
func (v Vassal) Brief() Vassal {
	where, what, own := strings.Cut(v.Error, "/"+v.Name+":")
	if !own || strings.ContainsAny(where, ": ") {
		return v
	}
	if number, rest, ok := strings.Cut(what, ": "); ok && number != "" && strings.Trim(number, "0123456789") == "" {
		what = "line " + number + ": " + rest
	}
	v.Error = strings.TrimSpace(what)
	return v
}

// Reason is a shorter Summary: the error and the ignored files.
func (v Vassal) Reason() string {
	text := firstOf(v.Error)
	if len(v.Ignored) == 0 {
		return text
	}
	if text != "" {
		text += "; "
	}
	return text + "passed over: " + strings.Join(v.Ignored, ", ")
}

// waits returns the condition that a vassal waits for, and the error before it.
func (v Vassal) waits() string {
	if v.Error == "" {
		return "waits for " + v.WaitsFor
	}
	return fmt.Sprintf("waits for %s; before: %s", v.WaitsFor, firstOf(v.Error))
}

// firstOf returns the first line of a list of mistakes, and the number of other lines.
func firstOf(mistakes string) string {
	first, rest, more := strings.Cut(mistakes, "\n")
	if !more {
		return first
	}
	return fmt.Sprintf("%s (and %d more)", first, 1+strings.Count(rest, "\n"))
}

// Condition classifies the states of vassals for people.
type Condition string

// The conditions.
const (
	Serves   Condition = "serves"
	Changing Condition = "changing"
	Failed   Condition = "failed"
	Inactive Condition = "inactive"
)

// ConditionOf classifies a state.
func ConditionOf(s emperor.State) Condition {
	switch s {
	case emperor.Running:
		return Serves
	case emperor.BackingOff, emperor.Throttled, emperor.Killing, emperor.Reverting:
		return Failed
	case emperor.Idle, emperor.Waiting, emperor.Gone:
		return Inactive
	}
	return Changing
}

// TasksText returns the number of tasks of a vassal with its limit.
func (u Usage) TasksText() string {
	number := func(n uint64) string {
		if n == 0 {
			return ""
		}
		return strconv.FormatUint(n, 10)
	}
	return readable.Against(number(u.Tasks), number(u.TasksMax))
}

// MemoryText returns the memory of a vassal with its limit.
func (u Usage) MemoryText() string {
	return readable.Against(readable.Size(u.Memory), readable.Size(u.MemoryMax))
}

// LimitsMet returns how often a vassal met its limits, for people.
func (u Usage) LimitsMet() string {
	var list []string
	for _, limit := range slices.Sorted(maps.Keys(u.LimitHits)) {
		text := fmt.Sprintf("%s %d times", limit, u.LimitHits[limit])
		if limit == "cpu-quota" && u.Throttled > 0 {
			text += " for " + readable.Seconds(u.Throttled)
		}
		list = append(list, text)
	}
	if u.OOMKills != nil && *u.OOMKills > 0 {
		list = append(list, fmt.Sprintf("out of memory %d", *u.OOMKills))
	}
	return strings.Join(list, ", ")
}

// Reached returns the addresses at which clients reach a vassal: its own address with the port
// of its first socket, and the ports of the host that lead to it.
func (v Vassal) Reached() string {
	n := v.Network
	if n == nil || len(n.Addresses) == 0 {
		return v.Address
	}
	list := []string{located(n.Addresses[0], v.Address)}
	for _, text := range n.Published {
		list = append(list, PublishedText(text))
	}
	return strings.Join(list, ", ")
}

// located puts the vassal's address before the port of a socket that is bound to all addresses.
func located(own netip.Addr, bound string) string {
	at, err := address.Parse(bound)
	if err != nil || at.Path != "" {
		return own.String()
	}
	switch at.Host {
	case "", "0.0.0.0", "::", "*":
		return netip.AddrPortFrom(own, at.Port).String()
	}
	return bound
}

// PublishedText formats a published port, such as :8001->8080.
func PublishedText(text string) string {
	p, err := spec.ParsePublication(text)
	if err != nil {
		return text
	}
	at, protocol := p.Ports, ""
	if at.Protocol == spec.UDP {
		at.Protocol, protocol = spec.TCP, "/udp"
	}
	from := at.String()
	if !at.Address.IsValid() {
		from = ":" + from
	}
	return fmt.Sprintf("%s->%d%s", from, p.To, protocol)
}
