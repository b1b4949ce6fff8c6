package main

import (
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/emperor-go/emperor/internal/accounts"
	"github.com/emperor-go/emperor/internal/inspect"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/emperor/monitor"
)

// trust lists the directories and files that decide which vassals these monitors find.
func (p places) trust(monitors ...string) inspect.Trust {
	t := inspect.Trust{UID: uint32(os.Geteuid()), GID: uint32(os.Getegid())}
	if p.Emperor != nil && p.UID.Set {
		if id, err := accounts.UID(p.UID); err == nil {
			t.UID = id
		}
	}
	if p.Emperor != nil && p.GID.Set {
		if id, err := accounts.GID(p.GID); err == nil {
			t.GID = id
		}
	}
	for _, m := range monitors {
		files, _ := p.files(m) // the monitor reports the error
		for _, c := range files {
			t.Files = append(t.Files, c.Path)
		}
		if pattern, ok := p.pattern(m); ok {
			dir, _ := os.Getwd() // an absolute pattern needs none
			t.Dirs = append(t.Dirs, monitor.Directories(dir, pattern)...)
		} else {
			t.Dirs = append(t.Dirs, m)
		}
	}
	return t
}

// maxOpen is the number of files that are named in one line.
const maxOpen = 5

// warnOpen warns about users other than root and the emperor's who decide about vassals. It
// reads directories, which may block.
func warnOpen(o *config.Emperor, log *slog.Logger) {
	var files []string
	trust := places{o}.trust(o.Monitors...)
	trust.Files = append(trust.Files, inspect.Sources(o)...)
	for _, f := range trust.Open() {
		info, err := os.Stat(f.Origin.File)
		if err == nil && info.IsDir() {
			log.Warn(f.Error())
			continue
		}
		who, _, _ := strings.Cut(f.What, " can ")
		files = append(files, fmt.Sprintf("%s (%s)", f.Origin.File, who))
	}
	if len(files) == 0 {
		return
	}
	more := ""
	if n := len(files) - maxOpen; n > 0 {
		files, more = files[:maxOpen], fmt.Sprintf(" and %d more", n)
	}
	log.Warn("other users can write to files that run with the emperor's rights: " + strings.Join(files, ", ") + more + " (chown root, chmod go-w)")
}
