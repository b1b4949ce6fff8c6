package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/emperor/control"
)

// The sequences of ECMA-48 that top needs: other screen, home, clear to the end.
const (
	enterScreen = "\x1b[?1049h\x1b[?25l"
	leaveScreen = "\x1b[?25h\x1b[?1049l"
	redraw      = "\x1b[H"
	clearLine   = "\x1b[K\r\n"
	clearRest   = "\x1b[J"
)

// topCommand shows the busiest vassals, again and again.
func topCommand() *cobra.Command {
	var pause time.Duration
	c := operate(&cobra.Command{
		Use: "top", Short: "show the busiest vassals, live", Args: cobra.NoArgs,
		Long: "Shows the vassals that use most of the processors first, until it is interrupted. With --json, one array a line.",
	}, func(ctx context.Context, o *operator, c *cobra.Command, _ []string) error {
		_, _, terminal := screen()
		if terminal && !o.asJSON {
			fmt.Fprint(c.OutOrStdout(), enterScreen)
			defer fmt.Fprint(c.OutOrStdout(), leaveScreen)
		}
		ticker := time.NewTicker(max(pause, 100*time.Millisecond))
		defer ticker.Stop()
		for t := (usage{}); ; {
			var list control.List
			if err := o.get(ctx, "/vassals", &list); err != nil {
				if ctx.Err() != nil {
					return nil
				}
				return err
			}
			busy := t.update(list.Vassals, time.Now())
			switch {
			case o.asJSON:
				if err := printLine(c, busy); err != nil {
					return err
				}
			case terminal:
				width, height, _ := screen()
				fmt.Fprint(c.OutOrStdout(), redraw+strings.Join(fit(topText(busy, time.Now()), width, height-1), clearLine)+clearRest)
			default:
				fmt.Fprintln(c.OutOrStdout(), strings.Join(topText(busy, time.Now()), "\n"))
			}
			select {
			case <-ctx.Done():
				return nil
			case <-ticker.C:
			}
		}
	})
	c.Flags().DurationVarP(&pause, "interval", "i", 2*time.Second, "time between two looks")
	return c
}

// busyVassal is a vassal and the part of one processor that it uses, in percent.
type busyVassal struct {
	control.Vassal
	Percent float64 `json:"cpu_percent"`
}

// usage remembers the last look.
type usage struct {
	at  time.Time
	cpu map[string]float64
}

// update compares with the last look; the busiest come first.
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
	slices.SortStableFunc(list, func(a, b busyVassal) int {
		switch {
		case a.Percent > b.Percent, a.Percent == b.Percent && a.Memory > b.Memory:
			return -1
		case a.Percent == b.Percent && a.Memory == b.Memory:
			return 0
		}
		return 1
	})
	u.at, u.cpu = now, cpu
	return list
}

func topText(list []busyVassal, now time.Time) []string {
	states := map[string]int{}
	rows := [][]string{{"NAME", "STATE", "SINCE", "PID", "CPU%", "CPU", "MEMORY", "RESTARTS", "ERROR"}}
	for _, v := range list {
		states[string(v.State)]++
		rows = append(rows, []string{
			v.Name, string(v.State), age(v.Since, now), number(v.PID), fmt.Sprintf("%.1f", v.Percent), seconds(v.CPU), size(v.Memory),
			fmt.Sprint(v.Restarts), v.Error,
		})
	}
	var b strings.Builder
	_ = printTable(&b, rows)
	head := fmt.Sprintf("%s  %d vassals", now.Format("15:04:05"), len(list))
	for _, s := range []string{"running", "reloading", "backoff", "idle", "waiting"} {
		if states[s] > 0 {
			head += fmt.Sprintf(", %d %s", states[s], s)
		}
	}
	return append([]string{head, ""}, strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")...)
}

// fit cuts lines to a screen.
func fit(lines []string, width, height int) []string {
	lines = lines[:min(len(lines), max(height, 1))]
	for i, l := range lines {
		if r := []rune(l); len(r) > width {
			lines[i] = string(r[:width])
		}
	}
	return lines
}

// screen is the size of the terminal.
func screen() (width, height int, terminal bool) {
	size, err := unix.IoctlGetWinsize(int(os.Stdout.Fd()), unix.TIOCGWINSZ)
	if err != nil || size.Col == 0 {
		return 80, 24, err == nil
	}
	return int(size.Col), int(size.Row), true
}
