package emperord

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/emperor-go/emperor/internal/inspect"
	"github.com/emperor-go/emperor/internal/reads"
	"github.com/emperor-go/emperor/internal/vassalfiles"
	"github.com/emperor-go/emperor/pkg/config"
)

// maxOpen is the number of files that are named in one line.
const maxOpen = 5

// warnOpen warns about users other than root and the emperor's who decide about vassals. When
// directories do not answer in time, the warning comes later, or never.
func warnOpen(ctx context.Context, o *config.Emperor, log *slog.Logger) {
	_ = reads.New().Do(ctx, "/", func(reads.At) error {
		warnOpenNow(o, log)
		return nil
	})
}

func warnOpenNow(o *config.Emperor, log *slog.Logger) {
	var files []string
	trust := vassalfiles.Finder{Emperor: o}.Trust(o.Monitors...)
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
