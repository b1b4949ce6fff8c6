package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os/signal"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/emperor-go/emperor/internal/control"
	"github.com/emperor-go/emperor/internal/nss"
	"github.com/emperor-go/emperor/internal/readable"
	"github.com/emperor-go/emperor/internal/vassalname"
	"github.com/emperor-go/emperor/pkg/emperor"
)

// listCommand prints a line for each vassal.
func listCommand() *cobra.Command {
	l := &listing{sort: "name", watch: 0}
	c := operate(&cobra.Command{
		Use: "list [NAME…]", Aliases: []string{"ls", "ps"}, Short: "print a line for each vassal", Args: cobra.ArbitraryArgs,
		Long: "Prints a line for each vassal: state and its duration, pid and user of the first process, number of restarts, generation,\n" +
			"memory and tasks with their limits, processor time, address and last error.\n" +
			"On a terminal each line fits the width: columns are left out, and names and errors are shortened. --wide prints everything,\n" +
			"and adds the owner of the file and the limits that were reached. In a pipe the output is complete." + namesHelp,
	}, func(ctx context.Context, o *operator, c *cobra.Command, words []string) error {
		if err := l.prepare(o, c, words); err != nil {
			return err
		}
		if c.Flags().Changed("watch") {
			return l.follow(ctx)
		}
		debug.SetGCPercent(once)
		vassals, err := l.fetch(ctx)
		if err != nil {
			return err
		}
		text, err := l.text(vassals)
		if err == nil {
			_, err = io.WriteString(c.OutOrStdout(), text)
			o.noteVersion(c)
		}
		return err
	})
	f := c.Flags()
	f.StringSliceVar(&l.states, "state", nil, "only vassals in this `STATE`, such as running or backoff (repeat)")
	f.StringVar(&l.owner, "owner", "", "only vassals whose files belong to this `USER`")
	f.BoolVarP(&l.quiet, "quiet", "q", false, "print only names, like -o name")
	f.BoolVar(&l.wide, "wide", false, "print all columns in full, like -o wide")
	f.StringVarP(&l.sort, "sort", "s", l.sort, "order by `KEY`: "+strings.Join(listKeys(), ", "))
	f.StringVarP(&l.form, "output", "o", "table", "`FORM` of the output: "+strings.Join(forms, ", "))
	f.StringVar(&l.color, "color", "auto", "colour the states: `WHEN` is auto, always or never (NO_COLOR is never)")
	f.DurationVarP(&l.watch, "watch", "w", 0, "print the list again after this `TIME`, until interrupted (2s)")
	f.Lookup("watch").NoOptDefVal = "2s"
	for name, values := range map[string][]string{"sort": listKeys(), "output": forms, "color": whens, "state": stateNames()} {
		_ = c.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	}
	_ = c.RegisterFlagCompletionFunc("owner", completeOwners)
	return c
}

// once is the GOGC of a process that ends after one list: up to 40 MB are not collected, which is the list of about
// 10,000 vassals.
const once = 1000

// completeOwners completes the users to whom files of vassals belong.
func completeOwners(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	dir, err := c.Flags().GetString("runtime-dir")
	var list control.List
	if err != nil || control.NewClient(dir).Call(ctx, http.MethodGet, "/vassals", &list) != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	owned, names := map[string]int{}, userNames{}
	for _, v := range list.Vassals {
		owned[names.of(&v.UID)]++
	}
	var users []string
	for _, user := range slices.Sorted(maps.Keys(owned)) {
		users = append(users, fmt.Sprintf("%s\t%d vassals", user, owned[user]))
	}
	return users, cobra.ShellCompDirectiveNoFileComp
}

// forms are the forms of a list.
var forms = []string{"table", "wide", "json", "name"}

// listing has the options of the command list.
type listing struct {
	operator      *operator
	out           io.Writer
	words, states []string
	uid           *uint32 // the user id of the owner; nil: any
	owner, sort   string
	form, color   string
	quiet, wide   bool
	watch         time.Duration
	width         int // the width of the terminal; 0: no terminal
	colored       bool
	view          view // of --watch on a terminal
}

