package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/emperor-go/emperor/internal/control"
	"github.com/emperor-go/emperor/internal/inspect"
	"github.com/emperor-go/emperor/internal/output"
	"github.com/emperor-go/emperor/internal/readable"
	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// statusCommand shows everything known about vassals, or about the emperor.
func statusCommand() *cobra.Command {
	var r reporting
	c := operate(&cobra.Command{
		Use: "status [NAME…]", Short: "show everything about vassals, or the emperor", Args: cobra.ArbitraryArgs,
		Long: "Prints everything about a vassal, with its last exits and log lines. Without NAME it prints everything about the emperor.\n" +
			"On a terminal it prints the most important lines, at most one screen for each vassal; --all prints all lines. In a pipe the\n" +
			"output is complete. With -o json, one name gives an object, and several names or a pattern give an array." + namesHelp,
	}, func(ctx context.Context, o *operator, c *cobra.Command, words []string) error {
		if err := r.form.choose(o, "status"); err != nil {
			return err
		}
		if len(words) == 0 {
			defer o.noteVersion(c)
			return emperorStatus(ctx, o, c)
		}
		return r.run(ctx, o, c, words)
	})
	r.form.flag(c)
	c.Flags().BoolVarP(&r.all, "all", "a", false, "print all lines on a terminal, in full")
	c.Flags().BoolVar(&r.security, "security", false, "show how the running vassal is confined, by /proc")
	c.Flags().Float64Var(&r.most, "max", 0, "with --security, exit with 1 when the exposure is above `N`")
	return c
}

// reporting has the options of the command status.
type reporting struct {
	form          streamForm
	all, security bool
	most          float64 // the highest exposure that is no failure; 0: any
}

// run prints the status of all vassals that words select.
func (r *reporting) run(ctx context.Context, o *operator, c *cobra.Command, words []string) error {
	names, err := o.names(ctx, words)
	if err != nil {
		return err
	}
	list, errs := each(o, names, func(o *operator, name string) (s control.Status, err error) {
		return s, o.get(ctx, of(name, ""), &s)
	})
	if single(words) && errs[0] != nil {
		return errs[0]
	}
	found := []control.Status{} // prints as [], not null, when empty
	for i, s := range list {
		if errs[i] == nil {
			found = append(found, s)
		}
	}
	switch {
	case r.security:
		err = r.confinement(ctx, o, c, found)
	case o.asJSON && single(words):
		err = printJSON(c.OutOrStdout(), found[0])
	case o.asJSON:
		err = printJSON(c.OutOrStdout(), found)
	default:
		_, err = io.WriteString(c.OutOrStdout(), r.text(found))
	}
	return cmp.Or(conclude(c, names, errs, "have no status"), err)
}

// text returns the facts of each vassal, with an empty line between two.
func (r *reporting) text(found []control.Status) string {
	var texts []string
	for _, s := range found {
		list := statusFacts(s, time.Now())
		if width, height, terminal := screen(); terminal && !r.all {
			list = condensed(list, width, height-1) // the prompt of the shell has the last row
		}
		texts = append(texts, factsText(list))
	}
	return strings.Join(texts, "\n")
}

// confinement prints how the vassals are confined.
func (r *reporting) confinement(ctx context.Context, o *operator, c *cobra.Command, found []control.Status) error {
	var subjects []inspect.SecuritySubject
	for _, s := range found {
		facts, err := factsOf(ctx, o, s)
		if err != nil {
			return err
		}
		subjects = append(subjects, inspect.NewSecuritySubject(s.Name, facts))
	}
	return printSecurity(c.OutOrStdout(), subjects, o.asJSON, r.most)
}

func emperorStatus(ctx context.Context, o *operator, c *cobra.Command) error {
	var info control.Info
	if err := o.get(ctx, "/emperor", &info); err != nil {
		return err
	}
	if o.asJSON {
		return printJSON(c.OutOrStdout(), info)
	}
	total, states := 0, []string{}
	for _, state := range slices.Sorted(maps.Keys(info.Vassals)) {
		total += info.Vassals[state]
		states = append(states, fmt.Sprintf("%d %s", info.Vassals[state], state))
	}
	_, err := fmt.Fprintf(c.OutOrStdout(), "emperor %s, pid %d, for %s\nwatching  %s\nvassals   %d (%s)\n%s", info.Version, info.PID,
		readable.Age(info.Started, time.Now()), strings.Join(info.Monitors, ", "), total, strings.Join(states, ", "), failuresText(info.Failures))
	return err
}

