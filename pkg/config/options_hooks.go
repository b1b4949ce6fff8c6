package config

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/emperor-go/emperor/pkg/config/option"
	"github.com/emperor-go/emperor/pkg/hooks"
)

// emperorHookOptions are the options about hooks in the emperor's own file.
var emperorHookOptions = option.Rows[Emperor]{
	{
		Name: "emperor-allow-attr", Change: option.Reload, Group: "Hooks", Arg: "OPTION|PHASE,…", Repeat: true,
		Help: "hooks of the emperor that the section [emperor] of a vassal's file may contain, if root owns the file",
		Set:  setAllowed,
	},
	{
		Name: "emperor-hook-concurrency", Change: option.Reload, Group: "Hooks", Arg: "N", Def: "1",
		Help: "number of vassals whose hooks run in the emperor at the same time; a list that takes longer than a second does not block others",
		Set:  func(e *Emperor, v option.Value) error { return setVassals(&e.HookConcurrency, v) },
	},
	{
		Name: "emperor-hook-timeout", Change: option.Reload, Group: "Hooks", Arg: "TIME", Def: "30", Help: "time limit of each hook; 0: none",
		Into: func(e *Emperor) option.Field { return (*option.Duration)(&e.HookTimeout) },
	},
}

// vassalHookOptions are the options about hooks in a vassal's file.
var vassalHookOptions = option.Rows[Vassal]{
	{
		Name: "hook-timeout", Group: "Hooks", Arg: "TIME", Def: "30", Help: "time limit of each hook; 0: none",
		Into: func(v *Vassal) option.Field { return (*option.Duration)(&v.HookTimeout) },
	},
	{
		Name: "jailed", Group: "Hooks", Help: "run the post-jail hooks although no option here jails the vassal",
		Into: func(v *Vassal) option.Field { return (*option.Flag)(&v.Jailed) },
	},
}

// hookArea has a row for each kind of hook in each of some phases. The rows are many, so they are
// made on demand.
type hookArea[T any] struct {
	who  hooks.Who
	help string // text before the help of a phase
	once bool   // contains only ownPhases, which run once, at the start: a reload does not replace them
	set  func(*T) hooks.Set
	made option.Made[T]

	naming sync.Once
	names  []string // the names of all rows
}

// phases returns a new list each time. A table must not allocate at the start of a program: each
// vassal would keep the memory.
func (a *hookArea[T]) phases() []hooks.Phase {
	if a.once {
		return ownPhases
	}
	return hooks.PhasesOf(a.who)
}

func (a *hookArea[T]) covers(info hooks.PhaseInfo) bool {
	if a.once {
		return slices.Contains(ownPhases, info.Phase)
	}
	return info.Who == a.who
}

// Find implements option.Area.
func (a *hookArea[T]) Find(name string) *option.Row[T] {
	info, kind, ok := hooks.ByOption(name)
	if !ok || !a.covers(info) {
		return nil
	}
	return a.row(info, kind)
}

// All implements option.Area.
func (a *hookArea[T]) All(yield func(*option.Row[T]) bool) {
	for _, phase := range a.phases() {
		info, _ := phase.Info()
		for _, kind := range info.Kinds {
			if !yield(a.row(info, kind)) {
				return
			}
		}
	}
}

// Names implements option.Area.
func (a *hookArea[T]) Names(yield func(string) bool) {
	a.naming.Do(func() {
		for _, phase := range a.phases() {
			info, _ := phase.Info()
			for _, kind := range info.Kinds {
				a.names = append(a.names, hooks.Spec{Phase: info.Phase, Kind: kind}.Option())
			}
		}
	})
	slices.Values(a.names)(yield)
}

func (a *hookArea[T]) row(info hooks.PhaseInfo, kind hooks.Kind) *option.Row[T] {
	name := hooks.Spec{Phase: info.Phase, Kind: kind}.Option()
	return a.made.Row(name, func() *option.Row[T] { return a.makeRow(name, info, kind) })
}

