package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/emperor-go/emperor/internal/control"
	"github.com/emperor-go/emperor/internal/readable"
)

// topLong explains the command.
const topLong = `Shows the vassals with the highest processor usage first, until it is interrupted. Keys on a terminal:
  c m r s n       sort by cpu, memory, restarts, since (latest first) or name
  arrows space b  scroll
  g G             go to the first or the last vassal
  /               filter by name; enter ends the input, escape removes the filter
  q               quit
Without a terminal it prints one snapshot after one interval. On a terminal without a cursor
(TERM=dumb) it prints one snapshot below the other. --count sets the number of snapshots, and 0 means no limit.
With --json it prints one array per line.`

// topCommand shows the busiest vassals repeatedly.
func topCommand() *cobra.Command {
	t := top{sort: "cpu"}
	c := operate(&cobra.Command{
		Use: "top [--sort KEY] [--count N]", Short: "show the busiest vassals, live", Args: cobra.NoArgs, Long: topLong,
	}, func(ctx context.Context, o *operator, c *cobra.Command, _ []string) error {
		if orders[t.sort] == nil {
			return exitError{fmt.Errorf("cannot sort by %q: give one of %s", t.sort, strings.Join(sortKeys(), ", ")), ExitUsage}
		}
		t.operator, t.out, t.interval = o, c.OutOrStdout(), max(t.interval, 100*time.Millisecond)
		_, _, terminal := screen()
		if !terminal && !c.Flags().Changed("count") {
			t.count = 1
		}
		// Signals that end the process must restore the terminal first.
		ctx, stop := signal.NotifyContext(ctx, syscall.SIGHUP, syscall.SIGQUIT)
		defer stop()
		if terminal && !o.asJSON && !dumb() {
			return t.live(ctx)
		}
		return t.plain(ctx)
	})
	c.Flags().DurationVarP(&t.interval, "interval", "i", 2*time.Second, "time between two snapshots")
	c.Flags().StringVarP(&t.sort, "sort", "s", t.sort, "order by `KEY`: "+strings.Join(sortKeys(), ", "))
	c.Flags().IntVarP(&t.count, "count", "n", 0, "end after `N` snapshots; 0: when it is interrupted")
	_ = c.RegisterFlagCompletionFunc("sort", cobra.FixedCompletions(sortKeys(), cobra.ShellCompDirectiveNoFileComp))
	return c
}

// top has the options and the state of the command.
type top struct {
	operator *operator
	out      io.Writer
	interval time.Duration
	sort     string
	count    int // the number of snapshots; 0: without limit
	usage    usage
	view     view
}

// fetch asks the emperor.
func (t *top) fetch(ctx context.Context) ([]busyVassal, error) {
	var list control.List
	if err := t.operator.get(ctx, "/vassals", &list); err != nil {
		return nil, err
	}
	return t.usage.update(list.Vassals, time.Now()), nil
}

// plain prints snapshots below each other. The first one follows after one interval, because it
// needs an earlier one for comparison.
func (t *top) plain(ctx context.Context) error {
	ticker := time.NewTicker(t.interval)
	defer ticker.Stop()
	for n := 0; ; n++ {
		busy, err := t.fetch(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		case n == 0:
		default:
			if err := t.print(busy); err != nil {
				return err
			}
		}
		if n == t.count && n > 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

func (t *top) print(busy []busyVassal) error {
	order(busy, t.sort)
	if t.operator.asJSON {
		text, err := json.Marshal(busy)
		if err == nil {
			_, err = fmt.Fprintf(t.out, "%s\n", text)
		}
		return err
	}
	width, _, terminal := screen()
	if !terminal {
		width = 0
	}
	_, err := fmt.Fprintln(t.out, strings.Join(topText(busy, t.sort, time.Now(), width), "\n"))
	return err
}

// orders has a comparison of two vassals for each key.
var orders = map[string]func(a, b *busyVassal) int{
	"cpu": func(a, b *busyVassal) int {
		return cmp.Or(cmp.Compare(b.Percent, a.Percent), cmp.Compare(b.Memory, a.Memory))
	},
	"memory":   func(a, b *busyVassal) int { return cmp.Compare(b.Memory, a.Memory) },
	"restarts": func(a, b *busyVassal) int { return cmp.Compare(b.Restarts, a.Restarts) },
	"since":    func(a, b *busyVassal) int { return b.Since.Compare(a.Since) },
	"name":     func(a, b *busyVassal) int { return cmp.Compare(a.Name, b.Name) },
}

func sortKeys() []string { return slices.Sorted(maps.Keys(orders)) }

// order sorts by a key; equal vassals stay sorted by name.
func order(list []busyVassal, key string) {
	slices.SortStableFunc(list, func(a, b busyVassal) int { return orders[key](&a, &b) })
}

// busyVassal is a vassal with its usage of one processor, in percent.
type busyVassal struct {
	control.Vassal
	Percent float64 `json:"cpu_percent"`
}

// usage compares each snapshot with the one before.
type usage struct {
	at  time.Time
	cpu map[string]float64
}

// update compares with the last snapshot.
func (u *usage) update(vassals []control.Vassal, now time.Time) []busyVassal {
	list, cpu := []busyVassal{}, map[string]float64{}
	for _, v := range vassals {
		b := busyVassal{Vassal: v}
		key := fmt.Sprint(v.Name, v.Generation)
		if last, ok := u.cpu[key]; ok && now.After(u.at) {
			b.Percent = max(0, 100*(v.CPU-last)/now.Sub(u.at).Seconds())
		}
		cpu[key] = v.CPU
		list = append(list, b)
	}
	u.at, u.cpu = now, cpu
	return list
}

// topHeads is the number of lines before the first vassal in topText.
const topHeads = 3

// topColumns are the columns of top. When a line does not fit, the columns with the highest rank are left out first.
var topColumns = []column{
	{name: "NAME", least: 12, fair: 16},
	{name: "STATE"},
	{name: "SINCE", rank: 1},
	{name: "PID", rank: 5},
	{name: "CPU%"},
	{name: "CPU", rank: 6},
	{name: "MEMORY"},
	{name: "TASKS", rank: 4},
	{name: "RESTARTS", rank: 2},
	{name: "LIMITS MET", rank: 3},
	{name: "ERROR", least: 18},
}

// topText returns the lines of a snapshot for a terminal of this width, in full for width 0.
func topText(list []busyVassal, key string, now time.Time, width int) []string {
	states := map[string]int{}
	rows := &table{columns: slices.Clone(topColumns)}
	for _, v := range list {
		states[string(v.State)]++
		if width > 0 {
			v.Vassal = v.Brief()
		}
		rows.rows = append(rows.rows, []string{
			v.Name, string(v.State), readable.Age(v.Since, now), number(v.PID), fmt.Sprintf("%.1f", v.Percent), readable.Seconds(v.CPU),
			v.MemoryText(), v.TasksText(), fmt.Sprint(v.Restarts), v.LimitsMet(), v.Error,
		})
	}
	rows.fit(width)
	text := rows.text(false)
	head := fmt.Sprintf("%s  %d vassals", now.Format("15:04:05"), len(list))
	for _, s := range []string{"running", "reloading", "backoff", "throttled", "idle", "waiting"} {
		if states[s] > 0 {
			head += fmt.Sprintf(", %d %s", states[s], s)
		}
	}
	head += "  (by " + key + ")"
	return append([]string{head, ""}, strings.Split(strings.TrimSuffix(text, "\n"), "\n")...)
}