// failuresText returns a line about services of the emperor that failed. Empty: none has.
func failuresText(failures map[string]uint64) string {
	var list []string
	for _, actor := range slices.Sorted(maps.Keys(failures)) {
		list = append(list, fmt.Sprintf("%s %d times", actor, failures[actor]))
	}
	if len(list) == 0 {
		return ""
	}
	return "failures  " + readable.Clean(strings.Join(list, ", ")) + " (see the emperor's log)\n"
}

// statusFacts returns everything about a vassal, without unknown values.
func statusFacts(s control.Status, now time.Time) (list []fact) {
	put := func(key, value string) {
		if value != "" && value != "0" {
			list = append(list, fact{key, readable.Clean(value)})
		}
	}
	at := func(key string, t time.Time) {
		if !t.IsZero() {
			put(key, fmt.Sprintf("%s (%s ago)", t.Local().Format("2006-01-02 15:04:05"), readable.Age(t, now)))
		}
	}
	put("name", s.Name)
	should := "should be " + string(s.Desired)
	if s.Desired == emperor.Run {
		should = "should run"
	}
	put("state", fmt.Sprintf("%s for %s, %s", s.State, readable.Age(s.Since, now), should))
	put("reason", s.Why)
	put("waits for", s.WaitsFor)
	for _, text := range strings.Split(s.Error, "\n") {
		put("error", text)
	}
	at("faulty since", s.FaultSince)
	put("fallback", s.Fallback)
	if s.PauseUntil.After(now) {
		put("next launch", "in "+s.PauseUntil.Sub(now).Round(time.Second).String())
	}
	put("reported status", s.Status)
	put("pid", number(s.PID))
	put("runs as", userNames{}.of(s.RunsAs))
	put("generation", fmt.Sprintf("%d, %d restarts, %d reloads, %d failures in a row", s.Generation, s.Restarts, s.Reloads, s.Failures))
	putUsage(s.Usage, put)
	put("address", s.Address)
	putNetwork(s.Record, put)
	put("file", s.Path)
	for _, path := range s.Ignored {
		put("ignored", path+", which has the same name or is the same file")
	}
	if s.Config != s.WantedConfig && s.WantedConfig != "" {
		put("config", fmt.Sprintf("%s in effect, %s in the file", s.Config, s.WantedConfig))
	} else {
		put("config", s.Config)
	}
	put("owner", fmt.Sprintf("%d:%d", s.UID, s.GID))
	at("started", s.LastRun)
	at("ready", s.Ready)
	at("accepting", s.Accepting)
	at("loyal", s.Loyal)
	at("heartbeat", s.Heartbeat)
	at("reloaded", s.Reloaded)
	if !s.Reloaded.IsZero() || s.ReloadGap > 0 {
		put("reload gap", gapText(s.Record))
	}
	for _, key := range slices.Sorted(maps.Keys(s.Attributes)) {
		put("attribute", key+"="+s.Attributes[key])
	}
	for _, key := range slices.Sorted(maps.Keys(s.Namespaces)) {
		put("namespace", s.Namespaces[key])
	}
	put("cgroup", s.Cgroup)
	for _, l := range s.Links {
		put("link", linkText(l))
	}
	for _, h := range s.Hooks {
		took := time.Duration(h.Took * float64(time.Second)).Round(time.Millisecond)
		put("hook", fmt.Sprintf("%s generation %d, %s #%d (%s) after %s: %s", h.Ended.Local().Format("15:04:05"), h.Generation, h.Phase, h.Index,
			h.Hook, took, h.Result))
	}
	for _, x := range s.Exits {
		life := time.Duration(x.Uptime * float64(time.Second)).Round(10 * time.Millisecond)
		put("exit", fmt.Sprintf("%s generation %d, %s after %s: %s", x.Time.Local().Format("15:04:05"), x.Generation, x.From, life, x.Text))
		put("because", x.Reason)
	}
	for _, l := range s.Lines {
		put("log", logText(l))
	}
	return list
}

// linkText describes an interface of a vassal.
func linkText(l namespaces.Link) string {
	text := l.Name
	if l.Host != "" {
		text += " to " + l.Host + " of the host"
	} else if l.Kind != "" {
		text += " (" + l.Kind + ")"
	}
	if !l.Up {
		text += ", down"
	}
	for _, a := range l.Addresses {
		text += ", " + a.String()
	}
	return text
}

// logText formats a line of a vassal's output.
func logText(l output.Line) string {
	level := l.Level.String()
	return l.Time.Local().Format("15:04:05.000 ") + level + strings.Repeat(" ", max(1, 6-len(level))) + l.Text
}