func (a *hookArea[T]) makeRow(name string, info hooks.PhaseInfo, kind hooks.Kind) *option.Row[T] {
	change := option.Respawn
	if !a.once && (info.Serving() || info.Who == hooks.Emperor && info.Phase != hooks.EmperorStart) {
		change = option.Reload
	}
	return &option.Row[T]{
		Name: name, Group: "Hooks", Arg: hookSyntax(info, kind), Repeat: true, Help: a.help + info.Help,
		Tyrant: info.AsUser(), Change: change,
		Misreads: func(text, name string) bool {
			h, err := hooks.Parse(hooks.Spec{Phase: info.Phase, Kind: kind, Text: text})
			return err != nil || h.Misreads(name)
		},
		Set: func(t *T, v option.Value) error {
			h, err := hooks.Parse(hooks.Spec{Phase: info.Phase, Kind: kind, Text: v.Text, Origin: v.Origin.String()})
			if err == nil {
				a.set(t).Add(h)
			}
			return err
		},
	}
}

// hookSyntax returns the syntax of the value of a hook option.
func hookSyntax(info hooks.PhaseInfo, kind hooks.Kind) string {
	if info.Subject != "" {
		return info.Subject + " " + kind.Syntax()
	}
	return kind.Syntax()
}

// aroundOptions are the options about the environment of hooks, the same in both programs.
var aroundOptions = option.Rows[Surroundings]{
	{
		Name: "binsh", Group: "Hooks", Arg: "PATH", Def: "/bin/sh", Repeat: true, Help: "shell of exec hooks; the first one that can be executed is used",
		Set: func(s *Surroundings, v option.Value) error {
			s.Shells = append(s.Shells, v.Text)
			return absolute(v.Text, "such as /bin/bash")
		},
	},
	{
		Name: "dlopen", Group: "Hooks", Arg: "FILE", Repeat: true, Help: "load a shared C library for call hooks, before any phase; failure ends the program",
		Set: func(s *Surroundings, v option.Value) error {
			s.Libraries.Plugins = append(s.Libraries.Plugins, hooks.Plugin{Name: v.Text})
			return absolute(v.Text, "such as /usr/lib/libhooks.so")
		},
	},
	{
		Name: "need-plugin", Aliases: []string{"need-plugins"}, Group: "Hooks", Arg: "PLUGIN[|INIT]", Repeat: true,
		Help: "as plugin, but failure ends the program",
		Set:  func(s *Surroundings, v option.Value) error { return s.addPlugins(v.Text, false) },
	},
	{
		Name: "plugin", Aliases: []string{"plugins"}, Group: "Hooks", Arg: "PLUGIN[|INIT]", Repeat: true,
		Help: "load a shared C library by path, or by name from plugin-dir, and call INIT; if it is missing, the program continues",
		Set:  func(s *Surroundings, v option.Value) error { return s.addPlugins(v.Text, true) },
	},
	{
		Name: "plugin-dir", Aliases: []string{"plugins-dir"}, Group: "Hooks", Arg: "DIR", Repeat: true, Help: "search plugins in the directory",
		Set: func(s *Surroundings, v option.Value) error {
			s.Libraries.Dirs = append(s.Libraries.Dirs, v.Text)
			return absolute(v.Text, "such as /usr/lib/emperor")
		},
	},
}

// addPlugins adds a list of plugins, separated by commas as in uWSGI.
func (s *Surroundings) addPlugins(text string, optional bool) error {
	for name := range strings.SplitSeq(text, ",") {
		p, err := hooks.ParsePlugin(name, optional)
		if err != nil {
			return err
		}
		s.Libraries.Plugins = append(s.Libraries.Plugins, p)
	}
	return nil
}

// Surroundings is the environment of hooks.
type Surroundings struct {
	// Shells are absolute paths, tried in order for commands, before /bin/sh.
	Shells []string
	// Libraries are the C libraries for call hooks.
	Libraries hooks.Libraries
}

func absolute(path, hint string) error {
	if !filepath.IsAbs(path) {
		return option.Wrong(strconv.Quote(path)+" is not an absolute path", hint)
	}
	return nil
}
