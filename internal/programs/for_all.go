package programs

import (
	"os"
	"path/filepath"
)

// ForAll reports whether every user can reach and execute a file.
func ForAll(path string) bool {
	for ; ; path = filepath.Dir(path) {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm()&0o001 == 0 {
			return false
		}
		if path == "/" {
			return true
		}
	}
}
