package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/emperor/control"
)

// ownRuntimeDir is the runtime directory of an emperor whose options name none: the
// service manager's (RuntimeDirectory=, systemd.exec(5)), or the usual one.
func ownRuntimeDir() string {
	first, _, _ := strings.Cut(os.Getenv("RUNTIME_DIRECTORY"), ":")
	if first != "" {
		return first
	}
	if dir := userRuntimeDir(); dir != "" && os.Geteuid() != 0 {
		return dir
	}
	return config.RuntimeDir
}

// askedRuntimeDir is the runtime directory of the emperor that commands ask, unless
// they are told another: the environment's, or the first usual one that has a control
// socket.
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

// userRuntimeDir is the usual runtime directory of an emperor that is not root (XDG
// Base Directory Specification). Empty: its user has none.
func userRuntimeDir() string {
	if dir := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "emperor")
	}
	return ""
}
