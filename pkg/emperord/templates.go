package emperord

import (
	"github.com/emperor-go/emperor/internal/reads"
	"github.com/emperor-go/emperor/internal/vassalfiles"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/wire"
)

// templates reads the templates around the configurations of vassals in a directory. It is nil
// when there are none.
func templates(f config.TemplateFiles, files *reads.Pool) func(dir string) (*wire.Templates, error) {
	if f.None() {
		return nil
	}
	return func(dir string) (*wire.Templates, error) {
		t, err := f.Read(dir, vassalfiles.Bounded(files))
		if err != nil {
			return nil, err
		}
		return &t, nil
	}
}

// templateArgs returns the arguments that name the templates to a program that replaces a
// vassal, as uWSGI's Emperor does.
func templateArgs(f config.TemplateFiles) (before, after []string) {
	option := func(args []string, name string, values []string) []string {
		for _, v := range values {
			args = append(args, name, v)
		}
		return args
	}
	before = option(nil, "--inherit", f.InheritBefore)
	before = option(before, "--include", f.IncludeBefore)
	before = option(before, "--set", f.Set)
	after = option(nil, "--inherit", f.Inherit)
	return before, option(after, "--include", f.Include)
}