// prepare checks the options.
func (l *listing) prepare(o *operator, c *cobra.Command, words []string) error {
	wrong := func(name, value string, values []string) error {
		return exitError{fmt.Errorf("list: --%s: %q is none of %s", name, value, strings.Join(values, ", ")), ExitUsage}
	}
	l.operator, l.out, l.words = o, c.OutOrStdout(), words
	switch {
	case l.quiet:
		l.form = "name"
	case l.wide:
		l.form = "wide"
	case o.asJSON:
		l.form = "json"
	}
	switch {
	case !slices.Contains(forms, l.form):
		return wrong("output", l.form, forms)
	case listOrders[l.sort] == nil:
		return wrong("sort", l.sort, listKeys())
	case !slices.Contains(whens, l.color):
		return wrong("color", l.color, whens)
	}
	for _, state := range l.states {
		if !slices.Contains(stateNames(), state) {
			return wrong("state", state, stateNames())
		}
	}
	if l.owner != "" {
		u, err := nss.User(l.owner)
		if err != nil {
			return exitError{fmt.Errorf("list: --owner: %w", err), ExitUsage}
		}
		uid64, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			return err
		}
		uid := uint32(uid64)
		l.uid = &uid
	}
	width, _, terminal := screen()
	if terminal {
		l.width = width
	}
	l.colored = colored(l.color, terminal)
	return checkPatterns(words)
}

// fetch asks the emperor and returns the vassals that the options select.
func (l *listing) fetch(ctx context.Context) ([]control.Vassal, error) {
	var list control.List
	if err := l.operator.get(ctx, control.ListPath(l.fields()...), &list); err != nil {
		return nil, err
	}
	return l.choose(list.Vassals)
}

// text returns the list in the form that the options select.
func (l *listing) text(vassals []control.Vassal) (string, error) {
	switch l.form {
	case "json":
		var b strings.Builder
		err := printJSON(&b, vassals)
		return b.String(), err
	case "name":
		var b strings.Builder
		for _, v := range vassals {
			b.WriteString(readable.Clean(v.Name) + "\n")
		}
		return b.String(), nil
	}
	if l.form == "wide" {
		t := vassalTable(vassals, time.Now())
		t.addOwners(vassals)
		return t.text(l.colored), nil
	}
	if l.width > 0 {
		vassals = slices.Clone(vassals)
		for i, v := range vassals {
			vassals[i] = v.Brief()
		}
	}
	t := vassalTable(vassals, time.Now())
	t.fit(l.width)
	return t.text(l.colored), nil
}

// Fields of vassals, by their names in JSON: the ones that a selection and an order need, the others of the
// table, and the others of the wide table.
var (
	selecting = []string{"name", "state", "since", "uid", "memory_bytes", "cpu_seconds", "restarts"}
	tabulated = []string{
		"phase", "pid", "runs_as_uid", "generation", "memory_max_bytes", "tasks", "tasks_max", "network", "address", "why", "error", "desired", "fallback",
		"no_network", "no_network_since", "status", "waits_for", "ignored",
	}
	wide = []string{"limit_hits", "throttled_seconds", "oom_kills"}
)

// fields are the fields that the emperor is asked for; none means all.
func (l *listing) fields() []string {
	switch l.form {
	case "json":
		return nil
	case "name":
		return selecting
	case "wide":
		return slices.Concat(selecting, tabulated, wide)
	}
	return slices.Concat(selecting, tabulated)
}

// choose returns the vassals that the options select, in the requested order, in the memory of all.
func (l *listing) choose(all []control.Vassal) ([]control.Vassal, error) {
	used := map[string]bool{}
	names := make([]string, len(all))
	for i, v := range all {
		names[i] = v.Name
	}
	meant := map[string]string{} // the full name of each word that is no pattern
	for _, word := range l.words {
		meant[word] = word
		if name, ok := vassalname.Resolve(word, func(n string) bool { return slices.Contains(names, n) }); ok {
			meant[word] = name
		}
	}
	chosen := slices.DeleteFunc(all, func(v control.Vassal) bool {
		wanted := len(l.words) == 0
		for _, word := range l.words {
			if control.Selects(meant[word], v.Name) {
				wanted, used[word] = true, true
			}
		}
		return !wanted || len(l.states) > 0 && !slices.Contains(l.states, string(v.State)) || l.uid != nil && v.UID != *l.uid
	})
	for _, word := range l.words {
		switch {
		case used[word]:
		case control.IsPattern(word):
			return nil, exitError{fmt.Errorf("no vassal matches %q", word), exitUnknown}
		default:
			return nil, &control.Error{Message: fmt.Sprintf("there is no vassal %q", word), Near: control.Similar(word, names), Code: http.StatusNotFound}
		}
	}
	order := func(a, b control.Vassal) int { return listOrders[l.sort](&a, &b) }
	if !slices.IsSortedFunc(chosen, order) { // the emperor's list has the order of names
		slices.SortStableFunc(chosen, order)
	}
	return chosen, nil
}

