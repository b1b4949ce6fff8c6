package vassal

import (
	"context"
	"os"
	"path/filepath"

	"github.com/emperor-go/emperor/internal/procname"
	"github.com/emperor-go/emperor/pkg/hooks"
)

// nameProcess sets the process name of the options.
func (v *Vassal) nameProcess(context.Context) error {
	name := v.options.Names.Of(filepath.Base(os.Args[0]), "master", v.source())
	if name == "" {
		return nil
	}
	return procname.Set(name, !hooks.IsNative)
}

// source returns the emperor's name for the vassal, or an empty string.
func (v *Vassal) source() string {
	if v.order == nil {
		return ""
	}
	return string(v.order.Name)
}
