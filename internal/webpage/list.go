package webpage

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/emperor-go/emperor/internal/control"
	"github.com/emperor-go/emperor/internal/readable"
	"github.com/emperor-go/emperor/pkg/emperor"
)

// row is a vassal in the table.
type row struct {
	ID, Name, Href string
	State          string
	Condition      control.Condition
	Since          time.Time
	Memory, Limit  string
	// Share is the used part of the memory limit in percent; negative without a limit.
	Share         int
	CPU           string
	Restarts      int
	Address, Note string
	Faulty        bool
	texts         *texts // has its text, if a page has shown it; nil: it is made each time
}

// same reports whether the row looks as before: a browser counts the age itself.
func (r row) same(before any) bool { return before == any(r) }

// faulty reports whether an operator should look at a vassal.
func faulty(v *control.Vassal) bool {
	return control.ConditionOf(v.State) == control.Failed || v.Error != "" || v.NoNetwork != "" || v.Fallback != "" && v.PID != 0
}

func rowOf(v *control.Vassal, cpu map[string]float64) row {
	r := row{
		ID: idOf("v-", v.Name), Name: readable.Clean(v.Name), Href: "vassals/" + url.PathEscape(v.Name),
		State: string(v.State), Condition: control.ConditionOf(v.State), Since: v.Since, Memory: readable.Size(v.Memory), Limit: readable.Size(v.MemoryMax),
		Share: share(v.Memory, v.MemoryMax), Restarts: v.Restarts, Address: readable.Clean(addressOf(v)), Note: text(v.Brief().Summary()), Faulty: faulty(v),
	}
	if v.Phase != "" && v.PID != 0 {
		r.State += " (" + readable.Clean(v.Phase) + ")"
	}
	if used, ok := cpu[v.Name]; ok {
		r.CPU = percent(used)
	}
	return r
}

// addressOf returns the addresses of a vassal, with an arrow at which no line is broken.
func addressOf(v *control.Vassal) string { return strings.ReplaceAll(v.Reached(), "->", "→") }

// share returns a use as percent of a limit; without a limit it is negative.
func share(use, limit uint64) int {
	if limit == 0 {
		return -1
	}
	return int(min(100, float64(use)/float64(limit)*100))
}

// percent formats a number of processors.
func percent(used float64) string {
	if used < 0.0005 {
		return "0 %"
	}
	if used < 0.0995 {
		return fmt.Sprintf("%.1f %%", used*100)
	}
	return fmt.Sprintf("%.0f %%", used*100)
}

// choice is a filter by state, or an order.
type choice struct {
	Text, Href string
	Count      int
	Condition  control.Condition
	Chosen     bool
}

// query is the selection of a reader.
type query struct{ state, search, sort string }

// onlyFaulty is the filter of vassals that an operator should look at.
const onlyFaulty = "faulty"

func queryOf(r *http.Request) query {
	q := r.URL.Query()
	return query{q.Get("state"), q.Get("q"), q.Get("sort")}
}

// href returns the address of a selection, relative to the root.
func (q query) href() string {
	values := url.Values{}
	for key, value := range map[string]string{"state": q.state, "q": q.search, "sort": q.sort} {
		if value != "" {
			values.Set(key, value)
		}
	}
	if len(values) == 0 {
		return "."
	}
	return "?" + values.Encode()
}

// takes reports whether a vassal is selected, apart from its state.
func (q query) takes(v *control.Vassal) bool {
	if q.search == "" {
		return true
	}
	text := strings.ToLower(strings.Join([]string{v.Name, v.Reached(), v.Summary()}, "\n"))
	return strings.Contains(text, strings.ToLower(q.search))
}

func (q query) inState(v *control.Vassal) bool {
	return q.state == "" || q.state == string(v.State) || q.state == onlyFaulty && faulty(v)
}

// orders are the columns by which a reader can sort. Equal vassals are in the order of names.
var orders = []struct {
	key, text string
	compare   func(a, b *control.Vassal, cpu map[string]float64) int
}{
	{"name", "Name", func(_, _ *control.Vassal, _ map[string]float64) int { return 0 }},
	{"state", "State", func(a, b *control.Vassal, _ map[string]float64) int { return cmp.Compare(a.State, b.State) }},
	{"since", "For", func(a, b *control.Vassal, _ map[string]float64) int { return b.Since.Compare(a.Since) }},
	{"memory", "Memory", func(a, b *control.Vassal, _ map[string]float64) int { return cmp.Compare(b.Memory, a.Memory) }},
	{"cpu", "CPU", func(a, b *control.Vassal, cpu map[string]float64) int { return cmp.Compare(cpu[b.Name], cpu[a.Name]) }},
	{"restarts", "Restarts", func(a, b *control.Vassal, _ map[string]float64) int { return cmp.Compare(b.Restarts, a.Restarts) }},
}

