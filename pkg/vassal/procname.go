package vassal

import (
	"context"
	"os"
	"path/filepath"

	"github.com/emperor-go/emperor/internal/procname"
	"github.com/emperor-go/emperor/pkg/hooks"
)

// nameProcess makes process lists show the name that the options give.
func (v *Vassal) nameProcess(context.Context) error {
	name := v.options.Names.Of(filepath.Base(os.Args[0]), "master", v.source())
	if name == "" {
		return nil
	}
	return procname.Set(name, !hooks.IsNative)
}

// source is the emperor's name for the vassal, or nothing.
func (v *Vassal) source() string {
	if v.order == nil {
		return ""
	}
	return string(v.order.Name)
}
