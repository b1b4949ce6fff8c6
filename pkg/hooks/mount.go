package hooks

import (
	"context"
	"slices"
	"strings"

	"github.com/emperor-go/emperor/internal/suggest"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// parseMount parses FILESYSTEM SOURCE TARGET [FLAGS [DATA]].
func parseMount(args string) (action, error) {
	words := strings.Fields(args)
	if len(words) < 3 || len(words) > 5 {
		return nil, mistake("the syntax is "+Mount.Syntax(), "%q is not a mount", args)
	}
	m := namespaces.Mount{Type: words[0], Source: words[1], Target: words[2]}
	if len(words) > 3 && words[3] != "-" {
		var unknown string
		if m.Flags, unknown = namespaces.ParseMountFlags(words[3]); unknown != "" {
			return nil, badFlag(unknown, namespaces.MountFlagNames(), "; options of the filesystem are a fifth word")
		}
	}
	if len(words) == 5 {
		m.Data = words[4]
	}
	return func(_ context.Context, s *scene) error {
		here := m
		here.Target = s.absolute(m.Target)
		if m.Flags.TakesPath() {
			here.Source = s.absolute(m.Source)
		}
		return here.Do()
	}, nil
}

// parseUmount parses TARGET [FLAGS].
func parseUmount(args string) (action, error) {
	words := strings.Fields(args)
	if len(words) < 1 || len(words) > 2 {
		return nil, mistake("the syntax is "+Umount.Syntax(), "%q is not a mount point", args)
	}
	var flags namespaces.UmountFlags
	if len(words) == 2 {
		var unknown string
		if flags, unknown = namespaces.ParseUmountFlags(words[1]); unknown != "" {
			return nil, badFlag(unknown, namespaces.UmountFlagNames(), "")
		}
	}
	return func(_ context.Context, s *scene) error { return namespaces.Unmount(s.absolute(words[0]), flags) }, nil
}

func badFlag(word string, known []string, more string) error {
	hint := "known are " + strings.Join(known, ", ")
	if near := suggest.Near(word, slices.Values(known)); near != nil {
		hint = suggest.Question("", near...)
	}
	return mistake(hint+more, "unknown flag %q", word)
}