// follow prints the list repeatedly: in place on a terminal, one list below the other elsewhere.
func (l *listing) follow(ctx context.Context) error {
	interval := max(l.watch, 100*time.Millisecond)
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGHUP, syscall.SIGQUIT)
	defer stop()
	if l.width > 0 && !dumb() {
		var vassals []control.Vassal
		return live(ctx, l.out, interval, 0, func(ctx context.Context, fresh bool) (_ []string, err error) {
			if fresh {
				if vassals, err = l.fetch(ctx); err != nil {
					return nil, err
				}
			}
			return l.frame(vassals)
		}, func(key byte) bool { return !l.view.press(key) && key == 'q' })
	}
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		vassals, err := l.fetch(ctx)
		if ctx.Err() != nil {
			return nil
		}
		var text string
		if err == nil {
			text, err = l.text(vassals)
		}
		if err == nil {
			_, err = io.WriteString(l.out, text+"\n")
		}
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// frame returns the part of the list that the terminal shows, and a line about the others.
func (l *listing) frame(vassals []control.Vassal) ([]string, error) {
	width, height, _ := screen()
	l.width = width
	text, err := l.text(slices.DeleteFunc(slices.Clone(vassals), func(v control.Vassal) bool { return !l.view.wants(v.Name) }))
	heads := 0
	if l.form == "table" || l.form == "wide" {
		heads = 1
	}
	return l.view.frame(strings.Split(strings.TrimSuffix(text, "\n"), "\n"), heads, height-1), err
}

// listOrders has a comparison of two vassals for each key.
var listOrders = map[string]func(a, b *control.Vassal) int{
	"name":     func(a, b *control.Vassal) int { return cmp.Compare(a.Name, b.Name) },
	"state":    func(a, b *control.Vassal) int { return cmp.Compare(a.State, b.State) },
	"since":    func(a, b *control.Vassal) int { return b.Since.Compare(a.Since) },
	"memory":   func(a, b *control.Vassal) int { return cmp.Compare(b.Memory, a.Memory) },
	"cpu":      func(a, b *control.Vassal) int { return cmp.Compare(b.CPU, a.CPU) },
	"restarts": func(a, b *control.Vassal) int { return cmp.Compare(b.Restarts, a.Restarts) },
}

func listKeys() []string { return slices.Sorted(maps.Keys(listOrders)) }

// stateNames are the states that a list can show.
func stateNames() (names []string) {
	for _, s := range emperor.States() {
		names = append(names, string(s))
	}
	return names
}

// columns are the columns of the table of vassals. When a line does not fit, the columns with the
// highest rank are left out first; rank 0 stays.
var columns = []column{
	{name: "NAME", least: 12, fair: 16},
	{name: "STATE", state: true},
	{name: "SINCE", rank: 1},
	{name: "PID", rank: 5},
	{name: "USER", rank: 4},
	{name: "RESTARTS", rank: 3},
	{name: "GEN", rank: 9},
	{name: "MEMORY", rank: 6},
	{name: "TASKS", rank: 7},
	{name: "CPU", rank: 8},
	{name: "ADDRESS", rank: 2, least: 14, fair: 15},
	{name: "ERROR OR STATUS", least: 18},
}

// vassalTable returns a table with a line for each vassal. Memory and tasks have the limit beside the use; without a
// controller that counts tasks there is no column for them.
func vassalTable(vassals []control.Vassal, now time.Time) *table {
	t := &table{columns: slices.Clone(columns)}
	names, counted := userNames{}, false
	for i := range vassals {
		v := &vassals[i]
		state := string(v.State)
		if v.Phase != "" && v.PID != 0 {
			state += " (" + v.Phase + ")"
		}
		t.rows = append(t.rows, []string{
			v.Name, state, readable.Age(v.Since, now), number(v.PID), names.of(v.RunsAs), strconv.Itoa(v.Restarts), strconv.FormatUint(v.Generation, 10),
			v.MemoryText(), v.TasksText(), readable.Seconds(v.CPU), v.Reached(), v.Summary(),
		})
		counted = counted || v.TasksText() != ""
	}
	if !counted {
		t.leaveOut(t.at("TASKS"))
	}
	return t
}

// addOwners adds the owners of the files, and how often limits were met.
func (t *table) addOwners(vassals []control.Vassal) {
	names := userNames{}
	t.insert(column{name: "OWNER"}, t.at("USER")+1, func(i int) string { return names.of(&vassals[i].UID) })
	t.insert(column{name: "LIMITS MET"}, t.at("CPU")+1, func(i int) string { return vassals[i].LimitsMet() })
}

// userNames caches names of users.
type userNames map[uint32]string

// of returns the name of a user, the number of a user without a name, or an empty text for nil.
func (names userNames) of(uid *uint32) string {
	if uid == nil {
		return ""
	}
	name, known := names[*uid]
	if !known {
		name = strconv.FormatUint(uint64(*uid), 10)
		if u, err := nss.UserID(name); err == nil {
			name = u.Username
		}
		names[*uid] = name
	}
	return name
}
