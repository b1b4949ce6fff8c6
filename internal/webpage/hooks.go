package webpage

import (
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/emperor-go/emperor/pkg/emperor"
)

// hook is the last run of a hook.
type hook struct {
	Vassal, Href string // on the page of the emperor
	Phase        string
	Index        int
	Text, Result string
	Took         float64
	// Share of the slowest hook in the list, in percent.
	Share  int
	Failed bool
	// Earlier: it ran for an earlier generation.
	Earlier bool
	Ended   time.Time
}

// hooksOf lists the runs of a vassal's hooks in the order of time.
func hooksOf(runs []emperor.HookRun, generation uint64) (list []hook) {
	for _, r := range runs {
		h := hookOf(r)
		h.Earlier = r.Generation != generation
		list = append(list, h)
	}
	return shares(list)
}

func hookOf(r emperor.HookRun) hook {
	return hook{
		Phase: string(r.Phase), Index: r.Index, Text: text(r.Hook), Result: text(r.Result), Took: r.Took, Failed: r.Result != "ok",
		Ended: r.Ended,
	}
}

func shares(list []hook) []hook {
	slowest := 0.0
	for _, h := range list {
		slowest = max(slowest, h.Took)
	}
	for i := range list {
		if slowest > 0 {
			list[i].Share = int(100 * list[i].Took / slowest)
		}
	}
	return list
}

// slowest returns the longest of many runs.
func slowest(list []hook, most int) []hook {
	slices.SortStableFunc(list, func(a, b hook) int {
		switch {
		case a.Took > b.Took:
			return -1
		case a.Took < b.Took:
			return 1
		}
		return 0
	})
	return shares(list[:min(most, len(list))])
}

func splitLines(text string) iter.Seq[string] { return strings.SplitSeq(text, "\n") }
