package cli

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/emperor-go/emperor/internal/control"
	"github.com/emperor-go/emperor/internal/nss"
	"github.com/emperor-go/emperor/pkg/emperor"
)

// listCommand prints every vassal in a line.
func listCommand() *cobra.Command {
	return operate(&cobra.Command{
		Use: "list [--json]", Short: "print a line for each vassal", Args: cobra.NoArgs,
		Long: "Prints a line for each vassal: its state and since when, the pid and the user of its first process, the number of restarts,\n" +
			"its generation, memory and processor time, its address, and its last error.",
	}, func(ctx context.Context, o *operator, c *cobra.Command, _ []string) error {
		var list control.List
		if err := o.get(ctx, "/vassals", &list); err != nil {
			return err
		}
		if o.asJSON {
			return printJSON(c.OutOrStdout(), list.Vassals)
		}
		return printTable(c.OutOrStdout(), vassalTable(list.Vassals, time.Now()))
	})
}

// vassalTable returns a heading and a line for each vassal.
func vassalTable(vassals []control.Vassal, now time.Time) [][]string {
	rows := [][]string{{"NAME", "STATE", "SINCE", "PID", "USER", "RESTARTS", "GEN", "MEMORY", "CPU", "ADDRESS", "ERROR OR STATUS"}}
	names := userNames{}
	for _, v := range vassals {
		state := string(v.State)
		if v.Phase != "" && v.PID != 0 {
			state += " (" + v.Phase + ")"
		}
		if v.Why != "" && (v.Error == "" || v.Desired == emperor.Held) {
			v.Error = v.Why
		}
		if v.Fallback != "" && v.PID != 0 {
			v.Error = "runs on its fallback " + v.Fallback
		}
		if v.Error == "" {
			v.Error = v.Status
		}
		if v.WaitsFor != "" {
			v.Error = waits(v)
		}
		rows = append(rows, []string{
			v.Name, state, age(v.Since, now), number(v.PID), names.of(v.RunsAs), strconv.Itoa(v.Restarts), strconv.FormatUint(v.Generation, 10),
			size(v.Memory), seconds(v.CPU), v.Address, reason(v),
		})
	}
	return rows
}

// reason returns the text of the last column: the error or the status, and the files that are
// passed over because the vassal has their name, or is one of them already.
func reason(v control.Vassal) string {
	text := firstOf(v.Error)
	if len(v.Ignored) == 0 {
		return text
	}
	if text != "" {
		text += "; "
	}
	return text + "passed over: " + strings.Join(v.Ignored, ", ")
}

// userNames caches names of users.
type userNames map[uint32]string

// of returns the name of a user, or the number of a user without a name; empty for nil.
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

// waits returns the current wait of a vassal, and the error before it.
func waits(v control.Vassal) string {
	if v.Error == "" {
		return "waits for " + v.WaitsFor
	}
	return fmt.Sprintf("waits for %s; before: %s", v.WaitsFor, firstOf(v.Error))
}

// firstOf returns the first of several mistakes, one a line, and the number of others.
func firstOf(mistakes string) string {
	first, rest, more := strings.Cut(mistakes, "\n")
	if !more {
		return first
	}
	return fmt.Sprintf("%s (and %d more)", first, 1+strings.Count(rest, "\n"))
}

// printTable prints columns with the width of their content. An empty cell is a dash, unless
// it is the last.
func printTable(out io.Writer, rows [][]string) error {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 1)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(clean(cell)))
		}
	}
	var b strings.Builder
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			if cell = clean(cell); cell == "" && i < len(row)-1 {
				cell = "-"
			}
			fmt.Fprintf(&line, "%s%s  ", cell, strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)))
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// clean removes control characters from a vassal's name or text, so that these cannot control
// the terminal.
func clean(s string) string {
	bad := func(r rune) bool { return !strconv.IsPrint(r) }
	if !strings.ContainsFunc(s, bad) {
		return s
	}
	quoted := strconv.Quote(s)
	return quoted[1 : len(quoted)-1]
}

func number(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// age returns the time since, in its two largest units.
func age(since, now time.Time) string {
	if since.IsZero() {
		return ""
	}
	d := max(0, now.Sub(since))
	day := 24 * time.Hour
	switch {
	case d >= day:
		return fmt.Sprintf("%dd%dh", d/day, d%day/time.Hour)
	case d >= time.Hour:
		return fmt.Sprintf("%dh%dm", d/time.Hour, d%time.Hour/time.Minute)
	case d >= time.Minute:
		return fmt.Sprintf("%dm%ds", d/time.Minute, d%time.Minute/time.Second)
	}
	return fmt.Sprintf("%ds", d/time.Second)
}

// size formats a number of bytes for people.
func size(n uint64) string {
	if n == 0 {
		return ""
	}
	f, unit := float64(n), 0
	for ; f >= 999.5 && unit < 4; unit++ {
		f /= 1024
	}
	suffix := []string{"B", "K", "M", "G", "T"}[unit]
	if unit > 0 && f < 9.95 {
		return fmt.Sprintf("%.1f%s", f, suffix)
	}
	return fmt.Sprintf("%.0f%s", f, suffix)
}

func seconds(s float64) string {
	if s == 0 {
		return ""
	}
	if s < 60 {
		return fmt.Sprintf("%.2fs", s)
	}
	return age(time.Now().Add(-time.Duration(s*float64(time.Second))), time.Now())
}
