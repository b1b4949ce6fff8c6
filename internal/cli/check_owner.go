package cli

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"

	"github.com/emperor-go/emperor/internal/cause"
	"github.com/emperor-go/emperor/internal/inspect"
	"github.com/emperor-go/emperor/internal/vassalfiles"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/emperor/monitor"
)

// owners returns the rules about the owners of files; nil: none.
func (k *checker) owners() *monitor.Owners { return vassalfiles.Finder{Emperor: k.emperor}.Owners() }

// owned reports whether the owner of a file may have a vassal, and notes why not.
func (k *checker) owned(path string) bool {
	rules := k.owners()
	if rules == nil {
		return true
	}
	path, err := filepath.Abs(path)
	if err == nil {
		if err = rules.Check(path); err == nil && !ours(path) {
			err = vassalfiles.HasGroup(path, ownerOf(path))
		}
	}
	refused, ok := errors.AsType[*monitor.OwnerError](err)
	switch {
	case ok:
		k.found = append(k.found, inspect.Finding{
			Check: "owner", Severity: inspect.Error,
			Problem: config.Problem{Origin: config.Origin{File: path}, What: refused.What, Hint: refused.Hint},
		})
	case err != nil:
		k.note(path, nil, cause.Of(err))
	}
	if err != nil {
		k.files++
	}
	return err == nil
}

// ownerOf returns the owner of a file; root's uid when it cannot be examined.
func ownerOf(path string) uint32 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	s, _ := info.Sys().(*syscall.Stat_t)
	return s.Uid
}

// ours reports whether a file belongs to root or to this process's user.
func ours(path string) bool {
	info, err := os.Stat(path)
	if err != nil {
		return false
	}
	s, ok := info.Sys().(*syscall.Stat_t)
	return ok && (s.Uid == 0 || int(s.Uid) == os.Geteuid())
}
