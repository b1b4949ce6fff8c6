package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mattn/go-runewidth"
)

// fact is a line of a status.
type fact struct{ key, value string }

func (f fact) String() string { return fmt.Sprintf("%-16s %s", f.key, f.value) }

func factsText(list []fact) string {
	var b strings.Builder
	for _, f := range list {
		b.WriteString(f.String() + "\n")
	}
	return b.String()
}

// vital are the keys of the facts that explain the state of a vassal. They are wrapped, not cut.
var vital = []string{"name", "state", "reason", "waits for", "error", "faulty since", "fallback", "next launch"}

// Sizes of a condensed status.
const (
	leastRows   = 6 // of a smaller screen it fills more than one
	wrappedRows = 4 // of a vital fact
	lastLines   = 5 // log lines that come before details
)

// condensed returns the facts for a screen of this size, in their order. If they need more rows, details in
// the middle give way first, then older exits and lines of the log, and a line with the number of missing ones
// stands in their place.
func condensed(list []fact, width, height int) []fact {
	height = max(height, leastRows)
	if rowsOf(list, width) <= height {
		return list
	}
	kept := choice{list: shortened(list, width), width: width, room: height - 1, chosen: make([]bool, len(list))}
	newest := slices.Clone(kept.of("log"))
	slices.Reverse(newest)
	exit := kept.of("exit")
	kept.take(kept.of(vital...), kept.room/2)
	if len(exit) > 0 { // with its reason
		kept.take(slices.DeleteFunc(kept.of("exit", "because"), func(i int) bool { return i < exit[len(exit)-1] }), kept.room)
	}
	kept.take(newest[:min(lastLines, len(newest))], kept.room)
	kept.take(slices.DeleteFunc(kept.of(), func(i int) bool { return slices.Contains([]string{"log", "exit", "because"}, list[i].key) }), kept.room)
	kept.take(newest, kept.room)
	return kept.facts()
}

// choice collects facts for a screen.
type choice struct {
	list        []fact
	width, room int // the room is in rows
	chosen      []bool
}

// of returns the positions of the facts with these keys; without keys, all.
func (c *choice) of(keys ...string) (at []int) {
	for i, f := range c.list {
		if len(keys) == 0 || slices.Contains(keys, f.key) {
			at = append(at, i)
		}
	}
	return at
}

// take chooses facts, in this order, that fit into this number of rows and the screen.
func (c *choice) take(at []int, most int) {
	for _, i := range at {
		rows := rowsOf(c.list[i:i+1], c.width)
		if c.chosen[i] || rows > most || rows > c.room {
			continue
		}
		c.chosen[i] = true
		c.room -= rows
		most -= rows
	}
}

// facts returns the chosen ones. The number of the others stands where most of them are missing.
func (c *choice) facts() (list []fact) {
	missing, gap, longest, place := 0, 0, 0, 0
	for i, f := range c.list {
		if c.chosen[i] {
			list = append(list, f)
			gap = 0
			continue
		}
		missing++
		if gap++; gap > longest {
			longest, place = gap, len(list)
		}
	}
	if missing == 0 {
		return list
	}
	return slices.Insert(list, place, fact{"…", fmt.Sprintf("%d more lines: --all", missing)})
}

// shortened cuts long facts: vital ones after some rows, others after one.
func shortened(list []fact, width int) []fact {
	list = slices.Clone(list)
	for i, f := range list {
		rows := 1
		if slices.Contains(vital, f.key) {
			rows = wrappedRows
		}
		key := runewidth.StringWidth(fact{f.key, ""}.String())
		list[i].value = runewidth.Truncate(f.value, max(rows*width-key, 1), "…")
	}
	return list
}

// rowsOf returns the number of rows of facts on a screen of this width.
func rowsOf(list []fact, width int) (rows int) {
	for _, f := range list {
		rows += max(1, (runewidth.StringWidth(f.String())+width-1)/width)
	}
	return rows
}
