package cli

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/emperor-go/emperor/internal/control"
	"github.com/emperor-go/emperor/pkg/config"
)

// OwnRuntimeDir returns the runtime directory of an emperor that was started without the option:
// the service manager's (RuntimeDirectory=, systemd.exec(5)), or the default.
func OwnRuntimeDir() string {
	first, _, _ := strings.Cut(os.Getenv("RUNTIME_DIRECTORY"), ":")
	if first != "" {
		return first
	}
	if dir := userRuntimeDir(); dir != "" && os.Geteuid() != 0 {
		return dir
	}
	return config.RuntimeDir
}

// askedRuntimeDir returns the runtime directory for a command without the option: the
// environment's, or the first default that has a control socket.
func askedRuntimeDir() string {
	if dir := os.Getenv("EMPEROR_RUNTIME_DIR"); dir != "" {
		return dir
	}
	usual := []string{config.RuntimeDir}
	if dir := userRuntimeDir(); dir != "" {
		usual = append(usual, dir)
	}
	i := slices.IndexFunc(usual, func(dir string) bool {
		info, err := os.Stat(filepath.Join(dir, control.SocketName))
		return err == nil && info.Mode().Type() == os.ModeSocket
	})
	return usual[max(i, 0)]
}

// userRuntimeDir returns the default runtime directory of an emperor that is not root (XDG Base
// Directory Specification), or an empty text when its user has none.
func userRuntimeDir() string {
	if dir := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "emperor")
	}
	return ""
}