// urgency orders vassals by default: faulty ones, changing ones, serving ones, inactive ones.
func urgency(v *control.Vassal) int {
	if faulty(v) {
		return -1
	}
	return slices.Index([]control.Condition{control.Failed, control.Changing, control.Serves, control.Inactive}, control.ConditionOf(v.State))
}

func (q query) compare(cpu map[string]float64) func(a, b *control.Vassal) int {
	for _, o := range orders {
		if o.key == q.sort {
			return func(a, b *control.Vassal) int { return o.compare(a, b, cpu) }
		}
	}
	return func(a, b *control.Vassal) int { return cmp.Compare(urgency(a), urgency(b)) }
}

// maxRows limits the rows of the table; the search finds all vassals.
const maxRows = 2000

// listPage makes the page of all vassals.
func (s *Site) listPage(r *http.Request) func(context.Context) (view, error) {
	q := queryOf(r)
	return func(ctx context.Context) (view, error) {
		now, err := s.sampler.take(ctx, s.Facts)
		if err != nil {
			return view{}, err
		}
		found, counts := choose(now, q)
		s.texts.tidy(len(now.vassals))
		rows := make([]part, 0, min(len(found), maxRows))
		for _, v := range found[:min(len(found), maxRows)] {
			data := rowOf(v, now.cpu)
			data.texts = &s.texts
			rows = append(rows, part{data.ID, "row", data})
		}
		v := view{Kind: "all", Title: title(now), Live: "live" + strings.TrimPrefix(q.href(), "."), Fixed: q.fixed()}
		v.Parts = map[string]part{
			"counts": {"counts", "counts", q.filters(now, counts)},
			"strip":  {"strip", "strip", s.stripOf(time.Now())},
			"rest":   {"rest", "rest", restOf(len(now.vassals), len(found))},
		}
		v.Lists = map[string][]part{"rows": rows}
		return v, nil
	}
}

// title is the title of the window: it shows in a tab whether something is wrong.
func title(now *sample) string {
	wrong := 0
	for i := range now.vassals {
		if faulty(&now.vassals[i]) {
			wrong++
		}
	}
	if wrong == 0 {
		return "Vassals"
	}
	return fmt.Sprintf("(%d) Vassals", wrong)
}

// choose returns the selected vassals in order, and the number in each state among the vassals that match
// the search.
func choose(now *sample, q query) (found []*control.Vassal, counts map[string]int) {
	counts = map[string]int{}
	for i := range now.vassals {
		v := &now.vassals[i]
		if !q.takes(v) {
			continue
		}
		counts[""]++
		counts[string(v.State)]++
		if faulty(v) {
			counts[onlyFaulty]++
		}
		if q.inState(v) {
			found = append(found, v)
		}
	}
	slices.SortStableFunc(found, q.compare(now.cpu))
	return found, counts
}

// filters returns the filters by state, with the number of vassals that each shows.
func (q query) filters(_ *sample, counts map[string]int) []choice {
	add := func(list []choice, text, state string, c control.Condition) []choice {
		other := q
		other.state = state
		return append(list, choice{text, other.href(), counts[state], c, q.state == state})
	}
	list := add(nil, "all", "", "")
	list = add(list, onlyFaulty, onlyFaulty, control.Failed)
	for _, state := range emperor.States() {
		if counts[string(state)] > 0 || q.state == string(state) {
			list = add(list, string(state), string(state), control.ConditionOf(state))
		}
	}
	return list
}

// allFixed is the part of the page that stays while it is open.
type allFixed struct {
	Search, State, Sort string
	Columns             []choice
}

// fixed returns the headings, which sort, and the search.
func (q query) fixed() allFixed {
	f := allFixed{Search: q.search, State: q.state, Sort: q.sort}
	for _, o := range orders {
		other := q
		if other.sort = o.key; q.sort == o.key {
			other.sort = "" // a second click leads back to the default order
		}
		f.Columns = append(f.Columns, choice{Text: o.text, Href: other.href(), Chosen: q.sort == o.key})
	}
	return f
}

// restOf describes the vassals that are not in the table.
func restOf(all, found int) string {
	switch {
	case all == 0:
		return "There are no vassals yet: each file in a watched directory becomes one."
	case found == 0:
		return "No vassal matches."
	case found > maxRows:
		return fmt.Sprintf("%d more are not shown: search, or filter by state.", found-maxRows)
	}
	return ""
}
